//! The clocks: the one place where they are read. Journals, logs and the record of faults are put in order by the
//! monotonic one, which all processes of this machine share, those in pods too.

use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment of this machine's monotonic clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default())
    }

    /// How long after `earlier` it is; nothing if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks at one moment, to turn the time of day in logs into that of journals.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    moment: Moment,
    day: Timestamp,
}

impl Clocks {
    /// As they are now.
    #[allow(clippy::disallowed_methods, reason = "logs are written by the time of day")]
    pub fn now() -> Self {
        Self { moment: Moment::now(), day: Timestamp::now() }
    }

    /// When that was, or will be. The clock of the day may be set meanwhile: then it is wrong by as much.
    pub fn moment_of(&self, day: Timestamp) -> Moment {
        let apart = day.as_nanosecond() - self.day.as_nanosecond();
        let moment = i128::from(self.moment.0) + apart;
        Moment(u64::try_from(moment.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_found_on_the_monotonic_clock() {
        let day: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        let clocks = Clocks { moment: Moment(10_000_000_000), day };
        let other = |text: &str| clocks.moment_of(text.parse().unwrap()).0;
        assert_eq!(other("2026-01-02T03:04:05.6Z"), 10_100_000_000);
        assert_eq!(other("2026-01-02T03:04:05Z"), 9_500_000_000);
        assert_eq!(other("2026-01-01T03:04:05Z"), 0);
        assert_eq!(Moment(5).since(Moment(7)), Duration::ZERO);
    }
}
