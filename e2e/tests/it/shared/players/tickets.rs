//! Fleets that ask for tickets.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use e2e::bots::{Bots, Played, Table};
use e2e::command::{output, program};
use e2e::testenv::{GameServer, arena_program};
use gamekeeper_crds::GameRoom;
use kube::ResourceExt as _;
use serde_json::json;
use tokio::time::sleep;

use super::{FLEET, LASTS, all_is_well, rooms, table};
use crate::support::{Arena, together};

/// Who issues tickets.
struct Issuer {
    program: PathBuf,
    keys: PathBuf,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // What is left is a key that nobody uses.
        let _ = std::fs::remove_dir_all(&self.keys);
    }
}

impl Issuer {
    async fn new() -> Result<Self> {
        let keys = std::env::temp_dir().join(format!("gamekeeper-keys-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&keys).with_context(|| format!("make {}", keys.display()))?;
        let it = Self { program: arena_program().await?, keys };
        let mut keys = program(&it.program);
        keys.arg("keys").arg("--secret").arg(it.path("secret")).arg("--public").arg(it.path("public"));
        output(&mut keys).await?;
        Ok(it)
    }

    fn path(&self, half: &str) -> PathBuf {
        self.keys.join(half)
    }

    async fn ticket(&self, room_uid: &str, player: &str) -> Result<String> {
        let mut issue = program(&self.program);
        issue.arg("ticket").arg("--secret").arg(self.path("secret"));
        issue.args(["--room", room_uid, "--player", player]);
        Ok(output(&mut issue).await?.trim().to_owned())
    }

    async fn tickets(&self, room_uid: &str, count: usize) -> Result<Vec<String>> {
        let mut tickets = Vec::new();
        for number in 0..count {
            tickets.push(self.ticket(room_uid, &format!("player-{number}")).await?);
        }
        Ok(tickets)
    }
}

#[tokio::test]
async fn p8_only_who_has_a_ticket_for_this_room_gets_in() -> Result<()> {
    together("tickets", async |arena| {
        let issuer = Issuer::new().await?;
        let public = issuer.path("public").display().to_string();
        arena
            .namespace()
            .kubectl(&["create", "secret", "generic", "tickets", "--from-file", &format!("public={public}")])
            .await?;
        let ticket = json!({ "spec": {
            "admission": "Ticket",
            "tickets": { "publicKeySecretKeyRef": { "name": "tickets", "key": "public" } },
        } });
        arena.ready_fleet_of(GameServer::Arena, FLEET, 1, ticket).await?;
        let names = ["final".to_owned(), "other".to_owned()];
        rooms(arena, &names, 2 * LASTS).await?;
        let (last, other) = (uid(arena, "final").await?, uid(arena, "other").await?);

        refused(arena, Vec::new(), "NotAdmitted").await?;
        refused(arena, issuer.tickets(&other, 4).await?, "TicketForAnotherRoom").await?;
        refused(arena, Issuer::new().await?.tickets(&last, 4).await?, "NotAdmitted").await?;

        let tickets = issuer.tickets(&last, 4).await?;
        let others = issuer.tickets(&other, 4).await?;
        let tables = [
            Table { tickets: tickets.clone(), ..table(arena, "final")? },
            Table { tickets: others, ..table(arena, "other")? },
        ];
        let bots = Bots::play(&issuer.program, &tables).await?;
        // A room's status tells of its players too seldom to say when they have come; they take a moment.
        sleep(LASTS / 2).await;
        // Somebody has copied them, and not the secrets of those who came first.
        refused(arena, tickets, "TicketUsed").await?;
        all_is_well(arena, &names, &bots.done().await?, 0).await
    })
    .await
}

async fn uid(arena: &Arena, room: &str) -> Result<String> {
    arena.namespace().api::<GameRoom>().get(room).await?.uid().context("it has no uid")
}

/// Nobody gets into the room "final" with these.
async fn refused(arena: &Arena, tickets: Vec<String>, why: &str) -> Result<()> {
    let strangers = Table { tickets, ..table(arena, "final")? };
    let seen: Vec<Played> = Bots::play(&arena_program().await?, &[strangers]).await?.done().await?;
    for bot in &seen {
        let said = bot.why.as_deref().unwrap_or("nothing");
        ensure!(bot.ticks == 0 && said.contains(why), "not {why}: {said}");
    }
    ensure!(seen.len() == 4, "{} bots", seen.len());
    Ok(())
}
