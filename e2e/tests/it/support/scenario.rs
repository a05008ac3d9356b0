//! Who may run at the same time.

use anyhow::{Result, ensure};
use e2e::arena::{Arena, PATIENCE};
use e2e::progress::say;
use e2e::testenv;
use e2e::wait::eventually;
use gamekeeper_crds::labels;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tokio::sync::RwLock;
use tokio::time::Instant;

/// Held by one scenario alone, or by several together.
static CLUSTER: RwLock<()> = RwLock::const_new(());

/// Plays a scenario that others may run beside.
pub(crate) async fn together(name: &str, play: impl AsyncFnOnce(&Arena) -> Result<()>) -> Result<()> {
    let _turn = CLUSTER.read().await;
    judged(name, play).await
}

/// Plays a scenario that disturbs all others.
pub(crate) async fn alone(name: &str, play: impl AsyncFnOnce(&Arena) -> Result<()>) -> Result<()> {
    let _turn = CLUSTER.write().await;
    judged(name, async |arena| {
        nobody_else(arena).await?;
        play(arena).await
    })
    .await
}

/// What a failed scenario left would fail the next: its rooms count where rooms are placed, and hold up a drain.
async fn nobody_else(arena: &Arena) -> Result<()> {
    let env = arena.namespace().env();
    if env.ours("what is on the nodes").is_err() {
        return Ok(());
    }
    let pods: Api<Pod> = Api::all(env.client().clone());
    let servers = ListParams::default().labels(labels::FLEET);
    eventually("no servers of other scenarios", PATIENCE, async || {
        let left = pods.list_metadata(&servers).await?;
        let left: Vec<_> = left.iter().map(|it| (it.namespace(), it.name_any())).collect();
        ensure!(left.is_empty(), "there are {left:?}");
        Ok(())
    })
    .await
}

/// In every scenario the referee has the last word.
async fn judged(name: &str, play: impl AsyncFnOnce(&Arena) -> Result<()>) -> Result<()> {
    testenv::scenario(name, async |namespace| {
        let start = Instant::now();
        let arena = Arena::open(namespace);
        play(&arena).await?;
        let tally = arena.verdict()?;
        let seconds = start.elapsed().as_secs();
        say(&format!("{name} took {seconds} s: {} rooms had {} servers", tally.placed, tally.servers));
        Ok(())
    })
    .await
}
