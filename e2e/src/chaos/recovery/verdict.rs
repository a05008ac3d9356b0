//! What the checker says of a run, by its journals and its record.

use anyhow::Result;

use super::folder::Folder;
use super::scenario::Scenario;

// TO MERGE: run the checker of the journals' helper over `folder.path()`, and turn what it finds into violations.
/// Broken promises, each of a scenario or of none in particular.
#[allow(clippy::unused_async, reason = "the checker is a program of its own")]
pub(super) async fn violations(_folder: &Folder) -> Result<Vec<(Option<Scenario>, String)>> {
    Ok(Vec::new())
}
