//! Which servers to remove when there are too many, or too many old ones.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use gamekeeper_crds::fleet::PlacementStrategy;

use super::{Server, brake::Failed};
use crate::fleet::Valid;

/// A server to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    pub pod_name: String,
    pub uid: String,
    /// Of the pod without a claim: if it has changed since, it is looked at again instead.
    pub resource_version: String,
    pub why: &'static str,
}

impl Doomed {
    pub(super) fn new(server: &Server, why: &'static str) -> Self {
        let pod = &server.pod;
        Self {
            pod_name: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            why,
        }
    }
}

/// Servers without a room that the fleet does not need, or not any more.
pub(super) fn excess(valid: &Valid, newest: &str, active: &[&Server], braked: &[Failed]) -> Vec<Doomed> {
    let mut doomed = Vec::new();
    // Failed servers that nobody waits for.
    let staying = active.iter().filter(|it| !it.is_leaving()).count();
    let is_rolling = active.iter().any(|it| !it.is_leaving() && !it.is_of(newest));
    // While old servers play on, new ones stand beside them.
    let allowed = valid.desired + if is_rolling { valid.max_surge } else { 0 };
    let surplus = (staying + braked.len()).saturating_sub(allowed);
    doomed.extend(braked.iter().filter(|it| !it.is_busy).take(surplus).map(|it| it.doomed.clone()));

    // So many servers may be missing; a server that is not ready is missing already.
    let floor = valid.desired.saturating_sub(valid.max_unavailable);
    let ready = active.iter().filter(|it| it.is_ready() && !it.is_leaving()).count();
    // A server with a match is no reason to wait: it stays however it fares.
    let standing = active.iter().filter(|it| !it.is_leaving() && (it.is_ready() || it.is_busy)).count();
    let mut spare = ready.saturating_sub(floor);
    let mut too_many = staying.saturating_sub(allowed);
    for server in candidates(valid, newest, active) {
        let why = if server.is_leaving() {
            // Its replacement stands in for it: enough others must be ready.
            if standing < floor {
                continue;
            }
            "its node is being drained"
        } else if !server.is_of(newest) {
            if server.is_ready() {
                if spare == 0 {
                    continue;
                }
                spare -= 1;
            }
            too_many = too_many.saturating_sub(1);
            "it is of an older revision"
        } else if 0 < too_many {
            if server.is_ready() {
                if spare == 0 {
                    continue;
                }
                spare -= 1;
            }
            too_many -= 1;
            "the fleet was scaled down"
        } else {
            continue;
        };
        doomed.push(Doomed::new(server, why));
    }
    doomed
}

/// Servers without a room, the first to go first: those that leave anyway, of old revisions, not
/// ready; then, packed, those on the node with the fewest rooms, or, distributed, on the fullest.
fn candidates<'a>(valid: &Valid, newest: &str, active: &[&'a Server]) -> Vec<&'a Server> {
    let mut rooms: HashMap<Option<&str>, usize> = HashMap::new();
    let mut pods: HashMap<Option<&str>, usize> = HashMap::new();
    for server in active {
        let node = server.pod.node.as_deref();
        *rooms.entry(node).or_default() += usize::from(server.is_busy);
        *pods.entry(node).or_default() += 1;
    }
    let mut free: Vec<&Server> = active.iter().copied().filter(|it| !it.is_busy && !it.is_mute()).collect();
    free.sort_by_cached_key(|it| {
        let node = it.pod.node.as_deref();
        let rank = match valid.strategy {
            PlacementStrategy::Packed => rooms.get(&node).copied().unwrap_or_default(),
            PlacementStrategy::Distributed => usize::MAX - pods.get(&node).copied().unwrap_or_default(),
        };
        // The youngest of equals: those that ran longest have proved themselves.
        let age = Reverse(it.history.ready);
        (!it.is_leaving(), it.is_of(newest), it.is_ready(), rank, age, it.pod.name.clone())
    });
    free
}

/// Controlled servers with rooms that the fleet does not need, or not any more: without new rooms they
/// become empty. As many as may be missing, since they are as good as gone for who waits.
pub(super) fn drained(valid: &Valid, newest: &str, active: &[&Server]) -> BTreeSet<String> {
    let floor = valid.desired.saturating_sub(valid.max_unavailable);
    let staying = active.iter().filter(|it| !it.is_leaving()).count();
    let is_rolling = active.iter().any(|it| !it.is_leaving() && !it.is_of(newest));
    let allowed = valid.desired + if is_rolling { valid.max_surge } else { 0 };
    let mut too_many = staying.saturating_sub(allowed);
    // Those that take rooms: what is drained does not count any more.
    let mut open = active.iter().filter(|it| it.is_ready() && !it.is_leaving()).count();
    let mut busy: Vec<&&Server> = active.iter().filter(|it| it.is_busy && it.is_controlled()).collect();
    busy.sort_by_key(|it| (it.is_of(newest), it.history.ready, it.pod.name.as_str()));
    let mut drained = BTreeSet::new();
    for server in busy {
        let is_old = !server.is_of(newest);
        if (!is_old && too_many == 0) || (server.is_ready() && open <= floor) {
            continue;
        }
        too_many = too_many.saturating_sub(1);
        open = open.saturating_sub(usize::from(server.is_ready()));
        drained.insert(server.pod.uid.clone());
    }
    drained
}
