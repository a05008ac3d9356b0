//! The control plane goes away while matches are played.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Component};
use e2e::faults::{self, Signal};
use futures::future::try_join_all;
use gamekeeper_crds::room::Phase;
use serde_json::json;
use tokio::time::sleep;

use crate::support::{Arena, Game, Operators, alone};

const FLEET: &str = "arena";

/// Longer than a lease and than any retry.
const OUTAGE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn matches_outlive_the_api_server_etcd_and_the_lease() -> Result<()> {
    alone("outage", async |arena| {
        let env = arena.namespace().env();
        let cluster = env.ours("an outage")?;
        let operators = Operators::of(env);
        operators.available().await?;
        arena.ready_fleet(FLEET, 8, json!({})).await?;
        let games = try_join_all(["a", "b", "c"].map(|room| arena.start(room, FLEET))).await?;

        without(arena, cluster, Component::ApiServer, &games).await?;
        without(arena, cluster, Component::Etcd, &games).await?;

        let before = operators.leader(None).await?;
        operators.delete_lease().await?;
        let finished = arena.start("after-lease", FLEET).await?;
        arena.finish(finished).await?;
        let after = operators.leader(None).await?;
        e2e::progress::say(&format!("{} led before the Lease was deleted, {} after", before.pod, after.pod));

        for game in games {
            game.goes_on()?;
            arena.finish(game).await?;
        }
        operators.available().await?;
        arena.settled(FLEET).await?;
        let tally = arena.verdict()?;
        // Of each outage three rooms, one of which had two servers; and those that lasted, and the last one.
        ensure!((tally.placed, tally.servers) == (10, 12), "{tally:?}");
        Ok(())
    })
    .await
}

/// While a component is away, one match ends, one server is killed, and the others go on.
async fn without(arena: &Arena, cluster: &Cluster, component: Component, games: &[Game]) -> Result<()> {
    let [ends, dies, waits] = ["ends", "dies", "waits"].map(|it| format!("{it}-without-{component}"));
    let (ending, dying) = (arena.start(&ends, FLEET).await?, arena.start(&dies, FLEET).await?);
    let boot = dying.boot().to_owned();

    faults::kill(cluster, component).await?;
    let played = async {
        ending.finish().await?;
        dying.leave().await?;
        arena.signal(&dies, Signal::Kill).await?;
        sleep(OUTAGE).await;
        games.iter().try_for_each(Game::goes_on)
    }
    .await;
    // In any case: all other scenarios need it.
    faults::start(cluster, component).await?;
    played?;

    arena.phase(&ends, Phase::Finished).await?;
    let recovered = arena.eventually("the killed one is placed again", |it| {
        let status = it.room_status(&dies)?;
        ensure!(status.phase == Phase::Running && status.recoveries == 1, "{status:?}");
        Ok(())
    });
    recovered.await?;
    let again = arena.join(&dies).await?;
    ensure!(again.boot() != boot, "{dies} is played on by a server that is dead");
    arena.finish(again).await?;
    let new = arena.start(&waits, FLEET).await?;
    arena.finish(new).await
}
