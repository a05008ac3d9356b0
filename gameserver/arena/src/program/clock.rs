//! The time: the one place where it is read.

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Now.
#[allow(clippy::disallowed_methods, reason = "tickets are good until a time of day")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// The same, for journals.
pub(super) fn wall_ns() -> i64 {
    i64::try_from(now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// By the clock that all processes of a machine share.
pub(super) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or_default())
}
