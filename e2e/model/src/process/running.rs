//! A room that may be played: the custody that says whether it is ticked, and its checkpoints.

use bytes::Bytes;
use gamekeeper_room::{
    Epoch, Tick,
    host::{Event, RoomNumber, Saving},
};
use gamekeeper_server::custody::Custody;
use gamekeeper_store::{
    Checkpointer, StoreError, Verdict, Written,
    checkpointer::{Action as Wish, Pace},
};

use crate::{
    bounds::FENCE,
    store::Reply,
    words::{STEP, time},
};

/// A room that was opened and has not ended.
#[allow(clippy::struct_excessive_bools, reason = "each is seen by itself")]
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) custody: Custody,
    pub(super) checkpointer: Checkpointer<u64>,
    /// The loop that ticks is to save it.
    is_save_wanted: bool,
    /// A checkpoint is on its way.
    pub(super) write: Option<u64>,
    is_begun: bool,
    pub(super) check_again: u8,
    /// The store did not answer last, or not since it began: only the operator's word counts.
    pub(super) is_unanswered: bool,
    pub(super) ticks: bool,
}

impl Running {
    pub(super) fn new(since: u8, now: u8) -> Self {
        let fence_after = time(FENCE);
        Self {
            custody: Custody::new(fence_after, time(since)),
            checkpointer: Checkpointer::new(Pace { interval: STEP, fence_after }, time(since)),
            is_save_wanted: false,
            write: None,
            is_begun: false,
            check_again: 0,
            is_unanswered: since < now,
            ticks: false,
        }
    }

    pub(super) fn poll(&mut self, number: RoomNumber, now: u8, is_hung: bool, events: &mut Vec<Event>) {
        loop {
            if self.is_save_wanted && !is_hung {
                self.is_save_wanted = false;
                self.checkpointer.saved(Some(now.into()));
            }
            match self.checkpointer.poll(time(now)) {
                None => return,
                Some(Wish::Save) => self.is_save_wanted = true,
                Some(Wish::Write(tick)) => self.write = Some(tick),
                Some(Wish::Failing) => {
                    events.push(Event::Saving(number, Saving::Failing("no answer".to_owned())));
                }
                Some(Wish::Recovered) => events.push(Event::Saving(number, Saving::Recovered)),
                Some(Wish::Fenced { owner }) => self.custody.lose_to(owner),
                Some(Wish::Finished) => self.custody.lose_to(Epoch(1)),
            }
        }
    }

    /// Returns whether it is the first checkpoint that the store took.
    pub(super) fn written(&mut self, answer: &Result<Verdict<Written>, StoreError>, now: u8) -> bool {
        self.write = None;
        self.is_unanswered = answer.is_err();
        let is_mine = answer.as_ref().is_ok_and(|it| matches!(it, Verdict::Mine(_)));
        if is_mine {
            self.custody.accepted(time(now));
        }
        self.checkpointer.answered(answer, time(now));
        is_mine && !std::mem::replace(&mut self.is_begun, true)
    }
}

/// What the store said to a checkpoint, as the checkpointer hears it.
pub(super) fn written(reply: Reply) -> Verdict<Written> {
    match reply {
        Reply::Fenced(owner) => Verdict::Fenced { owner: Epoch(owner) },
        Reply::Finished(owner, _) => Verdict::Finished { owner: Epoch(owner), result: Bytes::new() },
        Reply::Older(newest) => Verdict::Mine(Written::Older { newest: Tick(newest) }),
        _ => Verdict::Mine(Written::Stored),
    }
}
