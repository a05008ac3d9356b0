//! Messages to the game, until the server has confirmed them.

use std::collections::VecDeque;

use crate::limits;

/// Those that are not confirmed, oldest first, with consecutive numbers.
#[derive(Debug, Default)]
pub(super) struct Messages {
    kept: VecDeque<Vec<u8>>,
    /// The number of the last one that was confirmed or given up.
    confirmed: u64,
    /// The server of the connection in use confirms messages.
    pub(super) are_confirmed: bool,
}

impl Messages {
    /// Keeps one more and says its number. `None`: too many wait.
    pub(super) fn push(&mut self, message: &[u8]) -> Option<u64> {
        if limits::MESSAGES_KEPT_MAX <= self.kept.len() {
            return None;
        }
        self.kept.push_back(message.to_vec());
        Some(self.last())
    }

    /// All up to this one have arrived.
    pub(super) fn confirm(&mut self, number: u64) {
        let count = number.min(self.last()).saturating_sub(self.confirmed);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.kept.len());
        self.kept.drain(..count);
        self.confirmed = self.confirmed.saturating_add(count as u64);
    }

    /// Nobody will confirm them: what was sent may have arrived, and must not arrive twice.
    pub(super) fn give_up(&mut self) {
        self.confirm(self.last());
    }

    /// Those that are to be sent again.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.confirmed.saturating_add(1)..).zip(self.kept.iter().map(Vec::as_slice))
    }

    fn last(&self) -> u64 {
        self.confirmed.saturating_add(self.kept.len() as u64)
    }
}
