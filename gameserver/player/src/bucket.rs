//! What somebody may use per second.

use std::time::Duration;

/// Tokens are counted in millionths, so that one second in many small steps gives as much as in one.
const PARTS: u64 = 1_000_000;

/// A bucket of tokens: full at first, refilled steadily.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    capacity: u64,
    level: u64,
    filled_at: Duration,
}

impl Bucket {
    pub(crate) fn new(per_second: u64, burst: u64, now: Duration) -> Self {
        let capacity = burst.saturating_mul(PARTS);
        Self { per_second, capacity, level: capacity, filled_at: now }
    }

    /// Takes so many, or none if there are fewer.
    pub(crate) fn take(&mut self, count: u64, now: Duration) -> bool {
        let has_all = self.has(count, now);
        if has_all {
            self.level -= count.saturating_mul(PARTS);
        }
        has_all
    }

    /// Whether so many could be taken.
    pub(crate) fn has(&mut self, count: u64, now: Duration) -> bool {
        let micros = u64::try_from(now.saturating_sub(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        if micros > 0 {
            self.level = self.level.saturating_add(micros.saturating_mul(self.per_second)).min(self.capacity);
            // What is less than a microsecond counts next time.
            self.filled_at += Duration::from_micros(micros);
        }
        count.saturating_mul(PARTS) <= self.level
    }

    /// When so many can be taken, if nobody takes any before.
    pub(crate) fn has_at(&self, count: u64) -> Duration {
        let missing = count.saturating_mul(PARTS).saturating_sub(self.level);
        self.filled_at.saturating_add(Duration::from_micros(missing.div_ceil(self.per_second.max(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(10, 3, SECOND);
        assert!((0..3).all(|_| bucket.take(1, SECOND)));
        assert!(!bucket.take(1, SECOND));
        let next = bucket.has_at(1);
        assert_eq!(next, SECOND + Duration::from_millis(100));
        assert!(!bucket.take(1, SECOND + Duration::from_micros(99_999)));
        assert!(bucket.take(1, next));
    }

    #[test]
    fn small_steps_give_as_much_as_large_ones() {
        let mut bucket = Bucket::new(7, 5, Duration::ZERO);
        let taken = (0..1_000_000).filter(|it| bucket.take(1, Duration::from_nanos(10_300 * it))).count();
        assert_eq!(taken, 5 + 72);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(1, 1, SECOND);
        assert!(bucket.take(1, SECOND));
        assert!(!bucket.take(1, Duration::ZERO));
        assert!(bucket.take(1, 2 * SECOND));
    }
}
