//! The time of day: the one place where it is read.

use jiff::Timestamp;

/// Now.
#[allow(clippy::disallowed_methods, reason = "tickets are good until a time of day")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
