//! The time of a process, as the pure parts want it.

use std::time::Duration;

use tokio::time::Instant;

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
