//! How long ticks take, and how much of the time they use: cheap enough for every tick.

use std::time::Duration;

/// How often the figures are published. Shorter, and a p99 would be of a few ticks; longer, and it would be old.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// Buckets to one doubling of a duration: a figure is at most a quarter too high.
const STEPS: u32 = 4;

/// Up to 2²⁴ µs, 17 s: what takes longer is a hang.
const BUCKETS: usize = 24 * STEPS as usize;

/// The ticks of one thread.
#[derive(Debug)]
pub(crate) struct Measure {
    /// Each holds durations up to its bound. Older ticks count half as much every window.
    buckets: [u32; BUCKETS],
    busy: Duration,
    taken: u32,
    skipped: u32,
    since: Duration,
}

/// What a window says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) tick_p99: Duration,
    /// In thousandths; above 1,000 the thread is late.
    pub(crate) load: u32,
    /// Ticks of the thread that were left out.
    pub(crate) skipped: u32,
}

impl Measure {
    pub(crate) fn new(now: Duration) -> Self {
        Self { buckets: [0; BUCKETS], busy: Duration::ZERO, taken: 0, skipped: 0, since: now }
    }

    /// One room took a tick.
    pub(crate) fn room(&mut self, took: Duration) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(took)) {
            *bucket = bucket.saturating_add(1);
        }
        self.busy = self.busy.saturating_add(took);
    }

    /// All rooms took a tick, after so many were left out.
    pub(crate) fn round(&mut self, skipped: u32) {
        self.taken = self.taken.saturating_add(1);
        self.skipped = self.skipped.saturating_add(skipped);
    }

    /// The figures, if the window is over, and a new window.
    pub(crate) fn figures(&mut self, now: Duration) -> Option<Figures> {
        let passed = now.checked_sub(self.since).filter(|it| WINDOW <= *it)?;
        // The time that all ticks that were due would have taken: more than there is, when some were left out.
        let due = u128::from(self.taken) + u128::from(self.skipped);
        let needed = self.busy.as_micros() * due / u128::from(self.taken.max(1));
        let load = u32::try_from(needed * 1000 / passed.as_micros().max(1)).unwrap_or(u32::MAX);
        let figures = Figures { tick_p99: self.p99(), load, skipped: self.skipped };
        self.buckets.iter_mut().for_each(|it| *it /= 2);
        (self.busy, self.taken, self.skipped, self.since) = (Duration::ZERO, 0, 0, now);
        Some(figures)
    }

    fn p99(&self) -> Duration {
        let all: u64 = self.buckets.iter().map(|it| u64::from(*it)).sum();
        let above = all / 100;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate().rev() {
            seen += u64::from(*count);
            if above < seen {
                return bound_of(index);
            }
        }
        Duration::ZERO
    }
}

/// The bucket of a duration: four to each doubling, told by its highest three bits.
fn bucket_of(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    let octave = micros.ilog2();
    // The two bits after the highest one.
    let step = if octave < 2 { (micros << (2 - octave)) & 3 } else { (micros >> (octave - 2)) & 3 };
    let index = octave * STEPS + u32::try_from(step).unwrap_or_default();
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// What no duration in a bucket reaches.
fn bound_of(index: usize) -> Duration {
    let (octave, step) = (index / STEPS as usize, index % STEPS as usize);
    Duration::from_nanos((1000_u64 << octave) * (5 + step as u64) / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn us(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    proptest! {
        #[test]
        fn a_duration_is_told_at_most_a_quarter_too_high(micros in 1_u64..16_000_000) {
            let bound = bound_of(bucket_of(us(micros)));
            prop_assert!(us(micros) < bound, "{bound:?}");
            prop_assert!(bound <= us(micros) * 5 / 4 + us(1), "{bound:?}");
        }
    }

    #[test]
    fn the_p99_is_of_the_slowest_hundredth() {
        let mut measure = Measure::new(us(0));
        (0..980).for_each(|_| measure.room(us(100)));
        (0..20).for_each(|_| measure.room(us(9000)));
        let figures = measure.figures(WINDOW).unwrap();
        assert!((us(9000)..us(11_500)).contains(&figures.tick_p99), "{figures:?}");
        (0..10_000).for_each(|_| measure.room(us(100)));
        let figures = measure.figures(WINDOW * 2).unwrap();
        assert!((us(100)..us(130)).contains(&figures.tick_p99), "{figures:?}");
    }

    #[test]
    fn nothing_measured_is_nothing_said() {
        let mut measure = Measure::new(us(0));
        assert_eq!(measure.figures(WINDOW / 2), None);
        assert_eq!(measure.figures(WINDOW), Some(Figures::default()));
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
        assert_eq!(bucket_of(Duration::ZERO), 0);
    }

    #[test]
    fn the_load_is_the_share_of_the_time_that_all_due_ticks_need() {
        let mut measure = Measure::new(us(0));
        for _ in 0..10 {
            measure.room(us(20_000));
            measure.room(us(20_000));
            measure.round(0);
        }
        assert_eq!(measure.figures(WINDOW).unwrap().load, 400);
        for _ in 0..10 {
            measure.room(us(90_000));
            measure.round(1);
        }
        let figures = measure.figures(WINDOW * 2).unwrap();
        assert_eq!((figures.load, figures.skipped), (1800, 10), "half of them were left out");
    }
}
