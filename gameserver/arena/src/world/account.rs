//! What a player can hold a server to.

/// What became of a player's inputs since it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// How many counted.
    pub applied: u32,
    /// How many were dropped, because more came than a player may do. Stays at its maximum.
    pub dropped: u16,
    /// Of those that counted, in their order. Short, because it is sent for every player: a difference that it
    /// does not show is one of 65,536, and the next input does not make it good.
    pub digest: u16,
}

/// The hash of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// After which it was taken. 0: none was yet.
    pub tick: u32,
    /// See [`World::hash`](super::World::hash).
    pub hash: [u8; 8],
}

impl Account {
    /// One more input counted. Every part of this can be undone, so two accounts that differ stay different
    /// until something makes them equal by chance; and none of it ignores the order.
    pub(crate) fn apply(&mut self, bytes: [u8; 3]) {
        self.applied = self.applied.wrapping_add(1);
        for byte in bytes {
            // A digest of zeroes would not notice more of them, hence the sum.
            let mixed = (self.digest ^ (u16::from(byte) * 0x0101)).wrapping_mul(0xa6d3);
            self.digest = mixed.rotate_left(7).wrapping_add(0x9dc5);
        }
    }
}
