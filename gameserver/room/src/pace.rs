//! When ticks are due: at a fixed rate, and not all at once after a pause.

use std::{num::NonZeroU32, time::Duration};

/// Ticks that may be made up for after a pause. More would make the pause longer for everybody: the server
/// would be busy with the past.
const CATCH_UP_MAX: u32 = 3;

/// The fixed ticks of a thread. Times are durations since any moment that stays the same.
#[derive(Clone, Debug)]
pub struct Pace {
    period: Duration,
    next: Duration,
}

/// A tick is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Ticks before it that are left out.
    pub skipped: u32,
}

impl Pace {
    /// So many ticks a second, the first one at once.
    pub fn new(rate: NonZeroU32, now: Duration) -> Self {
        Self { period: Duration::from_secs(1) / rate.get(), next: now }
    }

    /// The time from one tick to the next.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// When the next tick is due.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// Takes one tick if one is due. After a pause, several are, one call each.
    pub fn take(&mut self, now: Duration) -> Option<Due> {
        let late = now.checked_sub(self.next)?;
        let behind = late.as_nanos() / self.period.as_nanos().max(1);
        let behind = u32::try_from(behind).unwrap_or(u32::MAX);
        let skipped = behind.saturating_sub(CATCH_UP_MAX);
        // One after the other, so that the grid stays where it is: no tick moves the later ones.
        self.next = self.next.saturating_add(self.period.saturating_mul(skipped.saturating_add(1)));
        Some(Due { skipped })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn rate(hz: u32) -> NonZeroU32 {
        NonZeroU32::new(hz).unwrap()
    }

    #[test]
    fn ticks_come_at_their_rate_however_late_one_of_them_was() {
        let mut pace = Pace::new(rate(10), ms(7));
        let due = Some(Due { skipped: 0 });
        assert_eq!(pace.take(ms(6)), None);
        assert_eq!(pace.take(ms(7)), due);
        assert_eq!(pace.take(ms(106)), None);
        assert_eq!(pace.take(ms(140)), due);
        assert_eq!(pace.next(), ms(207), "33 ms late, and the next one is where it was");
    }

    #[test]
    fn after_a_pause_three_ticks_are_made_up_for_and_the_others_left_out() {
        let mut pace = Pace::new(rate(10), ms(0));
        // Due at 0, 100, … 1000: the last of them is due now, three before it are made up for.
        assert_eq!(pace.take(ms(1050)), Some(Due { skipped: 7 }));
        assert_eq!(pace.next(), ms(800));
        for next in [900, 1000, 1100] {
            assert_eq!(pace.take(ms(1050)), Some(Due { skipped: 0 }));
            assert_eq!(pace.next(), ms(next));
        }
        assert_eq!(pace.take(ms(1050)), None);
    }

    proptest! {
        #[test]
        fn no_tick_is_lost_uncounted_and_none_comes_early(hz in 1_u32..1000, pauses in prop::collection::vec(0_u64..5000, 1..50)) {
            let (mut pace, mut now, mut taken, mut skipped) = (Pace::new(rate(hz), ms(0)), ms(0), 0, 0);
            for pause in pauses {
                now += ms(pause);
                let mut at_once = 0;
                while let Some(due) = pace.take(now) {
                    taken += 1;
                    at_once += 1;
                    skipped += due.skipped;
                }
                prop_assert!(at_once <= 1 + CATCH_UP_MAX);
                prop_assert!(now < pace.next());
                prop_assert_eq!(pace.next(), pace.period() * (taken + skipped));
            }
        }
    }
}
