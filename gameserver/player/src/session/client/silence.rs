//! Whether the server of a connection has fallen silent, and how long it may be.

use std::time::Duration;

use crate::limits;

/// How long nothing was heard, while somebody listened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    lasts: Duration,
    looked_at: Duration,
    round_trip: Duration,
    /// It lasted too long: the server may be lost.
    pub(super) is_suspect: bool,
}

impl Silence {
    pub(super) fn since(now: Duration) -> Self {
        Self { lasts: Duration::ZERO, looked_at: now, round_trip: Duration::ZERO, is_suspect: false }
    }

    /// Something came. Whether that ends a suspicion.
    pub(super) fn heard(&mut self, now: Duration) -> bool {
        (self.lasts, self.looked_at) = (Duration::ZERO, now);
        std::mem::take(&mut self.is_suspect)
    }

    /// How long the path is, as far as QUIC knows.
    pub(super) fn measured(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// When to look whether anything came.
    pub(super) fn look_at(&self) -> Duration {
        self.looked_at.saturating_add(limits::LOOK_EVERY)
    }

    /// Nothing came until now.
    pub(super) fn looked(&mut self, now: Duration) {
        let listened = now.saturating_sub(self.looked_at).min(limits::LISTENED_MAX);
        self.lasts = self.lasts.saturating_add(listened);
        self.looked_at = now;
    }

    /// Whether a server that lives would have been heard, after so many false alarms.
    pub(super) fn is_too_long(&self, false_alarms: u32) -> bool {
        let waits = limits::KEEP_ALIVE + 2 * limits::ACKNOWLEDGED_AFTER;
        let of_path = self.round_trip.saturating_mul(limits::SILENCE_ROUND_TRIPS).saturating_add(waits);
        let patience = of_path.max(limits::SILENCE_MIN);
        patience.saturating_mul(1 << false_alarms.min(limits::FALSE_ALARMS_MAX)) <= self.lasts
    }
}

/// False alarms of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FalseAlarms {
    count: u32,
    last: Duration,
}

impl FalseAlarms {
    /// One more.
    pub(super) fn add(&mut self, now: Duration) {
        *self = Self { count: self.count(now).saturating_add(1), last: now };
    }

    pub(super) fn count(&self, now: Duration) -> u32 {
        let is_calm = self.last.saturating_add(limits::CALM_AFTER) <= now;
        if is_calm { 0 } else { self.count }
    }
}
