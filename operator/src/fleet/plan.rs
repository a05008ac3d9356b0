//! Step 3: which servers to start and which to remove. Pure.
//!
//! A server with a room is never touched here: whoever has a claim belongs to the ledger. So
//! whatever is planned ends no match, and the deletion itself carries the `resourceVersion` of an
//! unclaimed pod, so that a claim that comes in between wins.

mod brake;
mod select;

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Valid;
use crate::{
    room::ledger::LinkState,
    server::{Health, ServerPod, pod::Process},
    world::History,
};
pub use brake::{CRASH_LOOP_AFTER, RESTART};
pub use select::Doomed;

/// A server as the plan sees it.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "none of them says anything of another")]
pub struct Server {
    pub pod: Arc<ServerPod>,
    pub health: Health,
    pub history: History,
    /// It has a match, or one that is still to be told how it ended: it belongs to the ledger.
    pub is_busy: bool,
    /// A controlled server that was greeted, and gives no sign of life.
    pub is_quiet: bool,
    /// What a controlled server says of itself; `None`: nothing yet, or it is plain.
    pub link: Option<LinkState>,
    /// Its node is to be emptied.
    pub is_on_cordoned_node: bool,
    /// Another port of the range has fewer users than the ones that keep it from being scheduled.
    pub has_better_ports: bool,
}

/// What to do, and what the fleet looks like when it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// For each new server: failures in a row of the servers that it replaces.
    pub create: Vec<u32>,
    pub delete: Vec<Doomed>,
    /// Uids of servers that are to agree to their removal first.
    pub retire: Vec<String>,
    /// Uids of servers that are to get no more rooms, so that they can go.
    pub drain: BTreeSet<String>,
    /// When to plan again even if nothing happens.
    pub wake: Option<Instant>,
    pub census: Census,
}

/// The fleet, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub desired: usize,
    /// Pods that have not ended and are not being deleted.
    pub active: usize,
    pub ready: usize,
    pub updated: usize,
    /// Servers that must not be removed because of their room.
    pub busy: usize,
    /// Failed servers whose replacement waits.
    pub braked: usize,
    /// The most failures in a row.
    pub failures: u32,
    pub min_available: usize,
}

impl Server {
    /// Counts: neither ended nor being deleted.
    fn is_active(&self) -> bool {
        !self.pod.is_deleting && self.pod.exit().is_none()
    }

    fn is_ready(&self) -> bool {
        self.health == Health::Ready
    }

    /// Ended otherwise than with its match. It holds its place until its replacement is due.
    fn has_failed(&self) -> bool {
        // The end of a plain server with a claim is the end of its match.
        let is_match = self.pod.claim.is_some() && !self.is_controlled();
        !self.pod.is_deleting && self.pod.exit().is_some_and(|it| !is_match || !it.is_success())
    }

    fn is_controlled(&self) -> bool {
        self.pod.control_port.is_some()
    }

    /// Has agreed to take no more rooms: good for nothing but to be removed.
    fn is_retired(&self) -> bool {
        self.link.is_some_and(|it| it.is_retired)
    }

    /// Takes part in the fleet's count.
    fn counts(&self) -> bool {
        self.is_active() && !self.is_retired()
    }

    /// Nobody can say what it has: it may have been given rooms by a leader before us (I5).
    fn is_mute(&self) -> bool {
        self.is_controlled() && self.pod.process == Process::Running && !self.link.is_some_and(|it| it.is_up)
    }

    /// It gives no sign of life, and may come back: then it is as good as ever.
    fn may_come_back(&self) -> bool {
        self.is_mute() || self.is_quiet
    }

    /// A controlled server must agree to take no more rooms before it is removed (I9).
    fn must_retire(&self) -> bool {
        self.is_active() && self.link.is_some_and(|it| it.is_up && !it.is_retired)
    }

    /// Without a room, and its node is to be emptied: to be replaced elsewhere.
    fn is_leaving(&self) -> bool {
        self.is_on_cordoned_node && !self.is_busy
    }

    fn is_of(&self, revision: &str) -> bool {
        self.pod.revision == revision
    }
}

/// What to do so that the fleet becomes what `valid` wants, at revision `newest`.
pub fn plan(valid: &Valid, newest: &str, servers: &[Server], now: Instant) -> Plan {
    let mut plan = Plan::default();
    let failed = servers.iter().filter(|it| it.has_failed());
    let (braked, lapsed) = brake::sort(failed, newest, now, &mut plan.wake);
    let failing = brake::failing(servers, valid, newest, now, &mut plan.wake);
    let is_failing = |it: &&Server| failing.iter().any(|failed| failed.uid == it.pod.uid);

    let active: Vec<&Server> = servers.iter().filter(|it| it.counts() && !is_failing(it)).collect();
    // A server that leaves with its node is replaced before it goes.
    let staying: Vec<&Server> = active.iter().copied().filter(|it| !it.is_leaving()).collect();
    let updated = staying.iter().filter(|it| it.is_of(newest)).count();
    let is_rolling = staying.iter().any(|it| !it.is_of(newest));

    let surge = if is_rolling { valid.max_surge } else { 0 };
    let slots = staying.len() + braked.len();
    let missing = valid.desired.saturating_sub(updated + braked.len());
    let room = (valid.desired + surge).saturating_sub(slots);
    // Replacements of failed servers remember how often their kind has failed.
    let mut failures: Vec<u32> = lapsed.iter().chain(&failing).map(|it| it.failures).collect();
    failures.sort_by_key(|it| Reverse(*it));
    failures.resize(missing.min(room), 0);

    let past = active.iter().map(|it| brake::past_failures(it, now, &mut plan.wake)).max();
    plan.census = census(valid, newest, &active, &braked, &failing, past.unwrap_or_default());
    plan.delete.extend(lapsed.iter().chain(&failing).map(|it| it.doomed.clone()));
    plan.delete.extend(select::excess(valid, newest, &active, &braked));
    plan.drain = select::drained(valid, newest, &active);
    let is_retired = |it: &&Server| it.is_active() && it.is_retired() && !it.is_busy;
    plan.delete.extend(servers.iter().filter(is_retired).map(|it| Doomed::new(it, "it was retired")));
    let must_retire = |uid: &str| servers.iter().any(|it| it.pod.uid == uid && it.must_retire());
    let (retire, delete) = plan.delete.into_iter().partition(|it: &Doomed| must_retire(&it.uid));
    plan.delete = delete;
    plan.retire = Vec::into_iter(retire).map(|it| it.uid).collect();
    plan.create = failures;
    plan
}

fn census(
    valid: &Valid,
    newest: &str,
    active: &[&Server],
    braked: &[brake::Failed],
    failing: &[brake::Failed],
    past: u32,
) -> Census {
    let count = |what: &dyn Fn(&Server) -> bool| active.iter().filter(|it| what(it)).count();
    let present = braked.iter().chain(failing).map(|it| it.failures);
    Census {
        desired: valid.desired,
        active: active.len(),
        ready: count(&Server::is_ready),
        updated: count(&|it| it.is_of(newest)),
        busy: count(&|it| it.is_busy),
        braked: braked.len(),
        failures: present.fold(past, u32::max),
        min_available: valid.desired.saturating_sub(valid.max_unavailable),
    }
}

/// The earlier of two wake-ups.
fn earlier(wake: &mut Option<Instant>, at: Instant) {
    *wake = Some(wake.map_or(at, |it| it.min(at)));
}

/// How long a pod that lacks a free host port waits before it is made again with another one.
const PORT_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
