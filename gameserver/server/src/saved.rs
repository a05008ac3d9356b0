//! What is saved of a room: who sits where, with which secret, and the game's own state.
//!
//! It is the state in the envelope of the checkpoint store, and a matter between servers made with this crate: a byte
//! for the layout, the seats, and the game's own bytes to the end.

use gamekeeper_player::{
    admission::Guest,
    frame::{Role, Secret},
    limits::SECRET_BYTES,
};
use gamekeeper_room::{Occupant, PlayerName, Seat, Tick};
use serde::{Deserialize, Serialize};

/// The layout, in the first byte. What has another one was saved by another release, and is not read.
const VERSION: u8 = 2;

/// A room, as its thread has left it after a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// After which it was saved.
    pub(crate) tick: Tick,
    /// At least one player has come.
    pub(crate) has_begun: bool,
    pub(crate) occupants: Vec<Occupant>,
    pub(crate) guests: Vec<Guest>,
    /// What the game saved; `None`: it cannot be saved.
    pub(crate) game: Option<Vec<u8>>,
}

/// Why what is in the store cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it was saved in layout {0}, and this release reads layout {VERSION}")]
    Version(u8),
    #[error("what was saved of its seats cannot be read")]
    Malformed,
}

#[derive(Serialize, Deserialize)]
struct Seats<'a> {
    has_begun: bool,
    #[serde(borrow)]
    occupants: Vec<SavedOccupant<'a>>,
    #[serde(borrow)]
    guests: Vec<SavedGuest<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SavedOccupant<'a> {
    seat: u32,
    player: &'a str,
    is_there: bool,
    last_number: u64,
    last_message: u64,
}

#[derive(Serialize, Deserialize)]
struct SavedGuest<'a> {
    is_spectator: bool,
    player: &'a str,
    secret: [u8; SECRET_BYTES],
}

impl Saved {
    /// The state for the envelope. Empty if the game cannot be saved.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { tick: _, has_begun, occupants, guests, game } = self;
        let Some(game) = game else { return Vec::new() };
        let seats = Seats {
            has_begun: *has_begun,
            occupants: occupants.iter().map(SavedOccupant::from).collect(),
            guests: guests.iter().map(SavedGuest::from).collect(),
        };
        let mut out = Vec::with_capacity(game.len() + 64 * (occupants.len() + guests.len()) + 64);
        out.push(VERSION);
        // Into memory, and of types that have no other way to fail.
        let mut out = postcard::to_extend(&seats, out).unwrap_or_default();
        out.extend_from_slice(game);
        out
    }

    /// Of the state of an envelope, saved after this tick.
    pub(crate) fn decode(tick: Tick, state: &[u8]) -> Result<Self, Unreadable> {
        let (version, rest) = state.split_first().ok_or(Unreadable::Malformed)?;
        if *version != VERSION {
            return Err(Unreadable::Version(*version));
        }
        let (seats, game) = postcard::take_from_bytes(rest).map_err(|_| Unreadable::Malformed)?;
        let Seats { has_begun, occupants, guests } = seats;
        let occupants = occupants.into_iter().map(Occupant::try_from).collect::<Result<Vec<_>, _>>()?;
        let guests = guests.into_iter().map(Guest::from).collect();
        Ok(Self { tick, has_begun, occupants, guests, game: Some(game.to_vec()) })
    }

    /// How many players are there, as far as the game knows.
    pub(crate) fn players(&self) -> u32 {
        u32::try_from(self.occupants.iter().filter(|it| it.is_there).count()).unwrap_or(u32::MAX)
    }
}

impl<'a> From<&'a Occupant> for SavedOccupant<'a> {
    fn from(occupant: &'a Occupant) -> Self {
        let Occupant { seat, player, is_there, last_number, last_message } = occupant;
        Self {
            seat: seat.0,
            player: player.as_str(),
            is_there: *is_there,
            last_number: *last_number,
            last_message: *last_message,
        }
    }
}

impl TryFrom<SavedOccupant<'_>> for Occupant {
    type Error = Unreadable;

    fn try_from(saved: SavedOccupant<'_>) -> Result<Self, Unreadable> {
        let SavedOccupant { seat, player, is_there, last_number, last_message } = saved;
        let player = PlayerName::new(player).map_err(|_| Unreadable::Malformed)?;
        Ok(Self { seat: Seat(seat), player, is_there, last_number, last_message })
    }
}

impl<'a> From<&'a Guest> for SavedGuest<'a> {
    fn from(guest: &'a Guest) -> Self {
        let Guest { role, player, secret } = guest;
        let is_spectator = *role == Role::Spectator;
        Self { is_spectator, player, secret: secret.0 }
    }
}

impl From<SavedGuest<'_>> for Guest {
    fn from(saved: SavedGuest<'_>) -> Self {
        let SavedGuest { is_spectator, player, secret } = saved;
        let role = if is_spectator { Role::Spectator } else { Role::Player };
        Self { role, player: player.to_owned(), secret: Secret(secret) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        Saved {
            tick: Tick(7),
            has_begun: true,
            occupants: vec![Occupant {
                seat: Seat(3),
                player: PlayerName::new("ann").unwrap(),
                is_there: true,
                last_number: 9,
                last_message: 4,
            }],
            guests: vec![
                Guest { role: Role::Player, player: "ann".to_owned(), secret: Secret([7; SECRET_BYTES]) },
                Guest { role: Role::Spectator, player: "bob".to_owned(), secret: Secret([8; SECRET_BYTES]) },
            ],
            game: Some(b"state".to_vec()),
        }
    }

    #[test]
    fn p4_what_was_saved_is_read_again() {
        assert_eq!(Saved::decode(Tick(7), &saved().encode()), Ok(saved()));
        assert_eq!(saved().players(), 1);
    }

    #[test]
    fn what_is_cut_or_of_another_release_is_not_read() {
        let whole = saved().encode();
        for length in 0..whole.len() - b"state".len() {
            assert_eq!(Saved::decode(Tick(7), &whole[..length]), Err(Unreadable::Malformed), "{length}");
        }
        let other = [&[9], &whole[1..]].concat();
        assert_eq!(Saved::decode(Tick(7), &other), Err(Unreadable::Version(9)));
    }
}
