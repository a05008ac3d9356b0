//! How patient the store is.

use std::time::Duration;

/// Times and limits of a [`Store`](crate::Store).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A call takes no longer than this, with all that belongs to it: waiting for its turn, connecting, asking
    /// again on a new connection. [`take`](crate::Store::take) adds `replica_wait` for each of its two questions
    /// about replicas.
    pub timeout: Duration,
    /// How long Redis keeps a room after its last call: checkpoints of rooms that nobody wants back, and results.
    pub lifetime: Duration,
    /// How long a [`take`](crate::Store::take) waits for a replica, where there is one. Writes of other rooms wait
    /// meanwhile.
    pub replica_wait: Duration,
    /// So many calls are under way at once; the others wait for their turn, within their `timeout`.
    pub calls_max: usize,
}

impl Default for Options {
    /// Half a second, a day, 50 ms, 64 calls.
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(500),
            lifetime: Duration::from_hours(24),
            replica_wait: Duration::from_millis(50),
            calls_max: 64,
        }
    }
}
