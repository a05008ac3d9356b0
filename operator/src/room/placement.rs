//! Which server a room goes to, and why a room finds none.

use std::collections::BTreeMap;

use gamekeeper_crds::{conditions::reason, fleet::PlacementStrategy};
use kube::core::{Selector, SelectorExt as _};

use super::{FleetView, ServerState, ServerView};

/// Why a room waits: a reason of the condition `Placed`, and a message that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub reason: &'static str,
    pub message: String,
}

/// Where a room could go.
pub struct Candidate<'a> {
    pub server: &'a ServerView,
    /// Promised to another room whose claim is under way.
    pub is_promised: bool,
}

/// The best of the `candidates` for a room that asks for `selector`.
///
/// Servers of the newest revision first; then the fullest node (`Packed`, so that others can be
/// emptied) or the emptiest (`Distributed`), by the rooms in `rooms_on`; then the first name.
pub fn choose<'a>(
    fleet: &FleetView,
    selector: &Selector,
    candidates: impl Iterator<Item = &'a ServerView>,
    rooms_on: &BTreeMap<String, usize>,
) -> Option<&'a ServerView> {
    let rank = |server: &&'a ServerView| {
        let is_old = fleet.newest_revision.as_ref().is_some_and(|it| *it != server.revision);
        let rooms = server.node.as_ref().and_then(|it| rooms_on.get(it)).copied().unwrap_or_default();
        let node = match fleet.strategy {
            PlacementStrategy::Packed => usize::MAX - rooms,
            PlacementStrategy::Distributed => rooms,
        };
        (is_old, node, server.pod_name.as_str())
    };
    candidates.filter(|it| selector.matches(&it.labels)).min_by_key(rank)
}

/// Why none of `servers` takes a room that asks for `selector`.
pub fn explain<'a>(selector: &Selector, servers: impl Iterator<Item = Candidate<'a>>) -> Waiting {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut total, mut matching) = (0, 0);
    for Candidate { server, is_promised } in servers {
        if !server.is_alive() {
            continue;
        }
        total += 1;
        if !selector.matches(&server.labels) {
            *counts.entry("without the labels that serverSelector asks for").or_default() += 1;
            continue;
        }
        matching += 1;
        let why = match server.state {
            _ if server.claim.is_some() || is_promised => "full",
            ServerState::Starting => "starting",
            ServerState::Unhealthy => "not answering their probe",
            ServerState::Draining => "draining",
            ServerState::Unreachable => "on a node that is not ready",
            // Ready and free, and yet it was not chosen: its node has no address that could be published.
            ServerState::Ready | ServerState::Ended(_) => "without an address to publish",
        };
        *counts.entry(why).or_default() += 1;
    }
    let message = match total {
        0 => "the fleet has no servers".to_owned(),
        _ => {
            let counts: Vec<String> = counts.iter().map(|(why, count)| format!("{count} {why}")).collect();
            format!("0 of {total} servers fit: {}", counts.join(", "))
        }
    };
    let reason = if 0 < total && matching == 0 { reason::NO_MATCHING_SERVER } else { reason::NO_CAPACITY };
    Waiting { reason, message }
}
