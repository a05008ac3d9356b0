//! When any server was heard last: what tells an operator that it is not alone.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::Instant;

/// When a beat with progress came last, of any server. Shared by all links, which have thousands of beats a second:
/// telling the main loop of each would cost more than all else.
#[derive(Clone, Debug)]
pub(in crate::server) struct Heard {
    start: Instant,
    /// After `start`, in microseconds; 0: never.
    last: Arc<AtomicU64>,
}

impl Heard {
    /// Nothing was heard yet.
    pub(in crate::server) fn new() -> Self {
        Self { start: Instant::now(), last: Arc::default() }
    }

    /// A beat has come.
    pub(super) fn note(&self, now: Instant) {
        let micros = u64::try_from(now.duration_since(self.start).as_micros()).unwrap_or(u64::MAX);
        self.last.fetch_max(micros, Ordering::Relaxed);
    }

    /// When the last one came.
    pub(in crate::server) fn last(&self) -> Option<Instant> {
        let micros = self.last.load(Ordering::Relaxed);
        (micros != 0).then(|| self.start + std::time::Duration::from_micros(micros))
    }
}
