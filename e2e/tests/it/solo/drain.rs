//! A node is drained with `kubectl drain` while matches are played on it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e::drain::{ASKED_AGAIN, Drain, uncordon};
use e2e::progress::say;
use futures::future::try_join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::support::{Arena, Game, Operators, PATIENCE, alone, claim_of, is_ready, node_of};

const FLEET: &str = "arena";

const NODE: &str = "node-2";

const ROOMS: usize = 4;

/// How often they are placed, until they are on both nodes.
const ROUNDS: usize = 3;

/// Until all matches are over.
const DRAINED: Duration = Duration::from_mins(2);

#[tokio::test]
async fn a_drain_moves_free_servers_off_and_ends_with_the_last_match() -> Result<()> {
    alone("drain", async |arena| {
        // The nodes of other clusters have other names, and what is on them is not ours to move.
        let env = arena.namespace().env();
        env.ours("draining a node")?;
        let spread = json!({ "placement": { "strategy": "Distributed" } });
        arena.ready_fleet(FLEET, 8, json!({ "spec": spread })).await?;
        let games = start(arena).await?;
        let drained = drain(arena, games).await;
        // In any case: all other scenarios need the node.
        uncordon(env.kubectl(), NODE).await?;
        drained?;
        Operators::of(env).available().await
    })
    .await
}

/// Matches on both nodes. A leader that has just begun places rooms when it knows a server, and may know those of one
/// node first: then once more.
async fn start(arena: &Arena) -> Result<Vec<Game>> {
    for round in 0..ROUNDS {
        let rooms: Vec<_> = (0..ROOMS).map(|number| format!("room-{round}-{number}")).collect();
        let games = try_join_all(rooms.iter().map(|room| arena.start(room, FLEET))).await?;
        let busy = rooms_on_node(arena).len();
        if (1..ROOMS).contains(&busy) && busy < on_node(arena) {
            return Ok(games);
        }
        say(&format!("{busy} of {ROOMS} matches are on {NODE}: once more"));
        for game in games {
            arena.finish(game).await?;
        }
        arena.settled(FLEET).await?;
    }
    bail!("{ROUNDS} times all matches were on one node");
}

async fn drain(arena: &Arena, games: Vec<Game>) -> Result<()> {
    let busy = rooms_on_node(arena);
    let drain = Drain::begin(arena.namespace().env().kubectl(), NODE, DRAINED)?;

    arena
        .eventually("free servers are elsewhere", |it| {
            let (left, all) = (on_node(it), it.servers(FLEET));
            ensure!(left == busy.len(), "{left} servers are on {NODE}");
            let ready = all.iter().filter(|it| is_ready(it)).count();
            ensure!(8 <= ready, "{ready} are ready");
            Ok(())
        })
        .await?;
    sleep(ASKED_AGAIN).await;
    ensure!(rooms_on_node(arena) == busy, "matches left {NODE}: {:?} of {busy:?}", rooms_on_node(arena));
    // New matches are played elsewhere.
    let late = arena.start("late", FLEET).await?;
    ensure!(rooms_on_node(arena) == busy, "a room was placed on {NODE}");

    let (there, elsewhere): (Vec<_>, Vec<_>) = games.into_iter().partition(|it| busy.contains(it.room()));
    for game in there {
        arena.finish(game).await?;
    }
    let complained = drain.done(PATIENCE).await?;
    ensure!(complained.contains("disruption budget"), "evictions were not refused: {complained}");
    for game in elsewhere.into_iter().chain([late]) {
        game.goes_on()?;
        arena.finish(game).await?;
    }
    arena.settled(FLEET).await
}

/// How many servers are on the node.
fn on_node(arena: &Arena) -> usize {
    arena.servers(FLEET).iter().filter(|it| node_of(it) == NODE).count()
}

/// The rooms on the node.
fn rooms_on_node(arena: &Arena) -> BTreeSet<String> {
    let servers = arena.servers(FLEET);
    let there = servers.iter().filter(|it| node_of(it) == NODE);
    there.filter_map(|it| claim_of(it)).map(ToOwned::to_owned).collect()
}
