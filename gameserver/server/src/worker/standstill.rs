//! Whether a thread stood still (I7): it is somewhere much later than it meant to be.

use std::time::Duration;

/// When a thread meant to look after its rooms.
#[derive(Debug)]
pub(super) struct Standstill(Duration);

impl Standstill {
    pub(super) fn new(now: Duration) -> Self {
        Self(now)
    }

    /// The thread means to look after its rooms then.
    pub(super) fn expect(&mut self, at: Duration) {
        self.0 = at;
    }

    /// Whether it does so later than this.
    pub(super) fn is(&self, now: Duration, limit: Duration) -> bool {
        limit < now.saturating_sub(self.0)
    }
}
