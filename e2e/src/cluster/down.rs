//! Taking a cluster down, with nothing left of it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::cgroups::Groups;
use super::process::Processes;
use super::{Slot, leftovers, network};
use crate::lock::FileLock;
use crate::progress::step;
use crate::tools;
use crate::wait::eventually;

/// Hundreds of pods may have to end.
const DEADLINE: Duration = Duration::from_mins(1);

/// The file that makes a folder the state of a cluster; it goes last.
const OPTIONS: &str = "options.json";

pub(super) async fn down(slot: Slot) -> Result<()> {
    tools::need_root("taking a cluster down")?;
    let _lock = FileLock::acquire(&slot.lock()).await?;
    step(&format!("taking down slot {slot}"), clean(slot)).await
}

/// Removes all that a cluster of the slot may have left, by whatever end it came to.
pub(super) async fn clean(slot: Slot) -> Result<()> {
    let state = slot.state()?;
    ensure_ours(&state)?;
    let processes = Processes::new(&state);
    let groups = Groups::of_slot(slot);
    eventually("the cluster's processes to end", DEADLINE, || async {
        processes.kill_all().await?;
        // What is frozen ends only when it is thawed.
        groups.thaw()?;
        let left = processes.marked();
        ensure!(left.is_empty(), "still there: {left:?}");
        Ok(())
    })
    .await?;
    network::remove(slot).await?;
    eventually("the cluster's control groups to empty", DEADLINE, || async {
        groups.thaw()?;
        groups.remove()
    })
    .await?;
    remove_state(&state)?;
    let left = leftovers(slot)?;
    ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    Ok(())
}

/// A folder that is none of ours, though it has the name, is not removed.
fn ensure_ours(state: &Path) -> Result<()> {
    let entries = match fs::read_dir(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("read {}", state.display()))?,
    };
    let names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    // Those who tidy up the machine may have taken some of it.
    let is_ours = names.iter().any(|name| name.starts_with(OPTIONS) || name == "pki");
    if !is_ours && !names.is_empty() {
        bail!("{} is not the state of a cluster: remove it, or set TMPDIR", state.display());
    }
    Ok(())
}

fn remove_state(state: &Path) -> Result<()> {
    let mounts = leftovers::mounts_below(state)?;
    ensure!(mounts.is_empty(), "something is mounted there: {}", mounts.join(", "));
    let Ok(entries) = fs::read_dir(state) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name() == OPTIONS {
            continue;
        }
        let removed =
            if entry.file_type()?.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("remove {}", path.display()))?;
    }
    fs::remove_dir_all(state).with_context(|| format!("remove {}", state.display()))
}
