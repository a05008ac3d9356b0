//! What a client may send, and what it is sent unasked.

use std::time::Duration;

use crate::{bucket::Bucket, limits, session::Violation};

/// The budgets of a connection.
#[derive(Debug)]
pub(super) struct Budget {
    datagrams: Bucket,
    /// The same, many times larger.
    flood: Bucket,
    frames: Bucket,
    bytes: Bucket,
    full_snapshots: Bucket,
    dropped: u64,
}

impl Budget {
    pub(super) fn new(now: Duration) -> Self {
        let (rate, burst) = (limits::DATAGRAMS_PER_SECOND, limits::DATAGRAMS_BURST);
        let (full_rate, full_burst) = (limits::FULL_SNAPSHOTS_PER_SECOND, limits::FULL_SNAPSHOTS_BURST);
        Self {
            datagrams: Bucket::new(rate, burst, now),
            flood: Bucket::new(limits::FLOOD_FACTOR * rate, limits::FLOOD_FACTOR * burst, now),
            frames: Bucket::new(limits::FRAMES_PER_SECOND, limits::FRAMES_BURST, now),
            bytes: Bucket::new(limits::STREAM_BYTES_PER_SECOND, limits::STREAM_BYTES_BURST, now),
            full_snapshots: Bucket::new(full_rate, full_burst, now),
            dropped: 0,
        }
    }

    /// Whether a datagram is to be looked at.
    pub(super) fn datagram(&mut self, now: Duration) -> Result<bool, Violation> {
        if !self.flood.take(1, now) {
            return Err(Violation::Flood);
        }
        let is_within = self.datagrams.take(1, now);
        self.dropped += u64::from(!is_within);
        Ok(is_within)
    }

    /// Whether a frame of so many bytes is to be read now.
    pub(super) fn frame(&mut self, length: usize, now: Duration) -> bool {
        let length = length as u64;
        let is_within = self.frames.has(1, now) && self.bytes.has(length, now);
        is_within && self.frames.take(1, now) && self.bytes.take(length, now)
    }

    /// When it is.
    pub(super) fn frame_at(&self, length: usize) -> Duration {
        self.frames.has_at(1).max(self.bytes.has_at(length as u64))
    }

    /// Whether a full snapshot may be sent.
    pub(super) fn full_snapshot(&mut self, now: Duration) -> bool {
        self.full_snapshots.take(1, now)
    }

    /// Datagrams that were not looked at.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
