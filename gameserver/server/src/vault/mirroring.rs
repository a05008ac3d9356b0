//! When a room is sent to the standby: of one room, pure.
//!
//! One copy is under way at most, and the next is taken when that one has come: at a path that is too slow, ticks are left
//! out. What waited would only get old, and cost the room the time to be saved.

use std::time::Duration;

/// A standby without memory for the room is asked again after this time.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// After a copy that did not arrive. Whether the standby can be reached at all is soon told.
const BROKEN_PAUSE: Duration = Duration::from_millis(100);

/// A game that does not tick is saved again after this time: a copy that was not renewed is not gone on with.
const RENEWED_AFTER: Duration = Duration::from_millis(500);

/// Times are since any moment that stays the same.
#[derive(Debug)]
pub(super) struct Mirroring {
    is_reached: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The next tick is to be copied, from this time on.
    Due(Duration),
    /// And that was said at this time.
    Wanted(Duration),
    /// And that no tick came, too.
    Renewed,
    /// It is under way.
    Sending,
}

/// When the room is to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    AfterTick,
    Now,
}

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Kept,
    Full,
    Broken,
}

impl Mirroring {
    /// Of a room that was copied to nobody yet.
    pub(super) fn new() -> Self {
        Self { is_reached: false, stage: Stage::Due(Duration::ZERO) }
    }

    /// Whether there is a standby from now on. Another one than before knows nothing.
    pub(super) fn reached(&mut self, is_reached: bool) {
        *self = Self { is_reached, stage: Stage::Due(Duration::ZERO) };
    }

    /// Whether the room is to be saved. Said once.
    pub(super) fn wants(&mut self, now: Duration) -> Option<Want> {
        self.next_due().filter(|it| *it <= now)?;
        let (stage, want) = match self.stage {
            Stage::Due(_) => (Stage::Wanted(now), Want::AfterTick),
            Stage::Wanted(_) | Stage::Renewed | Stage::Sending => (Stage::Renewed, Want::Now),
        };
        self.stage = stage;
        Some(want)
    }

    /// When [`wants`](Self::wants) is worth the next call, if nothing else happens first.
    pub(super) fn next_due(&self) -> Option<Duration> {
        match self.stage {
            Stage::Due(at) if self.is_reached => Some(at),
            Stage::Wanted(since) => Some(since.saturating_add(RENEWED_AFTER)),
            Stage::Due(_) | Stage::Renewed | Stage::Sending => None,
        }
    }

    /// The room was saved, for whomever. Whether that is to be sent.
    pub(super) fn saved(&mut self, now: Duration) -> bool {
        let is_sent = match self.stage {
            Stage::Due(at) => self.is_reached && at <= now,
            Stage::Wanted(_) | Stage::Renewed => true,
            Stage::Sending => false,
        };
        if is_sent {
            self.stage = Stage::Sending;
        }
        is_sent
    }

    /// What became of it.
    pub(super) fn answered(&mut self, outcome: Outcome, now: Duration) {
        let pause = match outcome {
            Outcome::Kept => Duration::ZERO,
            Outcome::Full => FULL_PAUSE,
            Outcome::Broken => BROKEN_PAUSE,
        };
        self.stage = Stage::Due(now.saturating_add(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn reached() -> Mirroring {
        let mut room = Mirroring::new();
        room.reached(true);
        room
    }

    #[test]
    fn without_a_standby_nothing_is_taken() {
        let mut room = Mirroring::new();
        assert!(room.wants(ms(0)).is_none() && !room.saved(ms(0)));
        assert_eq!(room.next_due(), None);
    }

    #[test]
    fn p4_on_a_fast_path_every_tick_is_copied() {
        let mut room = reached();
        for tick in 0..5 {
            assert_eq!(room.wants(ms(33 * tick)), Some(Want::AfterTick), "{tick}");
            assert_eq!(room.wants(ms(33 * tick + 1)), None, "said once");
            assert!(room.saved(ms(33 * tick + 20)));
            room.answered(Outcome::Kept, ms(33 * tick + 25));
        }
    }

    #[test]
    fn p4_on_a_slow_path_ticks_are_left_out_and_nothing_waits() {
        let mut room = reached();
        assert!(room.wants(ms(0)).is_some() && room.saved(ms(33)));
        for tick in 2..100 {
            assert!(room.wants(ms(33 * tick)).is_none());
            assert!(!room.saved(ms(33 * tick)), "what the store wants is not for the standby");
        }
        assert_eq!(room.next_due(), None);
        room.answered(Outcome::Kept, ms(3300));
        assert!(room.wants(ms(3300)).is_some());
    }

    #[test]
    fn what_is_saved_for_the_store_serves_the_standby_when_its_path_is_free() {
        let mut room = reached();
        assert!(room.saved(ms(0)));
        assert!(room.wants(ms(1)).is_none());
    }

    #[test]
    fn a_game_that_does_not_tick_is_copied_all_the_same_and_not_all_the_time() {
        let mut room = reached();
        assert_eq!(room.wants(ms(0)), Some(Want::AfterTick));
        assert_eq!(room.wants(ms(499)), None);
        assert_eq!(room.next_due(), Some(ms(500)));
        assert_eq!(room.wants(ms(500)), Some(Want::Now));
        assert_eq!((room.wants(ms(9000)), room.next_due()), (None, None), "said once");
        assert!(room.saved(ms(9000)));
    }

    #[test]
    fn a_full_standby_is_left_alone_for_a_while_and_so_is_a_broken_path() {
        for (outcome, pause) in [(Outcome::Full, FULL_PAUSE), (Outcome::Broken, BROKEN_PAUSE)] {
            let mut room = reached();
            assert!(room.saved(ms(0)));
            room.answered(outcome, ms(5));
            let (before, again) = (ms(4) + pause, ms(5) + pause);
            assert_eq!(room.next_due(), Some(again));
            assert!(room.wants(before).is_none() && !room.saved(before));
            assert!(room.wants(again).is_some());
        }
    }

    #[test]
    fn a_new_standby_gets_a_copy_at_once_whatever_became_of_the_last_one() {
        let mut room = reached();
        assert!(room.saved(ms(0)));
        room.reached(false);
        assert!(room.wants(ms(1)).is_none());
        room.reached(true);
        assert!(room.wants(ms(1)).is_some());
    }
}
