//! Many rooms on one server.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use gamekeeper_crds::conditions::{PLACED, reason};
use gamekeeper_crds::room::Phase;
use serde_json::json;

use crate::support::{Arena, Game, Kind, with_both};

#[tokio::test]
async fn many_rooms_share_a_server_and_each_is_played_under_its_own_epoch() -> Result<()> {
    with_both("sharing", async |arena, kind| {
        kind.ready(arena, 2, json!({ "maxPerServer": 4 })).await?;
        let rooms: Vec<_> = (0..8).map(|number| kind.room(number)).collect();
        let mut games = try_join_all(rooms.iter().map(|room| arena.start(room, kind.fleet))).await?;
        share_two_servers(arena, &games)?;

        let ninth = kind.room("ninth");
        arena.create_room(&ninth, kind.fleet, json!({})).await?;
        let why = arena.room_says(&ninth, PLACED, reason::NO_CAPACITY).await?;
        ensure!(why == "0 of 2 servers fit: 2 full", "it is told: {why}");
        counts(arena, kind, (8, 0, 1)).await?;
        arena.finish(games.pop().context("no game")?).await?;
        let ninth = arena.join(&ninth).await?;

        games.iter().try_for_each(Game::goes_on)?;
        for game in games.into_iter().chain([ninth]) {
            arena.finish(game).await?;
        }
        counts(arena, kind, (0, 8, 0)).await?;
        ensure!(arena.servers(kind.fleet).len() == 2, "servers were replaced");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn deleting_a_room_closes_it_and_leaves_its_server_alone() -> Result<()> {
    with_both("closing", async |arena, kind| {
        kind.ready(arena, 1, json!({ "maxPerServer": 2 })).await?;
        let [deleted, stays, next] = ["deleted", "stays", "next"].map(|it| kind.room(it));
        let (closed, game) =
            (arena.start(&deleted, kind.fleet).await?, arena.start(&stays, kind.fleet).await?);
        let before = uids(arena, kind);
        arena.delete_room(&deleted).await?;
        closed.is_closed(crate::support::PATIENCE).await?;
        // Its place is free, and nobody else noticed.
        let next = arena.start(&next, kind.fleet).await?;
        game.goes_on()?;
        ensure!(uids(arena, kind) == before, "the server was replaced");
        arena.finish(next).await?;
        arena.finish(game).await
    })
    .await
}

/// Four rooms on each of two servers, with one endpoint for a server, and an epoch for every room.
fn share_two_servers(arena: &Arena, games: &[Game]) -> Result<()> {
    let (mut servers, mut epochs) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeSet::new());
    for game in games {
        let status = arena.room_status(game.room())?;
        ensure!(status.phase == Phase::Running, "{} is {:?}", game.room(), status.phase);
        ensure!(Some(status.epoch) == game.epoch(), "{:?} answers for {status:?}", game.epoch());
        let server = status.server.context("a room that runs has no server")?;
        ensure!(server.boot_id.as_deref() == Some(game.boot()), "{} answers for {server:?}", game.boot());
        ensure!(epochs.insert(status.epoch), "two rooms have epoch {}", status.epoch);
        servers.entry((server.pod_uid, game.server())).or_default().insert(game.room());
    }
    let shares: Vec<_> = servers.values().map(BTreeSet::len).collect();
    ensure!(shares == [4, 4], "rooms are spread over servers and endpoints like this: {servers:?}");
    let endpoints: BTreeSet<_> = servers.keys().map(|(_, endpoint)| endpoint).collect();
    ensure!(endpoints.len() == 2, "two servers have one endpoint: {servers:?}");
    Ok(())
}

/// Waits until the fleet counts so many rooms that run, could be placed, and wait.
async fn counts(arena: &Arena, kind: Kind, (running, free, pending): (i32, i32, i32)) -> Result<()> {
    arena
        .eventually(&format!("{} counts its rooms", kind.fleet), |it| {
            let rooms = it.fleet_status(kind.fleet)?.rooms;
            let is_so = (rooms.running, rooms.free, rooms.pending) == (running, free, pending);
            ensure!(is_so, "{rooms:?} instead of {running} running, {free} free, {pending} pending");
            Ok(())
        })
        .await
}

/// The servers, by the uids of their pods.
fn uids(arena: &Arena, kind: Kind) -> Vec<Option<String>> {
    arena.servers(kind.fleet).into_iter().map(|it| it.metadata.uid).collect()
}
