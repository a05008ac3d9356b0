//! A fleet of shared servers changes while rooms are played on it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use gamekeeper_crds::conditions::{PLACED, PROGRESSING, reason};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::json;

use crate::support::{Arena, Game, Kind, with_both};

#[tokio::test]
async fn scaling_down_takes_servers_when_their_last_room_is_over() -> Result<()> {
    with_both("shrinking", async |arena, kind| {
        kind.ready(arena, 4, json!({ "maxPerServer": 2 })).await?;
        let mut tables = BTreeMap::<_, Vec<Game>>::new();
        for number in 0..5 {
            let game = arena.start(&kind.room(number), kind.fleet).await?;
            let server = arena.room_status(game.room())?.server.context("no server")?;
            tables.entry(server.pod_uid).or_default().push(game);
        }
        arena.patch_fleet(kind.fleet, json!({ "spec": { "replicas": 1 } })).await?;
        // Where five rooms are depends on how full the nodes are with others' rooms; it takes three servers at least.
        let mut busy = tables.len();
        left(arena, kind, busy).await?;
        arena.fleet_says(kind.fleet, PROGRESSING, reason::SCALING_DOWN).await?;
        tables.values().flatten().try_for_each(Game::goes_on)?;
        while 1 < busy {
            let (_, games) = tables.pop_first().context("no server is left")?;
            for game in games {
                left(arena, kind, busy).await?;
                arena.finish(game).await?;
            }
            busy -= 1;
            left(arena, kind, busy).await?;
            tables.values().flatten().try_for_each(Game::goes_on)?;
        }
        // What is left takes rooms.
        arena.settled(kind.fleet).await?;
        for game in tables.into_values().flatten() {
            arena.finish(game).await?;
        }
        let next = arena.start(&kind.room("next"), kind.fleet).await?;
        arena.finish(next).await
    })
    .await
}

#[tokio::test]
async fn old_servers_get_no_rooms_after_a_change_and_go_with_their_last() -> Result<()> {
    with_both("renewing", async |arena, kind| {
        kind.ready(arena, 1, json!({ "maxPerServer": 4 })).await?;
        let [one, two, new] = ["one", "two", "new"].map(|it| kind.room(it));
        let (one, two) = (arena.start(&one, kind.fleet).await?, arena.start(&two, kind.fleet).await?);
        let before = arena.room_status(one.room())?.server.context("no server")?;

        let build = json!({ "spec": { "template": { "metadata": { "labels": { "build": "2" } } } } });
        arena.patch_fleet(kind.fleet, build).await?;
        arena
            .eventually("all free places are on the new server", |it| {
                let status = it.fleet_status(kind.fleet)?;
                let places = (status.ready_replicas, status.rooms.running, status.rooms.free);
                ensure!(places == (2, 2, 4), "servers, rooms and free places are {places:?}");
                Ok(())
            })
            .await?;
        let new = arena.start(&new, kind.fleet).await?;
        let server = arena.room_status(new.room())?.server.context("no server")?;
        ensure!(server.pod_uid != before.pod_uid, "a room was placed on the old server");
        nobody_goes_there(arena, kind).await?;

        arena.finish(one).await?;
        two.goes_on()?;
        ensure!(arena.has_pod(&before.pod_name), "the old server went before its last room was over");
        arena.finish(two).await?;
        arena.settled(kind.fleet).await?;
        new.goes_on()?;
        ensure!(arena.servers(kind.fleet).iter().all(|it| build_of(it) == "2"), "the old one is left");
        arena.finish(new).await
    })
    .await
}

/// Not even a room that may go nowhere else than to the old server.
async fn nobody_goes_there(arena: &Arena, kind: Kind) -> Result<()> {
    let room = kind.room("for-old");
    let wants = json!({ "spec": { "serverSelector": { "matchLabels": { "build": "1" } } } });
    arena.create_room(&room, kind.fleet, wants).await?;
    let why = arena.room_says(&room, PLACED, reason::NO_CAPACITY).await?;
    ensure!(why.contains("1 draining"), "it is told: {why}");
    arena.delete_room(&room).await
}

fn build_of(server: &Pod) -> String {
    server.labels().get("build").cloned().unwrap_or_default()
}

/// Waits until so many servers are left.
async fn left(arena: &Arena, kind: Kind, servers: usize) -> Result<()> {
    arena
        .eventually(&format!("{servers} servers of {} are left", kind.fleet), |it| {
            let left = it.servers(kind.fleet).len();
            ensure!(left == servers, "{left} are left");
            Ok(())
        })
        .await
}
