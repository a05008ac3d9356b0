//! Messages to the game, until the server has confirmed them.

use std::collections::VecDeque;

use crate::limits;

/// Those that are not confirmed, oldest first, with consecutive numbers.
#[derive(Debug, Default)]
pub(super) struct Messages {
    kept: VecDeque<Kept>,
    /// The number of the last one that was confirmed or given up.
    confirmed: u64,
    /// The server of the connection in use confirms messages.
    are_confirmed: bool,
    /// It has said up to where it knows them: the rest may be sent.
    is_open: bool,
    /// Some server has said so: until then nothing was sent, and who was in the room in an earlier life of the
    /// program goes on with the numbers of that life.
    is_counted: bool,
    /// Of the room where this connection leads.
    epoch: u64,
    /// Under which all were said that were kept by then.
    said_under: u64,
}

#[derive(Debug)]
struct Kept {
    message: Vec<u8>,
    /// Under so many epochs it was said.
    epochs: u8,
}

impl Messages {
    /// There is a new connection.
    pub(super) fn joined(&mut self, are_confirmed: bool, epoch: u64) {
        self.epoch = epoch;
        (self.are_confirmed, self.is_open) = (are_confirmed, false);
        if !are_confirmed {
            // Nobody will confirm them: what was sent may have arrived, and must not arrive twice.
            self.confirmed = self.last();
            self.kept.clear();
        }
    }

    pub(super) fn are_confirmed(&self) -> bool {
        self.are_confirmed
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Keeps one more and says its number. `None`: too many wait.
    pub(super) fn push(&mut self, message: &[u8]) -> Option<u64> {
        if limits::MESSAGES_KEPT_MAX <= self.kept.len() {
            return None;
        }
        self.kept.push_back(Kept { message: message.to_vec(), epochs: 0 });
        Some(self.last())
    }

    /// The newest one was said.
    pub(super) fn said(&mut self) {
        if let Some(newest) = self.kept.back_mut() {
            newest.epochs = 1;
        }
    }

    /// All up to this one have been heard. Whether those that are kept may be sent now.
    pub(super) fn confirm(&mut self, number: u64) -> bool {
        if !std::mem::replace(&mut self.is_counted, true) {
            self.confirmed = number;
        }
        let count = number.min(self.last()).saturating_sub(self.confirmed);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.kept.len());
        self.forget(count);
        let opens = !std::mem::replace(&mut self.is_open, true);
        if opens {
            self.count_epochs();
        }
        opens
    }

    /// All that are kept are said now. Those that were said under too many epochs are given up: the oldest.
    fn count_epochs(&mut self) {
        let is_another = std::mem::replace(&mut self.said_under, self.epoch) != self.epoch;
        if is_another {
            let is_in_vain = |it: &&Kept| limits::MESSAGE_EPOCHS_MAX <= it.epochs;
            self.forget(self.kept.iter().take_while(is_in_vain).count());
        }
        for kept in self.kept.iter_mut().filter(|it| is_another || it.epochs == 0) {
            kept.epochs += 1;
        }
    }

    fn forget(&mut self, count: usize) {
        self.kept.drain(..count);
        self.confirmed = self.confirmed.saturating_add(count as u64);
    }

    /// Those that are to be sent again.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.confirmed.saturating_add(1)..).zip(self.kept.iter().map(|it| it.message.as_slice()))
    }

    fn last(&self) -> u64 {
        self.confirmed.saturating_add(self.kept.len() as u64)
    }
}
