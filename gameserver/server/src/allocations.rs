//! Counts what the threads that tick allocate, in a build that is made for it: that should be nothing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tracing::info;

/// How often the figure is told. What was allocated before is of rooms that were warming up.
const TELL_EVERY: Duration = Duration::from_secs(3);

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Does something on the thread that ticks, and counts.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(work()));
    ALLOCATIONS.fetch_add(counted.count_total, Ordering::Relaxed);
    result.expect("the work was done")
}

/// A room took a tick.
pub(crate) fn ticked() {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

/// Tells the figure of the time since it was told last, from one thread.
pub(crate) fn tell(now: Duration, told: &mut Duration) {
    if now < told.saturating_add(TELL_EVERY) {
        return;
    }
    *told = now;
    let (allocations, ticks) = (ALLOCATIONS.swap(0, Ordering::Relaxed), TICKS.swap(0, Ordering::Relaxed));
    #[allow(clippy::cast_precision_loss, reason = "counts of three seconds")]
    let allocations_per_tick = allocations as f64 / ticks.max(1) as f64;
    info!(allocations_per_tick, ticks, "counted");
}
