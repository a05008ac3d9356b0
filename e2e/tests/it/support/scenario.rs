//! Who may run at the same time.

use anyhow::Result;
use e2e::arena::Arena;
use e2e::progress::say;
use e2e::testenv;
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
    judged(name, play).await
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
