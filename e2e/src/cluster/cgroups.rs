//! Control groups of nodes, the one thing of a node that does not end with its first process; and one beside them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{NodeNumber, Slot};

const ROOT: &str = "/sys/fs/cgroup";

/// Makes a group of this name, such as the one under which a node's kubelet makes those of its pods, and says where it is:
/// in the first version there is one for each controller.
pub(super) fn ensure(name: &str) -> Result<Vec<PathBuf>> {
    for tree in trees()? {
        let group = tree.join(name);
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
    Groups::named_exactly(name.to_owned()).all()
}

/// Groups of a cluster, and all inside of them.
pub(super) struct Groups {
    is_ours: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Groups {
    /// Those of all nodes that a slot ever had, and the one beside them.
    pub(super) fn of_slot(slot: Slot) -> Self {
        let prefix = slot.cgroup_prefix();
        Self { is_ours: Box::new(move |name| name.starts_with(&prefix)) }
    }

    /// Those of one node.
    pub(super) fn of_node(slot: Slot, node: NodeNumber) -> Self {
        Self::named_exactly(slot.cgroup(node))
    }

    /// Those of what only burns time, beside the nodes.
    pub(super) fn of_burners(slot: Slot) -> Self {
        Self::named_exactly(slot.cgroup_of_burners())
    }

    fn named_exactly(group: String) -> Self {
        Self { is_ours: Box::new(move |name| name == group) }
    }

    /// Each before its inner ones.
    pub(super) fn all(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for tree in trees()? {
            for group in children(&tree) {
                if (self.is_ours)(&group.file_name().unwrap_or_default().to_string_lossy()) {
                    collect(group, &mut found);
                }
            }
        }
        Ok(found)
    }

    /// The processes in them: what pods run.
    pub(super) fn processes(&self) -> Result<Vec<u32>> {
        Ok(processes_of(&self.all()?))
    }

    /// Those inside of them that have a name: a container's, which is its own in all hierarchies.
    pub(super) fn named(&self, name: &str) -> Result<Vec<PathBuf>> {
        let mut groups = self.all()?;
        groups.retain(|group| group.file_name().is_some_and(|it| it == name));
        Ok(groups)
    }

    /// Thaws what is frozen in them: a frozen process does not end when killed.
    pub(super) fn thaw(&self) -> Result<()> {
        let (file, thawed) = if is_v2() { ("cgroup.freeze", "0") } else { ("freezer.state", "THAWED") };
        for group in self.all()? {
            // It may be going away just now.
            let _ = if group.join(file).exists() { fs::write(group.join(file), thawed) } else { Ok(()) };
        }
        Ok(())
    }

    /// Removes them; fails while processes in them are still ending.
    pub(super) fn remove(&self) -> Result<()> {
        // The innermost first.
        for group in self.all()?.into_iter().rev() {
            if let Err(error) = fs::remove_dir(&group)
                && group.exists()
            {
                return Err(error).with_context(|| format!("remove {}", group.display()));
            }
        }
        Ok(())
    }
}

/// The processes in groups, without those of their inner ones.
pub(crate) fn processes_of(groups: &[PathBuf]) -> Vec<u32> {
    let mut pids = Vec::new();
    for group in groups {
        let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    pids.dedup();
    pids
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
