//! Fields of frames and datagrams, read and written.

use crate::{Malformed, varint};

/// Reads fields off the front.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// All that has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, Malformed> {
        varint::take(&mut self.rest).ok_or(Malformed::Truncated { field })
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.fixed::<1>(field).map(|[it]| it)
    }

    /// A number that fits a smaller type.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, Malformed> {
        let value = self.number(field)?;
        value.try_into().map_err(|_| Malformed::BadValue { field, value })
    }

    pub(crate) fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated { field })?;
        self.rest = rest;
        Ok(*head)
    }

    /// Bytes with their length in front.
    pub(crate) fn bytes(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], Malformed> {
        let length = self.number(field)?;
        let wanted = usize::try_from(length).ok().filter(|it| *it <= limit);
        let wanted = wanted.ok_or(Malformed::TooLong { field, length, limit })?;
        let (head, rest) = self.rest.split_at_checked(wanted).ok_or(Malformed::Truncated { field })?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn text(&mut self, field: &'static str, limit: usize) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes(field, limit)?).map_err(|_| Malformed::NotText { field })
    }

    /// A text that identifies something, so is not empty.
    pub(crate) fn name(&mut self, field: &'static str, limit: usize) -> Result<&'a str, Malformed> {
        Some(self.text(field, limit)?).filter(|it| !it.is_empty()).ok_or(Malformed::Empty { field })
    }

    /// How many entries follow.
    pub(crate) fn count(&mut self, field: &'static str, limit: usize) -> Result<usize, Malformed> {
        let count = self.number(field)?;
        let fitting = usize::try_from(count).ok().filter(|it| *it <= limit);
        fitting.ok_or(Malformed::TooMany { field, count, limit })
    }
}

/// Appends bytes with their length in front.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    varint::put(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
