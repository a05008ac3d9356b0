//! Bytes of the reliable lane that wait: to be a whole frame, or to be sent.

use std::ops::Range;

use crate::{Malformed, frame};

/// What came in and has not been read.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// Takes in what came, unless more than `limit` bytes would wait.
    pub(crate) fn push(&mut self, bytes: &[u8], limit: usize) -> bool {
        if self.room(limit) < bytes.len() {
            return false;
        }
        self.bytes.drain(..self.start.min(self.bytes.len()));
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// How much more may come.
    pub(crate) fn room(&self, limit: usize) -> usize {
        limit.saturating_sub(self.rest().len())
    }

    /// Where the next frame is, without its length.
    pub(crate) fn frame(&self, limit: usize) -> Result<Option<Range<usize>>, Malformed> {
        let found = frame::first(self.rest(), limit)?;
        Ok(found.map(|(header, length)| self.start + header..self.start + header + length))
    }

    /// The bytes of a frame, also of one that was just taken.
    pub(crate) fn get(&self, frame: Range<usize>) -> &[u8] {
        self.bytes.get(frame).unwrap_or_default()
    }

    /// The frame has been read. Its bytes stay until more come in.
    pub(crate) fn take(&mut self, frame: &Range<usize>) {
        self.start = frame.end;
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    /// What `write` appends is sent, unless more than `limit` bytes would wait then.
    pub(crate) fn push(&mut self, limit: usize, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.bytes.drain(..self.start.min(self.bytes.len()));
        self.start = 0;
        let before = self.bytes.len();
        write(&mut self.bytes);
        let fits = self.bytes.len() <= limit;
        if !fits {
            self.bytes.truncate(before);
        }
        fits
    }

    /// What is to be sent next.
    pub(crate) fn output(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// So much of it was sent.
    pub(crate) fn consumed(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
    }
}
