//! What is left of a cluster on the machine: the check that `down` leaves nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::cgroups::Groups;
use super::process::Processes;
use super::{Slot, network};

/// Everything on the machine that belongs to the slot's cluster, by kind and name. Of a running cluster this is a long list.
pub fn leftovers(slot: Slot) -> Result<Vec<String>> {
    let state = slot.state()?;
    let mut left = Vec::new();
    for (pid, line) in Processes::new(&state).marked() {
        left.push(format!("process {pid} {line}"));
    }
    left.extend(mounts_below(&state)?.into_iter().map(|mount| format!("mount {mount}")));
    left.extend(network::links(slot)?.into_iter().map(|link| format!("link {link}")));
    for group in Groups::of_slot(slot).all()? {
        let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        left.push(format!(
            "cgroup {} with processes [{}]",
            group.display(),
            processes.trim().replace('\n', " ")
        ));
    }
    if state.exists() {
        left.push(format!("folder {}", state.display()));
    }
    Ok(left)
}

/// Mounts of the state folder, in whatever mount namespace: one that has outlived its cluster too.
pub(super) fn mounts_below(state: &Path) -> Result<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").context("list the processes")? {
        let process = entry?.path();
        // Processes end while we look; a namespace that was seen need not be read again.
        let Ok(namespace) = fs::read_link(process.join("ns/mnt")) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        let mounts = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
        for line in mounts.lines() {
            // ID, parent, device, root within the file system, mount point.
            let mut fields = line.split(' ').skip(3);
            let places = [fields.next().unwrap_or_default(), fields.next().unwrap_or_default()];
            if places.iter().any(|place| Path::new(place).starts_with(state)) {
                found.insert(format!("{} of {}", places[1], places[0]));
            }
        }
    }
    Ok(found.into_iter().collect())
}
