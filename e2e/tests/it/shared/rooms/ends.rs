//! How rooms end on a server that goes on.

use anyhow::{Context as _, Result, ensure};
use gamekeeper_crds::conditions::{FINISHED, reason};
use gamekeeper_crds::room::Phase;
use serde_json::{Value, json};

use crate::support::{Arena, Kind, with_both};

#[tokio::test]
async fn a_match_leaves_its_result_and_is_forgotten_after_its_time() -> Result<()> {
    with_both("results", async |arena, kind| {
        kind.ready(arena, 1, json!({ "maxPerServer": 4 })).await?;
        let server = only_server(arena, kind)?;
        let [timed, told, short] = ["timed", "told", "short"].map(|it| kind.room(it));
        create(arena, kind, &timed, &json!({ "seconds": "2", "result": "p3 wins" }), 3600).await?;
        create(arena, kind, &told, &json!({ "result": "a draw" }), 3600).await?;
        create(arena, kind, &short, &json!({ "seconds": "1" }), 1).await?;

        let game = arena.join(&told).await?;
        arena.phase(&timed, Phase::Finished).await?;
        let status = arena.room_status(&timed)?;
        let ticks: u64 = status.result.get("ticks").context("it did not count its ticks")?.parse()?;
        // Thirty a second for two seconds; a machine that is busy may leave some out.
        ensure!((1..=61).contains(&ticks), "{ticks} ticks");
        ensure!(status.result.get("result").is_some_and(|it| it == "p3 wins"), "{:?}", status.result);
        ensure!(status.endpoints.is_empty(), "it still has an endpoint: {:?}", status.endpoints);
        arena.room_says(&timed, FINISHED, reason::COMPLETED).await?;
        arena
            .eventually(&format!("{short} is deleted"), |it| {
                ensure!(it.room_status(&short).is_err(), "it is there");
                Ok(())
            })
            .await?;

        // Its life has no end of its own.
        game.goes_on()?;
        arena.finish(game).await?;
        let result = arena.room_status(&told)?.result;
        ensure!(result.get("result").is_some_and(|it| it == "a draw"), "{result:?}");
        ensure!(only_server(arena, kind)? == server, "the server was replaced");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_room_that_nobody_comes_to_fails_and_its_place_is_free_again() -> Result<()> {
    with_both("unclaimed", async |arena, kind| {
        kind.ready(arena, 1, json!({ "maxPerServer": 1, "claimTimeout": "2s" })).await?;
        let server = only_server(arena, kind)?;
        let [nobody, next] = ["nobody", "next"].map(|it| kind.room(it));
        arena.create_room(&nobody, kind.fleet, json!({})).await?;
        arena.phase(&nobody, Phase::Failed).await?;
        arena.room_says(&nobody, FINISHED, reason::UNCLAIMED).await?;
        let game = arena.start(&next, kind.fleet).await?;
        ensure!(only_server(arena, kind)? == server, "the server was replaced");
        arena.finish(game).await
    })
    .await
}

#[tokio::test]
async fn a_room_that_the_game_does_not_take_fails_with_the_games_words() -> Result<()> {
    with_both("refused", async |arena, kind| {
        kind.ready(arena, 1, json!({ "maxPerServer": 1 })).await?;
        let [odd, next] = ["odd", "next"].map(|it| kind.room(it));
        create(arena, kind, &odd, &json!({ "seconds": "soon" }), 3600).await?;
        arena.phase(&odd, Phase::Failed).await?;
        let why = arena.room_says(&odd, FINISHED, reason::REFUSED).await?;
        ensure!(why.contains("seconds") && why.contains("soon"), "it is told: {why}");
        let game = arena.start(&next, kind.fleet).await?;
        arena.finish(game).await
    })
    .await
}

async fn create(arena: &Arena, kind: Kind, room: &str, parameters: &Value, ttl: i32) -> Result<()> {
    let spec = json!({ "parameters": parameters, "ttlSecondsAfterFinished": ttl });
    arena.create_room(room, kind.fleet, json!({ "spec": spec })).await
}

/// The uid of the fleet's one server.
fn only_server(arena: &Arena, kind: Kind) -> Result<String> {
    let servers = arena.servers(kind.fleet);
    ensure!(servers.len() == 1, "{} servers", servers.len());
    servers.into_iter().next().and_then(|it| it.metadata.uid).context("it has no uid")
}
