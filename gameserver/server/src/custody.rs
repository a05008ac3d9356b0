//! Whether a room may be ticked here (I7): pure but for atomics, since the thread that ticks and the one that keeps
//! checkpoints share it.
//!
//! A room with a store is another's when the operator gives this server up; nobody can tell a server that is cut off. So
//! it freezes by itself when it was heard by nobody for the fence's time, and a loop that stood still asks first.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use gamekeeper_room::Epoch;
use tokio::sync::Notify;

/// It never happened.
const NEVER: u64 = u64::MAX;

/// One room's. Times are since the process began.
#[derive(Debug)]
pub struct Custody {
    fence_after: Duration,
    /// When the last call was sent that the store took, in microseconds.
    accepted: AtomicU64,
    /// Since then the loop that ticks waits for somebody to say that the room is still here.
    stood_until: AtomicU64,
    /// When the store was last asked, and failed to say so.
    unanswered: AtomicU64,
    /// When the operator was first heard since the room froze; 0: it did not, its loop only stood still.
    heard_since: AtomicU64,
    /// The epoch of a later owner; 0: there is none.
    later_owner: AtomicI64,
    is_save_wanted: AtomicBool,
    is_copy_wanted: AtomicBool,
    /// There is a question for the store.
    pub question: Notify,
}

/// What may be done with a room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It is ours.
    Tick,
    /// It may be another's: nothing moves until somebody says that it is not.
    Freeze,
    /// It is another's.
    Stop(Epoch),
}

/// What the search through all histories goes on from.
impl Clone for Custody {
    fn clone(&self) -> Self {
        let Self { fence_after, accepted, stood_until, unanswered, heard_since, later_owner, .. } = self;
        let Self { is_save_wanted, is_copy_wanted, question: _, .. } = self;
        let time = |it: &AtomicU64| AtomicU64::new(it.load(Ordering::Acquire));
        Self {
            fence_after: *fence_after,
            accepted: time(accepted),
            stood_until: time(stood_until),
            unanswered: time(unanswered),
            heard_since: time(heard_since),
            later_owner: AtomicI64::new(later_owner.load(Ordering::Acquire)),
            is_save_wanted: AtomicBool::new(is_save_wanted.load(Ordering::Relaxed)),
            is_copy_wanted: AtomicBool::new(is_copy_wanted.load(Ordering::Relaxed)),
            question: Notify::new(),
        }
    }
}

impl Custody {
    /// Of a room that was had from the store at this time, or that nobody else can have yet.
    pub fn new(fence_after: Duration, since: Duration) -> Self {
        Self {
            fence_after,
            accepted: AtomicU64::new(micros(since)),
            stood_until: AtomicU64::new(NEVER),
            unanswered: AtomicU64::new(NEVER),
            heard_since: AtomicU64::new(0),
            later_owner: AtomicI64::new(0),
            is_save_wanted: AtomicBool::new(false),
            is_copy_wanted: AtomicBool::new(false),
            question: Notify::new(),
        }
    }

    /// What may be done now. `heard`: when the last beat was sent that the operator has echoed.
    pub fn leave(&self, now: Duration, heard: Option<Duration>) -> Leave {
        let later = self.later_owner.load(Ordering::Acquire);
        if later != 0 {
            return Leave::Stop(Epoch(later));
        }
        let accepted = Duration::from_micros(self.accepted.load(Ordering::Acquire));
        let last = heard.map_or(accepted, |it| it.max(accepted));
        let is_unheard = self.fence_after <= now.saturating_sub(last);
        if let Some(stood_until) = self.stood_until() {
            let is_heard = heard.is_some_and(|it| stood_until <= it);
            if is_unheard {
                // Whoever stood still before counts as frozen, too, once nobody was heard for so long; and what was heard since is
                // too old by now.
                self.heard_since.store(NEVER, Ordering::Release);
            } else if is_heard && self.heard_since.load(Ordering::Acquire) == NEVER {
                self.heard_since.store(micros(now), Ordering::Release);
            }
            // What failed while nobody was heard was our own network: it is asked once more. Some time later: the operator is back
            // sooner than a connection to the store, and then gives up the room, if it has.
            let counts_from = match self.heard_since.load(Ordering::Acquire) {
                0 => 0,
                since => since.saturating_add(micros(self.fence_after / 2)),
            };
            let counts = |it: Duration| stood_until <= it && counts_from <= micros(it);
            let is_ours = stood_until <= accepted;
            // Without the store nobody else can have it either; then a word of the operator is enough (I8).
            let is_told = heard.is_some_and(counts) && time_of(&self.unanswered).is_some_and(counts);
            if !is_ours && !is_told {
                return Leave::Freeze;
            }
            self.stood_until.store(NEVER, Ordering::Release);
            self.heard_since.store(0, Ordering::Release);
        }
        if !is_unheard {
            return Leave::Tick;
        }
        // From here on the room may be another's, and an operator that is back learns of that later than the store.
        self.stood_still(now);
        self.heard_since.store(NEVER, Ordering::Release);
        Leave::Freeze
    }

    /// The loop that ticks stood still until now, for how long it does not know, or stands still from now on.
    pub fn stood_still(&self, now: Duration) {
        self.stood_until.store(micros(now), Ordering::Release);
        self.question.notify_one();
    }

    /// Whether nobody was heard for the fence's time, and nobody has said since that the room is ours.
    pub(crate) fn is_unheard(&self) -> bool {
        self.heard_since.load(Ordering::Acquire) != 0
    }

    /// Until when the loop stood still, if it still waits.
    fn stood_until(&self) -> Option<Duration> {
        time_of(&self.stood_until)
    }

    /// The store took a call that was sent at this time.
    pub fn accepted(&self, sent_at: Duration) {
        self.accepted.fetch_max(micros(sent_at), Ordering::AcqRel);
    }

    /// Whether the loop waits, and the store has not said anything since it stood still.
    pub fn has_question(&self) -> bool {
        let is_unsaid = |it| self.accepted.load(Ordering::Acquire) < micros(it);
        !self.is_lost() && self.stood_until().is_some_and(is_unsaid)
    }

    /// The store did not answer the question that was sent at this time.
    pub fn unanswered(&self, sent_at: Duration) {
        self.unanswered.store(micros(sent_at), Ordering::Release);
    }

    /// A later owner has the room. Final.
    pub fn lose_to(&self, owner: Epoch) {
        self.later_owner.store(owner.0.max(1), Ordering::Release);
    }

    /// Whether a later owner has the room.
    pub(crate) fn is_lost(&self) -> bool {
        self.later_owner.load(Ordering::Acquire) != 0
    }

    /// The room is to be saved at the next visit.
    pub fn want_save(&self) {
        self.is_save_wanted.store(true, Ordering::Relaxed);
    }

    /// The room is to be saved after the next tick.
    pub(crate) fn want_copy(&self) {
        self.is_copy_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether it is to be saved now, `ticked`: after a tick.
    pub(crate) fn has_wish(&self, ticked: bool) -> bool {
        self.is_save_wanted.load(Ordering::Relaxed) || (ticked && self.is_copy_wanted.load(Ordering::Relaxed))
    }

    /// It is being saved: one time for whoever wished it.
    pub(crate) fn grant(&self) {
        self.is_save_wanted.store(false, Ordering::Relaxed);
        self.is_copy_wanted.store(false, Ordering::Relaxed);
    }
}

fn time_of(cell: &AtomicU64) -> Option<Duration> {
    let time = cell.load(Ordering::Acquire);
    (time != NEVER).then(|| Duration::from_micros(time))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(NEVER).min(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: Duration = Duration::from_secs(1);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn i7_a_room_freezes_when_nobody_was_heard_for_the_fence_and_goes_on_when_one_is() {
        let room = Custody::new(FENCE, ms(0));
        assert_eq!(room.leave(ms(999), None), Leave::Tick);
        assert_eq!(room.leave(ms(1000), Some(ms(1))), Leave::Tick, "the operator is enough");
        assert_eq!(room.leave(ms(1001), Some(ms(1))), Leave::Freeze);
        room.accepted(ms(1500));
        assert_eq!(room.leave(ms(2000), Some(ms(1))), Leave::Tick, "the store is enough");
        room.accepted(ms(1200));
        assert_eq!(room.leave(ms(2400), None), Leave::Tick, "answers may come in another order");
        assert_eq!(room.leave(ms(2500), None), Leave::Freeze);
    }

    #[test]
    fn i7_a_room_that_was_frozen_is_asked_for_before_it_is_ticked_again() {
        let room = Custody::new(FENCE, ms(0));
        assert_eq!(room.leave(ms(1000), None), Leave::Freeze);
        assert!(room.has_question() && room.is_unheard());
        room.stood_still(ms(1000));
        assert!(room.is_unheard(), "it stands still besides");
        assert_eq!(room.leave(ms(1200), Some(ms(1100))), Leave::Freeze, "the operator may not know yet");
        room.accepted(ms(999));
        assert_eq!(room.leave(ms(1300), Some(ms(1100))), Leave::Freeze, "that was before");
        room.accepted(ms(1200));
        assert_eq!(room.leave(ms(1300), None), Leave::Tick);
        assert!(!room.has_question() && !room.is_unheard());
    }

    #[test]
    fn i7_a_loop_that_stood_still_asks_before_it_ticks() {
        let room = Custody::new(FENCE, ms(0));
        room.accepted(ms(100));
        room.stood_still(ms(300));
        assert_eq!(room.leave(ms(300), Some(ms(290))), Leave::Freeze);
        assert!(!room.is_unheard(), "it will be told soon");
        assert_eq!(room.leave(ms(310), Some(ms(305))), Leave::Freeze, "the operator may not have noticed");
        room.accepted(ms(299));
        assert_eq!(room.leave(ms(310), None), Leave::Freeze, "that was before");
        room.accepted(ms(301));
        assert_eq!(room.leave(ms(310), None), Leave::Tick);
        assert_eq!(room.stood_until(), None, "and it is over");
    }

    #[test]
    fn i7_a_loop_that_stood_still_while_nobody_was_heard_asks_once_more_when_somebody_is() {
        let room = Custody::new(FENCE, ms(0));
        room.stood_still(ms(300));
        room.unanswered(ms(400));
        assert_eq!(room.leave(ms(900), None), Leave::Freeze);
        assert!(!room.is_unheard(), "not for so long");
        assert_eq!(room.leave(ms(2000), None), Leave::Freeze);
        assert!(room.is_unheard());
        assert_eq!(room.leave(ms(2100), Some(ms(2050))), Leave::Freeze, "the store may answer now, too");
        room.unanswered(ms(2599));
        assert_eq!(room.leave(ms(2650), Some(ms(2640))), Leave::Freeze, "the operator is back sooner");
        room.unanswered(ms(2600));
        assert_eq!(room.leave(ms(2650), Some(ms(2599))), Leave::Freeze, "it may be gone again");
        assert_eq!(room.leave(ms(2650), Some(ms(2640))), Leave::Tick);
        assert!(!room.is_unheard());
    }

    #[test]
    fn i7_who_hears_nobody_once_more_begins_to_wait_anew() {
        let room = Custody::new(FENCE, ms(0));
        assert_eq!(room.leave(ms(1000), None), Leave::Freeze);
        assert_eq!(room.leave(ms(1100), Some(ms(1050))), Leave::Freeze);
        // Asked while it was cut off for the second time.
        room.unanswered(ms(1700));
        assert_eq!(room.leave(ms(2050), Some(ms(1050))), Leave::Freeze);
        assert_eq!(room.leave(ms(2300), Some(ms(2250))), Leave::Freeze, "that was before");
        room.unanswered(ms(2799));
        assert_eq!(room.leave(ms(2850), Some(ms(2840))), Leave::Freeze);
        room.unanswered(ms(2800));
        assert_eq!(room.leave(ms(2850), Some(ms(2840))), Leave::Tick);
    }

    #[test]
    fn i7_i8_what_was_frozen_goes_on_by_the_operators_word_if_the_store_is_asked_since_and_fails() {
        let room = Custody::new(FENCE, ms(0));
        assert_eq!(room.leave(ms(1000), None), Leave::Freeze);
        room.unanswered(ms(1100));
        assert_eq!(
            room.leave(ms(1500), Some(ms(1450))),
            Leave::Freeze,
            "it may answer now, as the operator does"
        );
        room.unanswered(ms(1499));
        assert_eq!(room.leave(ms(1600), Some(ms(1550))), Leave::Freeze, "that was before, too");
        room.unanswered(ms(1999));
        assert_eq!(room.leave(ms(2050), Some(ms(2040))), Leave::Freeze, "the operator is back sooner");
        room.unanswered(ms(2000));
        assert_eq!(room.leave(ms(2050), Some(ms(2040))), Leave::Tick);
    }

    #[test]
    fn i8_where_the_store_is_gone_too_the_operator_is_enough() {
        let room = Custody::new(FENCE, ms(0));
        room.stood_still(ms(300));
        room.unanswered(ms(200));
        assert_eq!(room.leave(ms(400), Some(ms(310))), Leave::Freeze, "it failed before, and may answer now");
        room.unanswered(ms(350));
        assert_eq!(room.leave(ms(400), Some(ms(290))), Leave::Freeze);
        assert_eq!(room.leave(ms(400), Some(ms(310))), Leave::Tick);
    }

    #[test]
    fn i1_a_room_that_is_anothers_stays_so() {
        let room = Custody::new(FENCE, ms(0));
        room.lose_to(Epoch(7));
        room.accepted(ms(10));
        assert_eq!(room.leave(ms(10), Some(ms(10))), Leave::Stop(Epoch(7)));
    }
}
