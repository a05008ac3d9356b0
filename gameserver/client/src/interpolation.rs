//! Smooths what is shown: snapshots come late, in bursts or not at all, and a screen is drawn all the time.
//!
//! It knows nothing of the protocol: whoever draws puts in what was shown, and asks where things are now. That
//! is a little in the past, so that there is usually a snapshot after the moment to be drawn.

use std::{collections::VecDeque, time::Duration};

/// Snapshots that are kept: two seconds at 30 a second.
const KEPT_MAX: usize = 64;

/// How much of what is newly measured goes into the estimate of the server's clock: fast enough to follow a
/// path that changes, slow enough for jitter not to shake the picture.
const NEW_SHARE: f64 = 0.05;

/// What was shown, in the order of ticks.
#[derive(Clone, Debug)]
pub struct Buffer<T> {
    period: f64,
    delay: f64,
    shown: VecDeque<(u64, T)>,
    /// What the tick would be at time zero, as far as we can tell.
    origin: Option<f64>,
}

/// Between which snapshots a moment is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment<'a, T> {
    /// The last one before it.
    pub before: &'a T,
    /// The first one after it; the same as `before` if there is none: then nothing moves.
    pub after: &'a T,
    /// How far it is from `before` to `after`, from 0 to 1.
    pub share: f64,
}

impl<T> Buffer<T> {
    /// Of a game with this many ticks a second, drawn so far in the past: two ticks or more, and the jitter.
    pub fn new(tick_rate: u32, delay: Duration) -> Self {
        let period = 1.0 / f64::from(tick_rate.max(1));
        Self { period, delay: delay.as_secs_f64(), shown: VecDeque::new(), origin: None }
    }

    /// What was shown after a tick, at this time since any start.
    #[allow(clippy::cast_precision_loss, reason = "a match of 2^52 ticks takes millions of years")]
    pub fn push(&mut self, tick: u64, state: T, now: Duration) {
        let at = self.shown.partition_point(|it| it.0 < tick);
        if self.shown.get(at).is_some_and(|it| it.0 == tick) {
            return;
        }
        self.shown.insert(at, (tick, state));
        if KEPT_MAX < self.shown.len() {
            self.shown.pop_front();
        }
        let origin = tick as f64 - now.as_secs_f64() / self.period;
        let before = self.origin.unwrap_or(origin);
        self.origin = Some(before + NEW_SHARE * (origin - before));
    }

    /// Where things are now. `None`: nothing was shown yet.
    #[allow(clippy::cast_precision_loss, reason = "a match of 2^52 ticks takes millions of years")]
    pub fn at(&self, now: Duration) -> Option<Moment<'_, T>> {
        let tick = self.origin? + (now.as_secs_f64() - self.delay) / self.period;
        let next = self.shown.partition_point(|it| it.0 as f64 <= tick);
        let after = self.shown.get(next).or_else(|| self.shown.back())?;
        let before = next.checked_sub(1).and_then(|it| self.shown.get(it)).unwrap_or(after);
        let span = after.0.saturating_sub(before.0) as f64;
        let share = if span == 0.0 { 0.0 } else { ((tick - before.0 as f64) / span).clamp(0.0, 1.0) };
        Some(Moment { before: &before.1, after: &after.1, share })
    }

    /// What was shown last.
    pub fn newest(&self) -> Option<&T> {
        self.shown.back().map(|it| &it.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    fn position(buffer: &Buffer<f64>, now: Duration) -> f64 {
        let moment = buffer.at(now).unwrap();
        moment.before + moment.share * (moment.after - moment.before)
    }

    #[test]
    fn a_moment_between_two_ticks_is_between_what_they_showed() {
        let mut buffer = Buffer::new(10, 2 * TICK);
        assert!(buffer.at(TICK).is_none());
        for tick in 0..10_u32 {
            buffer.push(tick.into(), f64::from(tick), tick * TICK);
        }
        let drawn = position(&buffer, 9 * TICK + TICK / 2);
        assert!((drawn - 7.5).abs() < 1e-6, "{drawn}");
    }

    #[test]
    fn what_is_missing_is_bridged_and_what_comes_late_has_its_place() {
        let mut buffer = Buffer::new(10, 2 * TICK);
        for tick in [0, 1, 2, 3, 6, 5, 7, 7] {
            buffer.push(tick.into(), f64::from(tick), tick * TICK);
        }
        let drawn = position(&buffer, 6 * TICK);
        assert!((3.0..=5.0).contains(&drawn), "{drawn}");
        assert_eq!(buffer.newest(), Some(&7.0));
    }

    #[test]
    fn without_news_the_picture_stands_still() {
        let mut buffer = Buffer::new(10, TICK);
        buffer.push(1, 1.0, TICK);
        buffer.push(2, 2.0, 2 * TICK);
        assert!((position(&buffer, 100 * TICK) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn it_keeps_no_more_than_it_needs() {
        let mut buffer = Buffer::new(10, TICK);
        (0..1000_u32).for_each(|it| buffer.push(it.into(), f64::from(it), it * TICK));
        assert_eq!(buffer.shown.len(), KEPT_MAX);
    }
}
