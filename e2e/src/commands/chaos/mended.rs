//! Runs that break things: whatever comes of them, also when they are interrupted, nothing stays broken.

use anyhow::{Context as _, Result, bail};

use super::ground::{how_to_remove, uncordon_all};
use crate::chaos::recovery::Folder;
use crate::faults::Faults;
use crate::progress::say;
use crate::testenv::Namespace;

/// Does a run with a folder of its own, and mends what it broke.
pub(super) async fn mended<T>(
    namespace: &Namespace,
    run: impl AsyncFnOnce(&Faults, &Folder) -> Result<T>,
) -> Result<T> {
    let env = namespace.env();
    let faults = Faults::of(env.ours("breaking servers and nodes")?, env.client());
    let folder = Folder::make(namespace.name())?;
    let done = tokio::select! {
        done = run(&faults, &folder) => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let mended = async {
        faults.mend().await?;
        uncordon_all(env).await
    };
    let mended = mended.await;
    say(&format!("\nfigures, journals, logs and the record are in {}", folder.path().display()));
    match done {
        Ok(done) => mended.context("mend").map(|()| done),
        Err(error) => {
            let also = mended.err().map(|it| format!("; {it:#}")).unwrap_or_default();
            bail!("{error:#}{also}; {}", how_to_remove(namespace))
        }
    }
}
