//! Servers that fail, and how soon they are replaced.
//!
//! The count of failures in a row travels from a failed server's pod to that of its replacement, so
//! that it survives the operator. A failed pod stays until its replacement is due: its log and its
//! end can be looked at meanwhile.

use std::time::Duration;

use tokio::time::Instant;

use super::{Doomed, PORT_PATIENCE, Server, earlier};
use crate::{backoff::Backoff, fleet::Valid, server::Health};

/// From the second failure in a row on; the first is replaced at once.
pub const RESTART: Backoff = Backoff { first: Duration::from_secs(1), ceiling: Duration::from_mins(5) };

/// So many failures in a row are a crash loop, which a person is told of.
pub const CRASH_LOOP_AFTER: u32 = 3;

/// A server that was ready for so long did not fail because of how it starts.
const STABLE_AFTER: Duration = Duration::from_mins(5);

/// A failed server.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) uid: String,
    pub(super) doomed: Doomed,
    /// A room is still to be told of its end.
    pub(super) is_busy: bool,
    /// In a row, this one included.
    pub(super) failures: u32,
}

/// Servers that have ended: those whose replacement must wait, and those whose time has come.
///
/// Who failed under another revision says nothing of the newest: its replacement is a first try.
pub(super) fn sort<'a>(
    all: impl Iterator<Item = &'a Server>,
    newest: &str,
    now: Instant,
    wake: &mut Option<Instant>,
) -> (Vec<Failed>, Vec<Failed>) {
    let (mut braked, mut lapsed) = (Vec::new(), Vec::new());
    for server in all {
        let failed = failed(server, newest, "its server has ended");
        let pause = RESTART.after(failed.failures.saturating_sub(1));
        let due = server.history.ended.unwrap_or(now) + pause;
        if now < due {
            earlier(wake, due);
        }
        if now < due || failed.is_busy { braked.push(failed) } else { lapsed.push(failed) }
    }
    (braked, lapsed)
}

/// Servers without a room that run, or should, but are good for nothing.
pub(super) fn failing(
    servers: &[Server],
    valid: &Valid,
    newest: &str,
    now: Instant,
    wake: &mut Option<Instant>,
) -> Vec<Failed> {
    let mut failing = Vec::new();
    let count = |health: Health| servers.iter().filter(|it| it.is_active() && it.health == health).count();
    // All at once and nobody left: that may be ourselves (I6). Then only time proves them bad.
    let is_us = count(Health::Ready) == 0 && 1 < count(Health::Unhealthy);
    for server in servers.iter().filter(|it| it.counts() && !it.is_busy) {
        let late = |since: Option<Instant>, patience: Duration, wake: &mut Option<Instant>| {
            let due = since? + patience;
            if now < due {
                earlier(wake, due);
            }
            (due <= now).then_some(())
        };
        let history = &server.history;
        let waited = history.scheduled.max(history.unready);
        let why = match server.health {
            Health::Ready => continue,
            // It was ready, and does not answer for long enough to say so.
            Health::Unhealthy if server.pod.is_ready && !is_us && !server.may_come_back() => {
                "it does not answer its probe"
            }
            Health::Unhealthy | Health::Starting | Health::Unknown => {
                if history.scheduled.is_some() && late(waited, valid.start_timeout, wake).is_some() {
                    "it was not ready in time"
                } else if server.has_better_ports
                    && late(history.unschedulable, PORT_PATIENCE, wake).is_some()
                {
                    "its host ports are taken on every node"
                } else {
                    continue;
                }
            }
        };
        failing.push(failed(server, newest, why));
    }
    failing
}

fn failed(server: &Server, newest: &str, why: &'static str) -> Failed {
    let history = &server.history;
    let stood = history
        .ready
        .map(|ready| history.ended.or(history.unready).map_or(Duration::ZERO, |it| it.duration_since(ready)));
    let before = if stood.is_some_and(|it| STABLE_AFTER <= it) { 0 } else { server.pod.failures };
    Failed {
        uid: server.pod.uid.clone(),
        doomed: Doomed::new(server, why),
        is_busy: server.is_busy,
        failures: if server.is_of(newest) { before.saturating_add(1) } else { 0 },
    }
}

/// Failures in a row before this server, until it has stood long enough to have broken the row.
pub(super) fn past_failures(server: &Server, now: Instant, wake: &mut Option<Instant>) -> u32 {
    let stable = server.history.ready.filter(|_| server.is_ready()).map(|it| it + STABLE_AFTER);
    if stable.is_some_and(|it| it <= now) {
        return 0;
    }
    if let Some(at) = stable.filter(|_| CRASH_LOOP_AFTER <= server.pod.failures) {
        earlier(wake, at);
    }
    server.pod.failures
}
