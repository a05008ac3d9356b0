//! The wall clock of the simulation: it follows tokio's clock, which tests pause.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// When every simulation begins: 2026-01-01T00:00:00Z.
const BASE_SECONDS: i64 = 1_767_225_600;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn now(&self) -> Timestamp {
        let base = Timestamp::from_second(BASE_SECONDS).expect("a constant in range");
        base + SignedDuration::try_from(self.elapsed()).unwrap_or_default()
    }

    /// Now, in whole seconds as in object metadata.
    pub(crate) fn stamp(&self) -> String {
        stamp(self.now())
    }
}

/// A point in time as object metadata has it: whole seconds.
pub(crate) fn stamp(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).expect("in range, since it came from a time").to_string()
}
