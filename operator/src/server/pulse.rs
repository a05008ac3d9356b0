//! Whether a controlled server's rooms move: a pure machine per server, fed by its beats.

use std::time::Duration;

use tokio::time::Instant;

use super::Health;

/// A server without rooms beats once a second; it has so long to miss a few.
const EMPTY_TIMEOUT: Duration = Duration::from_secs(3);

/// If we look so much later than we meant to, we stood still ourselves, and know nothing of the server.
const STANDSTILL: Duration = Duration::from_millis(50);

/// The signs of life of one server.
#[derive(Clone, Debug)]
pub struct Pulse {
    hang_timeout: Duration,
    /// Rooms that should move.
    is_hosting: bool,
    beat_at: Instant,
    progress: u64,
    progress_at: Instant,
}

impl Pulse {
    /// Of a server that was greeted now.
    pub fn new(hang_timeout: Duration, now: Instant) -> Self {
        Self { hang_timeout, is_hosting: false, beat_at: now, progress: 0, progress_at: now }
    }

    /// Notes whether the server has rooms that should move.
    pub fn host(&mut self, is_hosting: bool, now: Instant) {
        if is_hosting != self.is_hosting {
            self.is_hosting = is_hosting;
            // It beats at another pace from now on.
            (self.beat_at, self.progress_at) = (now, now);
        }
    }

    /// Notes a beat. What it says of time is the server's own; only when it came counts.
    pub fn beat(&mut self, progress: u64, now: Instant) {
        self.beat_at = now;
        // Another value, not a higher one: a count may wrap.
        if progress != self.progress || !self.is_hosting {
            (self.progress, self.progress_at) = (progress, now);
        }
    }

    /// When to look at the latest, if no beat comes.
    pub fn deadline(&self) -> Instant {
        if self.is_hosting {
            self.beat_at.min(self.progress_at) + self.hang_timeout
        } else {
            self.beat_at + EMPTY_TIMEOUT.max(self.hang_timeout)
        }
    }

    /// What follows now; `planned` is when we meant to look.
    pub fn look(&mut self, planned: Instant, now: Instant) -> Health {
        if STANDSTILL < now.duration_since(planned) {
            (self.beat_at, self.progress_at) = (now, now);
        }
        if now < self.deadline() { Health::Ready } else { Health::Unhealthy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANG: Duration = Duration::from_millis(300);

    fn hosting() -> (Pulse, Instant) {
        let start = Instant::now();
        let mut pulse = Pulse::new(HANG, start);
        pulse.host(true, start);
        (pulse, start)
    }

    #[test]
    fn p3_a_server_hangs_when_no_beat_comes() {
        let (mut pulse, start) = hosting();
        let last = start + Duration::from_millis(100);
        pulse.beat(7, last);
        assert_eq!(pulse.deadline(), last + HANG);
        assert_eq!(pulse.look(last + HANG, last + Duration::from_millis(299)), Health::Ready);
        assert_eq!(pulse.look(last + HANG, last + HANG), Health::Unhealthy);
    }

    #[test]
    fn p3_a_server_hangs_when_its_beats_tell_of_no_progress() {
        let (mut pulse, start) = hosting();
        for beat in 0..4_u32 {
            pulse.beat(7, start + beat * Duration::from_millis(100));
        }
        let now = start + HANG;
        assert_eq!(pulse.look(now, now), Health::Unhealthy);
        pulse.beat(8, now);
        assert_eq!(pulse.look(now, now), Health::Ready, "it moves again");
    }

    #[test]
    fn a_server_without_rooms_need_not_make_progress() {
        let start = Instant::now();
        let mut pulse = Pulse::new(HANG, start);
        for second in 1..10 {
            pulse.beat(0, start + Duration::from_secs(second));
            let now = start + Duration::from_secs(second) + Duration::from_millis(999);
            assert_eq!(pulse.look(now, now), Health::Ready);
        }
    }

    #[test]
    fn i6_an_operator_that_stood_still_doubts_itself_first() {
        let (mut pulse, start) = hosting();
        let planned = pulse.deadline();
        let late = planned + Duration::from_millis(51);
        assert_eq!(pulse.look(planned, late), Health::Ready);
        assert_eq!(pulse.deadline(), late + HANG, "from now on it counts again");
        assert!(start < late);
    }
}
