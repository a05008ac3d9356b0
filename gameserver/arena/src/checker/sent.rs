//! What a player sent, held against what the server says it applied.

use std::collections::VecDeque;

use crate::{input::Input, world::Account};

/// Inputs that were sent and not applied by the time of a checkpoint: two seconds of them. More are missing,
/// for no network that one can play on takes as long.
const LATE_MAX: usize = 64;

/// Inputs that are remembered while nothing is shown. Who sends more in vain has lost the oldest.
const KEPT_MAX: usize = 1024;

/// The player's side of its account.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// What was applied, as of `settled_at`.
    settled: Account,
    /// The checkpoint that was looked at last.
    settled_at: u32,
    /// What was sent and is not settled.
    waiting: VecDeque<Input>,
    /// Of these, how many have been shown to count since.
    counted: usize,
}

/// What was wrong at a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Inputs that will not count any more.
    pub(super) missing: u64,
    /// Others counted than were sent, or in another order.
    pub(super) differs: bool,
}

impl Sent {
    /// One more was sent. Says how many are lost by that.
    pub(super) fn push(&mut self, input: Input) -> u64 {
        self.waiting.push_back(input);
        if self.waiting.len() <= KEPT_MAX {
            return 0;
        }
        self.waiting.pop_front();
        1
    }

    /// So many counted in this tick, by what is shown of it.
    pub(super) fn estimate(&mut self, count: u8) {
        self.counted += usize::from(count);
    }

    /// What was sent and has not counted yet, as far as is known.
    pub(super) fn in_flight(&self) -> usize {
        self.waiting.len().saturating_sub(self.counted)
    }

    /// This checkpoint was not looked at yet.
    pub(super) fn is_news(&self, checkpoint: u32) -> bool {
        self.settled_at < checkpoint
    }

    /// Holds an account of the server against what was sent. `is_now`: nothing has counted since.
    pub(super) fn settle(&mut self, checkpoint: u32, theirs: Account, is_now: bool) -> Found {
        self.settled_at = checkpoint;
        let newly = theirs.applied.wrapping_sub(self.settled.applied);
        let mut ours = self.settled;
        let mut differs = false;
        for _ in 0..newly {
            let Some(input) = self.waiting.pop_front() else {
                differs = true;
                break;
            };
            ours.apply(input.to_bytes());
        }
        differs |= ours.digest != theirs.digest;
        let mut missing = u64::from(theirs.dropped.saturating_sub(self.settled.dropped));
        while LATE_MAX < self.waiting.len() {
            self.waiting.pop_front();
            missing += 1;
        }
        self.settled = theirs;
        let newly = usize::try_from(newly).unwrap_or(usize::MAX);
        self.counted = if is_now { 0 } else { self.counted.saturating_sub(newly) };
        Found { missing, differs }
    }
}
