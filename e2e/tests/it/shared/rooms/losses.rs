//! Servers that are lost with many rooms, and one that cannot be talked to.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::faults::Signal;
use e2e::testenv::GameServer;
use futures::future::try_join_all;
use gamekeeper_crds::conditions::{DEGRADED, FINISHED, reason};
use gamekeeper_crds::room::Phase;
use gamekeeper_crds::{GameRoomStatus, labels};
use kube::ResourceExt as _;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Arena, Game, Kind, together, with_both};

/// Rooms on the server that is lost which are to begin afresh.
const RESTARTED: usize = 3;

/// How long a server may take to be ready: long enough to be dialled some times.
const IN_TIME: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_servers_rooms_come_back_elsewhere_or_fail_as_they_wish() -> Result<()> {
    with_both("losses", async |arena, kind| {
        kind.ready(arena, 1, json!({ "maxPerServer": 5 })).await?;
        is_lost(arena, kind, "killed", "137", async |arena, game| {
            let room = game.room().to_owned();
            game.leave().await?;
            arena.signal(&room, Signal::Kill).await
        })
        .await?;
        is_lost(arena, kind, "crashed", "code 3", async |_, game| game.crash().await).await
    })
    .await
}

#[tokio::test]
async fn a_server_that_does_not_speak_the_protocol_is_told_of_and_replaced_when_its_time_is_over()
-> Result<()> {
    together("mute-control", async |arena| {
        // The UDP server's fleet and probe, and a port at which nobody listens.
        let mute = json!({ "spec": { "control": {}, "health": { "startTimeout": format!("{}s", IN_TIME.as_secs()) } } });
        arena.create_fleet_of(GameServer::Plain, "mute", 1, mute).await?;
        arena.create_room("unheard", "mute", json!({})).await?;
        let why = arena.fleet_says("mute", DEGRADED, reason::CONTROL_FAILING).await?;
        ensure!(why.contains("spec.control.port"), "{why}");
        let third = replaced_after(arena, 2).await?;
        let fourth = replaced_after(arena, 3).await?;
        let pause = fourth.saturating_duration_since(third);
        ensure!(IN_TIME / 2 <= pause, "after three failures the next server was started after {pause:?}");
        let status = arena.room_status("unheard")?;
        ensure!(status.phase == Phase::Pending && status.epoch == 0, "{status:?}");
        Ok(())
    })
    .await
}

/// Waits until there is a server in whose place so many failed in a row, and returns when it was seen.
async fn replaced_after(arena: &Arena, failures: u32) -> Result<Instant> {
    arena
        .eventually(&format!("a server after {failures} failures"), |it| {
            let failed: Vec<u32> = it
                .servers("mute")
                .iter()
                .filter_map(|it| it.annotations().get(labels::FAILURES)?.parse().ok())
                .collect();
            ensure!(failed.iter().any(|it| failures <= *it), "so many failed: {failed:?}");
            Ok(Instant::now())
        })
        .await
}

/// All rooms of a fleet's server lose it in some way, and do as their `recovery` says; `why` is what is said of the end.
async fn is_lost(
    arena: &Arena,
    kind: Kind,
    how: &str,
    why: &str,
    lose: impl AsyncFn(&Arena, Game) -> Result<()>,
) -> Result<()> {
    let fails = kind.room(format_args!("{how}-fails"));
    let restarted: Vec<_> = (0..RESTARTED).map(|number| kind.room(format_args!("{how}-{number}"))).collect();
    arena.create_room(&fails, kind.fleet, json!({ "spec": { "recovery": "Fail" } })).await?;
    let game = arena.join(&fails).await?;
    for room in &restarted {
        arena.create_room(room, kind.fleet, json!({ "spec": { "recovery": "Restart" } })).await?;
        arena.running(room).await?;
    }
    let before = arena.room_status(&fails)?;
    // There is somewhere to go.
    scale(arena, kind, 2).await?;
    lose(arena, game).await?;

    let again = try_join_all(restarted.iter().map(|room| play_again(arena, room, &before))).await?;
    arena.phase(&fails, Phase::Failed).await?;
    let told = arena.room_says(&fails, FINISHED, reason::LOST).await?;
    // Whoever comes first: the kubelet, with the exit code, or the operator, whom the dead server's kernel refuses.
    ensure!(told.contains(why) || told.contains("refuses connections"), "{fails} is told: {told}");
    for game in again {
        arena.finish(game).await?;
    }
    scale(arena, kind, 1).await
}

async fn scale(arena: &Arena, kind: Kind, replicas: i32) -> Result<()> {
    arena.patch_fleet(kind.fleet, json!({ "spec": { "replicas": replicas } })).await?;
    arena.settled(kind.fleet).await
}

/// Waits until a room whose server was lost runs elsewhere, and joins it.
async fn play_again(arena: &Arena, room: &str, before: &GameRoomStatus) -> Result<Game> {
    arena
        .eventually(&format!("{room} is placed again"), |it| {
            let status = it.room_status(room)?;
            ensure!(status.phase == Phase::Running && status.recoveries == 1, "{status:?}");
            ensure!(before.server != status.server, "it is on the same server");
            ensure!(before.epoch < status.epoch, "the epoch went from {} to {}", before.epoch, status.epoch);
            Ok(())
        })
        .await?;
    arena.join(room).await
}
