//! Which version of the protocol both sides speak.

use std::ops::RangeInclusive;

/// The version of the protocol that this release speaks.
pub const PROTOCOL: u32 = 1;

/// The highest version that is both offered and spoken, if there is one.
pub fn agree(offered: RangeInclusive<u32>, spoken: RangeInclusive<u32>) -> Option<u32> {
    let lowest = *offered.start().max(spoken.start());
    let highest = *offered.end().min(spoken.end());
    (lowest <= highest).then_some(highest)
}
