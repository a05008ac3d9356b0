//! Running a scenario in a namespace of its own, and telling what there was to see if it fails.

use std::panic::{AssertUnwindSafe, resume_unwind};

use anyhow::{Context as _, Result};
use futures::FutureExt as _;

use super::{Env, Namespace, report};
use crate::progress::say;

/// Set to 1, namespaces stay when their scenario has ended.
const KEEP: &str = "GAMEKEEPER_KEEP";

/// Plays a scenario in a fresh namespace of the shared cluster. When it fails or panics, the namespace's objects, events and
/// the operator's log are printed; at the end the namespace is deleted, unless `GAMEKEEPER_KEEP=1`.
pub async fn scenario(name: &str, play: impl AsyncFnOnce(Namespace) -> Result<()>) -> Result<()> {
    let env = Env::shared().await?;
    let namespace = env.namespace(name).await?;
    let outcome = AssertUnwindSafe(play(namespace.clone())).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(()))) {
        report::report(&namespace).await;
    }
    if let Ok(Err(error)) = &outcome {
        // After all the rest, where it is found.
        say(&format!("──── {} FAILED: {error:#}", namespace.name()));
    }
    if std::env::var_os(KEEP).is_some_and(|value| value == "1") {
        say(&format!("{} stays, as {KEEP}=1", namespace.name()));
    } else {
        let deleted = namespace.delete().await;
        if matches!(outcome, Ok(Ok(()))) {
            deleted?;
        } else if let Err(error) = deleted {
            say(&format!("{} cannot be deleted: {error:#}", namespace.name()));
        }
    }
    match outcome {
        Ok(result) => result.with_context(|| format!("scenario {name}")),
        Err(panic) => resume_unwind(panic),
    }
}
