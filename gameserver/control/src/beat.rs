//! A sign of life.

use std::time::Duration;

use crate::proto;

/// Sent by the loop that ticks the rooms, so that its absence says that they stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Grows by one with every beat of the process.
    pub sequence: u64,
    /// Grows while the rooms make progress: the ticks of all of them.
    pub progress: u64,
    /// 99th percentile of what a tick took lately, in whole microseconds.
    pub tick_p99: Duration,
    /// Share of the time for ticks that was used lately, in thousandths. Above 1000 the server is late.
    pub load_permille: u32,
}

impl From<proto::Beat> for Beat {
    fn from(beat: proto::Beat) -> Self {
        let proto::Beat { sequence, progress, tick_p99_us, load } = beat;
        let tick_p99 = Duration::from_micros(tick_p99_us.into());
        Self { sequence, progress, tick_p99, load_permille: load }
    }
}

impl From<Beat> for proto::Beat {
    fn from(beat: Beat) -> Self {
        let Beat { sequence, progress, tick_p99, load_permille } = beat;
        let tick_p99_us = u32::try_from(tick_p99.as_micros()).unwrap_or(u32::MAX);
        Self { sequence, progress, tick_p99_us, load: load_permille }
    }
}
