//! Waiting for what will become true, with a deadline and a name for what did not.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep, timeout_at};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);

/// Calls `probe` until it succeeds and returns what it found; an error means "not yet".
///
/// At the deadline the last error tells what was seen instead of `what`.
pub async fn eventually<T, F, Fut>(what: &str, deadline: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let end = Instant::now() + deadline;
    let mut last = anyhow::anyhow!("the first look did not end");
    loop {
        match timeout_at(end, probe()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
        if Instant::now() + LOOK >= end {
            return Err(last).with_context(|| format!("waited {deadline:?} in vain for: {what}"));
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn what_was_seen_last_is_told_at_the_deadline() {
        let mut looks = 0;
        let result: Result<()> = eventually("never", Duration::from_millis(350), || {
            looks += 1;
            async move { bail!("look {looks}") }
        })
        .await;
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains("never") && error.contains("look "), "{error}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlast_the_deadline() {
        let hangs = || std::future::pending::<Result<()>>();
        let waited =
            tokio::time::timeout(Duration::from_secs(5), eventually("x", Duration::from_millis(200), hangs));
        assert!(waited.await.unwrap().is_err());
    }
}
