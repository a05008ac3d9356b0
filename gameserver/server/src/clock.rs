//! The time of a process, as the pure parts want it.

use std::time::Duration;

use tokio::time::Instant;

/// The time of day, by which tickets are good.
#[allow(clippy::disallowed_methods, reason = "the one place where it is read")]
pub(crate) fn time_of_day() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The time since the server was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// For timers.
    pub(crate) fn instant(self, at: Duration) -> Instant {
        self.0 + at
    }
}
