//! A fleet grows and shrinks by tens of servers while matches are played on it.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use gamekeeper_crds::conditions::{PROGRESSING, reason};
use serde_json::json;

use crate::support::{Arena, Game, claim_of, together};

const FLEET: &str = "arena";

#[tokio::test]
async fn scaling_from_4_to_40_to_4_ends_no_match() -> Result<()> {
    together("scaling", async |arena| {
        arena.ready_fleet(FLEET, 4, json!({})).await?;
        let mut games = play(arena, 0..4).await?;
        scale(arena, 40).await?;
        arena.settled(FLEET).await?;
        ensure!(arena.servers(FLEET).len() == 40, "{} servers", arena.servers(FLEET).len());
        games.extend(play(arena, 4..12).await?);
        all_go_on(&games)?;

        scale(arena, 4).await?;
        left(arena, 12, 12).await?;
        arena.fleet_says(FLEET, PROGRESSING, reason::SCALING_DOWN).await?;
        all_go_on(&games)?;

        for game in games.split_off(2) {
            arena.finish(game).await?;
        }
        left(arena, 4, 2).await?;
        arena.settled(FLEET).await?;
        all_go_on(&games)?;
        try_join_all(games.into_iter().map(|game| arena.finish(game))).await?;
        left(arena, 4, 0).await?;
        let tally = arena.verdict()?;
        ensure!((tally.placed, tally.servers) == (12, 12), "{tally:?}");
        Ok(())
    })
    .await
}

async fn play(arena: &Arena, numbers: std::ops::Range<i32>) -> Result<Vec<Game>> {
    try_join_all(numbers.map(|number| async move { arena.start(&format!("room-{number}"), FLEET).await }))
        .await
}

async fn scale(arena: &Arena, replicas: i32) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    arena.namespace().kubectl(&["scale", "gamefleet", FLEET, &replicas]).await?;
    arena
        .eventually("the scaled fleet is seen", |it| {
            ensure!(format!("--replicas={}", it.fleet(FLEET)?.spec.replicas) == replicas, "not yet");
            Ok(())
        })
        .await
}

/// Waits until so many servers are left, and so many of them have a match.
async fn left(arena: &Arena, servers: usize, busy: usize) -> Result<()> {
    arena
        .eventually(&format!("{servers} servers are left, {busy} busy"), |it| {
            let all = it.servers(FLEET);
            let with_match = all.iter().filter(|it| claim_of(it).is_some()).count();
            ensure!((all.len(), with_match) == (servers, busy), "{} servers, {with_match} busy", all.len());
            Ok(())
        })
        .await
}

fn all_go_on(games: &[Game]) -> Result<()> {
    games.iter().try_for_each(Game::goes_on)
}
