//! Takes bytes apart, from the front.

use std::ops::RangeInclusive;

use super::Malformed;

/// What was not read yet.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed::Length)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A text of so many bytes, as far as so many are allowed.
    pub(super) fn text(
        &mut self,
        length: u8,
        allowed: RangeInclusive<usize>,
        field: &'static str,
    ) -> Result<String, Malformed> {
        let length = usize::from(length);
        if !allowed.contains(&length) {
            return Err(Malformed::Field(field));
        }
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed::Length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).map_err(|_| Malformed::Field(field))
    }
}
