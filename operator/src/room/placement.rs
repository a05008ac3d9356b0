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

/// A server that takes rooms.
pub struct Opening<'a> {
    pub server: &'a ServerView,
    /// How many it has, those on their way included.
    pub rooms: usize,
    /// How many of them may take it down.
    pub suspects: usize,
    /// How many more it takes.
    pub free: usize,
}

/// What a room asks of its server.
pub struct Wish<'a> {
    pub selector: &'a Selector,
    /// Of a room that lost a server: where it was.
    pub origin: Option<Origin<'a>>,
    /// It may take its server down, and others with it.
    pub is_suspect: bool,
    /// The server, by its uid, that could not restore it last: it may be the one that does not reach the store.
    pub failed_on: Option<&'a str>,
    /// Servers that must let go of it first, by their uids: what they have is of an owner that was given up, and would go on
    /// from there, whatever the store has by now.
    pub still_on: Vec<&'a str>,
}

/// Where a room was, before its server was lost.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub node: Option<&'a str>,
    /// Servers, by their uids, that its players were told of: they look for it there.
    pub fallbacks: &'a [String],
    /// The server, by its uid, that has a copy of it in memory.
    pub standby: Option<&'a str>,
}

impl Wish<'_> {
    /// How many rooms on the server should not be on one with this room.
    fn misfits(&self, opening: &Opening<'_>) -> usize {
        if self.is_suspect { opening.rooms - opening.suspects } else { opening.suspects }
    }

    /// How far a server is from where it should be: the lower, the better.
    fn distance(&self, server: &ServerView) -> usize {
        if self.failed_on == Some(server.uid.as_str()) {
            return 4;
        }
        let Some(Origin { node, fallbacks, standby }) = &self.origin else { return 0 };
        if *standby == Some(server.uid.as_str()) {
            return 0;
        }
        let is_elsewhere = node.is_none() || server.node.as_deref() != *node;
        match (is_elsewhere, fallbacks.contains(&server.uid)) {
            (true, true) => 1,
            (true, false) => 2,
            (false, _) => 3,
        }
    }
}

/// A server that was not chosen.
pub struct Candidate<'a> {
    pub server: &'a ServerView,
    /// It has a room, or one is on its way to it.
    pub has_rooms: bool,
}

/// The best of the `open` servers, by its index, for this room.
///
/// Rooms that may take their server down are kept apart from others. A room that lost a server goes where there is a copy of it,
/// or else where its players look for it, if that is on another node than it was; or on any other node; and where it could not be restored last only if there is no other place. Then servers of the newest revision first; then the fullest node and on it the fullest server (`Packed`, so that
/// others can be emptied) or the emptiest (`Distributed`), by the rooms in `rooms_on`; then the first name.
pub fn choose(
    fleet: &FleetView,
    wish: &Wish<'_>,
    open: &[Opening<'_>],
    rooms_on: &BTreeMap<String, usize>,
) -> Option<usize> {
    let rank = |(_, opening): &(usize, &Opening<'_>)| {
        let server = opening.server;
        let is_old = fleet.newest_revision.as_ref().is_some_and(|it| *it != server.revision);
        let rooms = server.node.as_ref().and_then(|it| rooms_on.get(it)).copied().unwrap_or_default();
        let (node, own) = match fleet.strategy {
            PlacementStrategy::Packed => (usize::MAX - rooms, usize::MAX - opening.rooms),
            PlacementStrategy::Distributed => (rooms, opening.rooms),
        };
        (0 < wish.misfits(opening), wish.distance(server), is_old, node, own)
    };
    let fits =
        |it: &ServerView| wish.selector.matches(&it.labels) && !wish.still_on.contains(&it.uid.as_str());
    let fitting = open.iter().enumerate().filter(|(_, it)| fits(it.server));
    let by_rank = |one: &(usize, &Opening<'_>), other: &(usize, &Opening<'_>)| {
        rank(one).cmp(&rank(other)).then_with(|| one.1.server.pod_name.cmp(&other.1.server.pod_name))
    };
    fitting.min_by(by_rank).map(|(index, _)| index)
}

/// Why none of `servers` takes a room that asks for `selector`.
pub fn explain<'a>(selector: &Selector, servers: impl Iterator<Item = Candidate<'a>>) -> Waiting {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut total, mut matching) = (0, 0);
    for Candidate { server, has_rooms } in servers {
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
            _ if has_rooms && (!server.is_controlled || server.state == ServerState::Ready) => "full",
            ServerState::Starting => "starting",
            ServerState::Unhealthy if server.is_controlled => "not giving signs of life",
            ServerState::Unhealthy => "not answering their probe",
            ServerState::Draining => "draining",
            ServerState::Unreachable => "on a node that is not ready",
            // Ready and free, and yet it was not chosen: its node has no address that could be published.
            ServerState::Ready | ServerState::Ended(_) if server.endpoints.is_empty() => {
                "without an address to publish"
            }
            ServerState::Ready | ServerState::Ended(_) => "taking no rooms at the moment",
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
