//! Wall-clock time, for what people read. Everything that waits uses tokio's clock instead, so that
//! a jump of the machine's clock fires no time-out.

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time of day.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// Starts at a given time and follows tokio's clock, which tests pause.
    Virtual {
        /// The time of day at `since`.
        base: Timestamp,
        /// When the clock was started.
        since: Instant,
    },
}

impl Clock {
    /// A clock that follows tokio's.
    pub fn simulated(base: Timestamp) -> Self {
        Self::Virtual { base, since: Instant::now() }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        match self {
            #[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
            Self::System => Timestamp::now(),
            Self::Virtual { base, since } => base
                .checked_add(jiff::SignedDuration::try_from(since.elapsed()).unwrap_or_default())
                .unwrap_or(*base),
        }
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For all that waits.
    pub instant: Instant,
    /// For what people read.
    pub wall: Timestamp,
}

impl Clock {
    /// This moment.
    pub fn moment(&self) -> Now {
        Now { instant: Instant::now(), wall: self.now() }
    }
}
