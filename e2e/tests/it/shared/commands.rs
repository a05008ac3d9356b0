//! What a user types.

use anyhow::{Result, ensure};
use gamekeeper_crds::room::Phase;
use serde_json::json;

use crate::support::{Arena, together};

#[tokio::test]
async fn kubectl_shows_explains_scales_and_waits() -> Result<()> {
    together("commands", async |arena| {
        arena.ready_fleet("arena", 1, json!({})).await?;
        let game = arena.start("duel", "arena").await?;
        shows(arena).await?;
        explains(arena).await?;

        arena.namespace().kubectl(&["scale", "gf/arena", "--replicas=3"]).await?;
        arena
            .eventually("three are ready", |it| {
                ensure!(it.fleet_status("arena")?.ready_replicas == 3, "not yet");
                Ok(())
            })
            .await?;

        let wait = ["wait", "--for=condition=Finished", "gr/duel", "--timeout=60s"];
        let waiting = arena.namespace().kubectl(&wait);
        let (waited, finished) = tokio::join!(waiting, arena.finish(game));
        finished?;
        ensure!(waited?.contains("condition met"), "kubectl wait says something else");
        let running = ["wait", "--for=jsonpath={.status.phase}=Finished", "gr/duel", "--timeout=10s"];
        arena.namespace().kubectl(&running).await?;
        arena.phase("duel", Phase::Finished).await
    })
    .await
}

/// After `get`, which notices where kubectl's cache is of an older cluster at the same address; `explain` does not.
async fn explains(arena: &Arena) -> Result<()> {
    for (what, word) in [
        ("gf.spec.template.spec.containers", "imagePullPolicy"),
        ("gf.spec.rollout.rollingUpdate", "maxSurge"),
        ("gr.spec", "serverSelector"),
        ("gr.status.endpoints", "address"),
    ] {
        let explained = arena.namespace().kubectl(&["explain", what]).await?;
        ensure!(explained.contains(word), "{what} is not explained: {explained}");
    }
    Ok(())
}

async fn shows(arena: &Arena) -> Result<()> {
    let both = arena.namespace().kubectl(&["get", "gf,gr"]).await?;
    let games = arena.namespace().kubectl(&["get", "games"]).await?;
    for shown in [&both, &games] {
        for heading in ["DESIRED", "READY", "UPDATED", "ROOMS", "FREE", "PENDING", "ROLLOUT"] {
            ensure!(shown.contains(heading), "no column {heading}: {shown}");
        }
        for heading in ["FLEET", "PHASE", "SERVER", "ADDRESS", "PORT"] {
            ensure!(shown.contains(heading), "no column {heading}: {shown}");
        }
        ensure!(shown.contains("Running") && shown.contains("arena-"), "the room's line is wrong: {shown}");
    }
    let described = arena.namespace().kubectl(&["describe", "gamefleet", "arena"]).await?;
    ensure!(described.contains("nothing is wrong"), "kubectl describe does not tell: {described}");
    Ok(())
}
