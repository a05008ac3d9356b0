//! The one encoding of a world: what is shown, what is saved and what is hashed are the same bytes.
//!
//! All numbers are little-endian. Every field has its place, which depends on nothing but the seats of the
//! room, so that two states differ where the match differs, and a delta of them is mostly zeroes. Fields of
//! players stand in *planes*: one byte of all seats, then the next one. What hardly ever changes stands
//! first, what changes in every tick stands together at the end.
//!
//! | bytes | what |
//! |---|---|
//! | 1, 1, 1 | layout, map, seats *n* |
//! | 4, 2, 4 | length in ticks, score limit, tick of the end |
//! | 4, 4, 8 | seats that ever had a player, seats whose player is there, random source |
//! | 9 × (1, 1, 4) | pick-ups: tile to the right, tile down, tick in which it comes back (0: is there) |
//! | 8 *n* | accounts: dropped, applied from its high to its low byte, digest |
//! | 2 *n* | score |
//! | 3 *n* | ready at: its three high bytes |
//! | 4 *n* | high bytes of x and y; of two inputs the first: buttons, aim |
//! | 2 *n* | health; ready at: its low byte |
//! | 4 *n* | count of inputs × 64 + buttons of the last one; aim; low bytes of x and y |
//! | 2, 4 | check, tick |
//! | 4, 8 | the last checkpoint: tick, hash |
//!
//! The hash is of all but the check and the last row. The check is there for those who put together a state
//! from deltas: a byte that came out wrong is seen at once, even one that leads to no other state.

pub(crate) mod read;

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::{
    map::Map,
    settings::SEATS_MAX,
    world::{Account, BySeat, Given, Player, World},
};

/// The version of this layout, in its first byte.
pub const LAYOUT: u8 = 1;

/// Bytes of a shown world, but for those of its seats.
const BYTES_FIXED: usize = BYTES_BEFORE_PLANES + 2 + 4 + 12;

/// Of these, what stands before the planes.
const BYTES_BEFORE_PLANES: usize = 3 + 10 + 16 + 54;

/// Bytes of each seat.
const BYTES_PER_SEAT: usize = 23;

/// Bits of the count of inputs, beside five of buttons.
const COUNT_SHIFT: u8 = 6;

/// The bytes do not mean a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short, or too long.
    #[error("a state of {0} bytes has not the length that it should have")]
    Length(usize),
    /// Written by a build that has another one.
    #[error("layout {0} of the state is not known")]
    Layout(u8),
    /// A value that no match can have.
    #[error("no match has such {0}")]
    Value(&'static str),
}

impl World {
    /// Appends what is shown to everybody.
    pub fn show(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.reserve(self.shown_bytes());
        self.write_body(&mut |bytes| out.extend_from_slice(bytes));
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.tick.to_le_bytes());
        out.extend_from_slice(&self.checkpoint.tick.to_le_bytes());
        out.extend_from_slice(&self.checkpoint.hash);
        let shown = out.get_mut(start..).unwrap_or_default();
        let check = check(shown, self.seats);
        if let Some(place) = check_place(self.seats).and_then(|it| shown.get_mut(it)) {
            place.copy_from_slice(&check);
        }
    }

    /// How long that is. It never changes during a match.
    pub fn shown_bytes(&self) -> usize {
        shown_bytes(self.seats)
    }

    /// The world that is shown by these bytes. No other bytes show the same one.
    pub fn of_shown(bytes: &[u8]) -> Result<Self, Malformed> {
        read::world(bytes)
    }

    /// The first eight bytes of SHA-256 of all that is shown but the checkpoint itself.
    pub fn hash(&self) -> [u8; 8] {
        let mut hash = Sha256::new();
        self.write_body(&mut |bytes| hash.update(bytes));
        hash.update(self.tick.to_le_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        hash.first_chunk().copied().unwrap_or_default()
    }

    fn write_body(&self, put: &mut impl FnMut(&[u8])) {
        put(&[LAYOUT, code(self.map), self.seats]);
        put(&self.length.to_le_bytes());
        put(&self.score_limit.to_le_bytes());
        put(&self.ends_at.to_le_bytes());
        put(&self.seated.to_le_bytes());
        put(&self.present.to_le_bytes());
        put(&self.random.state().to_le_bytes());
        for pick_up in &self.pick_ups {
            put(&[pick_up.tile.0, pick_up.tile.1]);
            put(&pick_up.back_at.to_le_bytes());
        }
        self.write_accounts(put);
        self.write_players(put);
    }

    fn write_accounts(&self, put: &mut impl FnMut(&[u8])) {
        let mut plane = |byte: &dyn Fn(&Account) -> u8| self.write_plane(&self.accounts, byte, put);
        plane(&|it| byte_of(it.dropped.into(), 1));
        plane(&|it| byte_of(it.dropped.into(), 0));
        for index in [3, 2, 1, 0] {
            plane(&|it| byte_of(it.applied, index));
        }
        for index in [0, 1] {
            plane(&|it| byte_of(it.digest.into(), index));
        }
    }

    fn write_players(&self, put: &mut impl FnMut(&[u8])) {
        let mut plane = |byte: &dyn Fn(&Player) -> u8| self.write_plane(&self.players, byte, put);
        plane(&|it| byte_of(it.score.into(), 1));
        plane(&|it| byte_of(it.score.into(), 0));
        for index in [3, 2, 1] {
            plane(&|it| byte_of(it.ready_at, index));
        }
        plane(&|it| byte_of(it.spot.x.into(), 1));
        plane(&|it| byte_of(it.spot.y.into(), 1));
        plane(&|it| it.given.first.buttons.bits());
        plane(&|it| it.given.first.aim.0);
        plane(&|it| it.health);
        plane(&|it| byte_of(it.ready_at, 0));
        plane(&|it| given_bits(it.given));
        plane(&|it| it.aim.0);
        plane(&|it| byte_of(it.spot.x.into(), 0));
        plane(&|it| byte_of(it.spot.y.into(), 0));
    }

    fn write_plane<T>(&self, of: &BySeat<T>, byte: &dyn Fn(&T) -> u8, put: &mut impl FnMut(&[u8])) {
        let mut plane: BySeat<u8> = [0; SEATS_MAX as usize];
        plane.iter_mut().zip(of).for_each(|(to, from)| *to = byte(from));
        put(plane.get(..usize::from(self.seats)).unwrap_or_default());
    }
}

pub(crate) fn shown_bytes(seats: u8) -> usize {
    BYTES_FIXED + BYTES_PER_SEAT * usize::from(seats)
}

/// Where the check is. Beside what changes most, so that a delta pays for its two bytes and no more.
fn check_place(seats: u8) -> Option<Range<usize>> {
    let start = (BYTES_PER_SEAT * usize::from(seats)).checked_add(BYTES_BEFORE_PLANES)?;
    Some(start..start.checked_add(2)?)
}

/// Of a shown world, without the check itself. Fast, not strong: who writes a wrong state can write its check.
pub(crate) fn check(shown: &[u8], seats: u8) -> [u8; 2] {
    let place = check_place(seats).unwrap_or_default();
    let parts = [shown.get(..place.start), shown.get(place.end..)];
    let mut sum = 0_u64;
    for chunk in parts.into_iter().flatten().flat_map(|it| it.chunks(size_of::<u64>())) {
        let mut word = [0; size_of::<u64>()];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        // An odd factor loses nothing, and the rotation brings high bits to where they spread again.
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    let [a, b, c, d, ..] = (sum ^ (sum >> 32)).to_le_bytes();
    [a ^ c, b ^ d]
}

/// Never changes for a map: it is part of every hash.
fn code(map: Map) -> u8 {
    match map {
        Map::Plain => 0,
        Map::Harbour => 1,
    }
}

/// The aim of the last input is the player's.
fn given_bits(given: Given) -> u8 {
    given.count << COUNT_SHIFT | given.last.buttons.bits()
}

fn byte_of(number: u32, index: usize) -> u8 {
    number.to_le_bytes().get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
