//! The client's end: what has been wanted and is not known to have arrived.

use std::collections::VecDeque;

use crate::{datagram::Input, limits, varint};

/// Numbers inputs, and keeps them until they are acknowledged.
#[derive(Debug)]
pub struct Sender {
    /// The number of the first of `kept`.
    first: u64,
    kept: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    lost: u64,
}

/// An input is longer than a datagram is on every path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an input of {0} bytes, where at most 1024 are allowed")]
pub struct TooLong(pub usize);

impl Default for Sender {
    fn default() -> Self {
        Self { first: 1, kept: VecDeque::new(), spare: Vec::new(), lost: 0 }
    }
}

impl Sender {
    /// Takes an input, and says its number.
    pub fn push(&mut self, input: &[u8]) -> Result<u64, TooLong> {
        if limits::INPUT_BYTES_MAX < input.len() {
            return Err(TooLong(input.len()));
        }
        if self.kept.len() == limits::INPUTS_KEPT_MAX {
            self.drop_first();
            self.lost += 1;
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(input);
        self.kept.push_back(kept);
        Ok(self.next() - 1)
    }

    /// All up to this one have arrived.
    pub fn acknowledge(&mut self, number: u64) {
        // Of what has never been sent, nothing is acknowledged.
        let number = number.min(self.next() - 1);
        while self.first <= number {
            self.drop_first();
        }
    }

    /// The server knows all up to this one, from an earlier connection or an earlier run of the program: what
    /// comes next has a higher number.
    pub fn go_on_after(&mut self, number: u64) {
        self.acknowledge(number);
        if self.kept.is_empty() {
            self.first = self.first.max(number.saturating_add(1));
        }
    }

    /// The number of the oldest that is kept, or of the next.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Whether all have arrived.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many were pushed out by newer ones and may never have arrived.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Puts the newest inputs that fit into `budget` bytes, oldest first, into a datagram.
    pub fn encode(&self, ack: u64, budget: usize, out: &mut Vec<u8>) {
        let mut left = budget.saturating_sub(limits::INPUT_HEADER_BYTES_MAX);
        let newest = self.kept.iter().rev().take(limits::INPUTS_PER_DATAGRAM_MAX);
        let fitting = newest.take_while(|it| {
            let size = varint::size(it.len() as u64) + it.len();
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        });
        let skipped = self.kept.len() - fitting.count();
        let inputs = self.kept.iter().skip(skipped).map(Vec::as_slice);
        Input::encode(ack, self.first + skipped as u64, inputs, out);
    }

    fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    fn drop_first(&mut self) {
        self.first += 1;
        if let Some(mut input) = self.kept.pop_front() {
            input.clear();
            self.spare.push(input);
        }
    }
}
