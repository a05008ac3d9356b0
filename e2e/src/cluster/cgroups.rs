//! Control groups of nodes: the one thing of a node that does not end with its first process.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{NodeNumber, Slot};

const ROOT: &str = "/sys/fs/cgroup";

/// Makes the group under which a node's kubelet makes those of its pods.
pub(super) fn ensure(slot: Slot, node: NodeNumber) -> Result<()> {
    let name = slot.cgroup(node);
    for tree in trees()? {
        let group = tree.join(&name);
        if group.is_dir() {
            continue;
        }
        // Some of the first version's trees take no groups; the kubelet does without them.
        let _ = fs::create_dir(&group);
        // There a new cpuset is unusable until it is given CPUs.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if !is_v2() && group.join(file).exists() {
                let all = fs::read(tree.join(file))
                    .with_context(|| format!("read {file} of {}", tree.display()))?;
                fs::write(group.join(file), all)
                    .with_context(|| format!("write {file} of {}", group.display()))?;
            }
        }
    }
    Ok(())
}

/// Thaws all that is frozen below the groups whose names begin with `prefix`: a frozen process does not end when killed.
pub(crate) fn thaw(prefix: &str) -> Result<()> {
    for group in groups(prefix)? {
        let (file, thawed) = if is_v2() { ("cgroup.freeze", "0") } else { ("freezer.state", "THAWED") };
        // It may be going away just now.
        let _ = if group.join(file).exists() { fs::write(group.join(file), thawed) } else { Ok(()) };
    }
    Ok(())
}

/// Removes all groups whose names begin with `prefix`; fails while processes in them are still ending.
pub(super) fn remove(prefix: &str) -> Result<()> {
    // The innermost first.
    for group in groups(prefix)?.into_iter().rev() {
        if let Err(error) = fs::remove_dir(&group)
            && group.exists()
        {
            return Err(error).with_context(|| format!("remove {}", group.display()));
        }
    }
    Ok(())
}

/// All groups whose names begin with `prefix`, and those in them, each before its inner ones.
pub(super) fn groups(prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for tree in trees()? {
        for group in children(&tree) {
            let name = group.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(prefix) {
                collect(group, &mut found);
            }
        }
    }
    Ok(found)
}

fn collect(group: PathBuf, found: &mut Vec<PathBuf>) {
    let inner = children(&group);
    found.push(group);
    for group in inner {
        collect(group, found);
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    // Groups come and go while we look.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// The hierarchies: one, or in the first version one for each controller.
fn trees() -> Result<Vec<PathBuf>> {
    anyhow::ensure!(Path::new(ROOT).is_dir(), "control groups are not mounted at {ROOT}");
    Ok(if is_v2() { vec![PathBuf::from(ROOT)] } else { children(Path::new(ROOT)) })
}

fn is_v2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}
