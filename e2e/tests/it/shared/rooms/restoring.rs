//! A match of a server that was written by the manuals alone goes on from the store, by another process.

use anyhow::{Result, ensure};
use e2e::chart;
use e2e::faults::Signal;
use gamekeeper_crds::conditions::{CHECKPOINTED, reason};
use gamekeeper_crds::room::Phase;
use serde_json::json;

use crate::support::{BOTH, together};

/// A match that begins afresh has not come so far when it is found again.
const TICKS: u64 = 300;

#[tokio::test]
async fn p4_a_match_of_a_stranger_goes_on_from_the_store() -> Result<()> {
    together("restoring", async |arena| {
        let [go, _] = BOTH;
        arena.namespace().give_redis_url().await?;
        let state = json!({ "redis": { "urlSecretKeyRef": { "name": chart::REDIS, "key": "url" } } });
        let change = json!({ "spec": { "rooms": { "maxPerServer": 4 }, "state": state } });
        arena.ready_fleet_of(go.server, go.fleet, 2, change).await?;
        let room = go.room("kept");
        let mut game = arena.start(&room, go.fleet).await?;
        arena.room_says(&room, CHECKPOINTED, reason::CHECKPOINTED).await?;
        while game.tick() < Some(TICKS) {
            game.leave().await?;
            game = arena.join(&room).await?;
        }
        let (boot, epoch, tick) = (game.boot().to_owned(), game.epoch(), game.tick());
        game.leave().await?;
        arena.signal(&room, Signal::Kill).await?;
        arena
            .eventually("the match goes on", |it| {
                let status = it.room_status(&room)?;
                ensure!(status.phase == Phase::Running && status.recoveries == 1, "{status:?}");
                Ok(())
            })
            .await?;
        let again = arena.join(&room).await?;
        ensure!(again.boot() != boot && epoch < again.epoch(), "it is played by a server that is dead");
        ensure!(tick < again.tick(), "it was at {tick:?}, and went on at {:?}", again.tick());
        arena.finish(again).await
    })
    .await
}
