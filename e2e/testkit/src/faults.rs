//! What may go wrong between a client and the server.

use std::{ops::Range, time::Duration};

use rand::{RngExt as _, rngs::StdRng};

use crate::log::Verb;

/// How often what goes wrong, as probabilities per request; all off by default.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The request has no effect: an error answer or a broken connection.
    pub error_before: f64,
    /// The request takes effect, but its answer is lost: an error answer or a broken connection.
    pub error_after: f64,
    /// The request is never answered, whether it took effect or not. Watches are spared.
    pub hang: f64,
    /// The server is busy: 429.
    pub too_many: f64,
    /// An update or patch is told that somebody was faster: 409.
    pub conflict: f64,
    /// How long a request is on its way, there and back together. It goes on its way even if the
    /// client that sent it is gone.
    pub delay: Range<Duration>,
    /// A read that allows it (`resourceVersion=0`) is answered from an older state. A read without
    /// a version is a quorum read and never stale, as on the real server.
    pub stale_list: f64,
    /// How late watch events come. They never overtake each other.
    pub watch_lag: Range<Duration>,
    /// A watch ends before an event is delivered, cleanly or not.
    pub watch_drop: f64,
    /// A watch or the next page of a list is told that its version is too old: 410.
    pub gone: f64,
}

/// What was done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// An error answer, without effect.
    ErrorBefore,
    /// The connection broke before the request arrived.
    LostBefore,
    /// It took effect and an error was answered.
    ErrorAfter,
    /// It took effect and the connection broke.
    LostAfter,
    /// It never arrived and never fails.
    HangBefore,
    /// It took effect and is never answered.
    HangAfter,
    /// Told to come back later.
    TooMany,
    /// Told that the object has changed.
    Conflict,
    /// Told that the version is too old.
    Gone,
    /// Answered from an older state.
    Stale,
    /// The server is out of reach.
    Outage,
    /// The client was killed before it could send this request.
    CrashBefore,
    /// The client was killed before it could read the answer.
    CrashAfter,
}

impl Fault {
    /// Whether the request is kept from the server.
    pub(crate) fn is_before(self) -> bool {
        matches!(
            self,
            Self::ErrorBefore
                | Self::LostBefore
                | Self::HangBefore
                | Self::TooMany
                | Self::Conflict
                | Self::Outage
                | Self::CrashBefore
        )
    }
}

/// What will happen to one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) fault: Option<Fault>,
    pub(crate) there: Duration,
    pub(crate) back: Duration,
}

impl Faults {
    /// Draws what will happen to a request. `allows_stale`: it asked for no quorum read;
    /// `may_expire`: it goes on from a version that the client has seen.
    pub(crate) fn plan(&self, rng: &mut StdRng, verb: Verb, allows_stale: bool, may_expire: bool) -> Plan {
        let total = draw(&self.delay, rng);
        let there = total.mul_f64(rng.random_range(0.0..=1.0));
        let fault = self.fault(rng, verb, allows_stale, may_expire);
        Plan { fault, there, back: total.saturating_sub(there) }
    }

    fn fault(&self, rng: &mut StdRng, verb: Verb, allows_stale: bool, may_expire: bool) -> Option<Fault> {
        let is_change = matches!(verb, Verb::Update | Verb::Patch);
        let coin = rng.random_bool(0.5);
        let mut hits = |chance: f64| chance > 0.0 && rng.random_bool(chance.min(1.0));
        if hits(self.error_before) {
            return Some(if coin { Fault::ErrorBefore } else { Fault::LostBefore });
        }
        if hits(self.error_after) {
            return Some(if coin { Fault::ErrorAfter } else { Fault::LostAfter });
        }
        if verb != Verb::Watch && hits(self.hang) {
            return Some(if coin { Fault::HangBefore } else { Fault::HangAfter });
        }
        if hits(self.too_many) {
            return Some(Fault::TooMany);
        }
        if is_change && hits(self.conflict) {
            return Some(Fault::Conflict);
        }
        if may_expire && hits(self.gone) {
            return Some(Fault::Gone);
        }
        (allows_stale && hits(self.stale_list)).then_some(Fault::Stale)
    }
}

/// A time from the range; its start if it is empty.
pub(crate) fn draw(range: &Range<Duration>, rng: &mut StdRng) -> Duration {
    if range.is_empty() { range.start } else { rng.random_range(range.clone()) }
}
