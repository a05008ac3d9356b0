//! Seats, and who sits on them.

use std::fmt;

/// A player's place in a room, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u32);

/// The longest name of a player: an account's number or a hash fits, and a room of 1,024 seats stays small.
const NAME_BYTES_MAX: usize = 128;

/// How a player is known to the transport: the same name comes back to the same seat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerName(String);

/// A player's name is empty or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a player's name of {0} bytes, where 1 to 128 are allowed")]
pub struct BadName(usize);

impl PlayerName {
    /// A name of 1 to 128 bytes.
    pub fn new(name: impl Into<String>) -> Result<Self, BadName> {
        let name = name.into();
        match name.len() {
            1..=NAME_BYTES_MAX => Ok(Self(name)),
            length => Err(BadName(length)),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One arrival of a player. When the player arrives once more, by another connection, the newer one counts,
/// and the older one can neither speak nor leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    pub(crate) seat: Seat,
    pub(crate) arrival: u64,
}

impl Presence {
    /// Where the player sits.
    pub fn seat(&self) -> Seat {
        self.seat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_128_bytes() {
        let length = |count: usize| PlayerName::new("p".repeat(count)).map(|it| it.as_str().len());
        assert_eq!(length(0), Err(BadName(0)));
        assert_eq!(length(1), Ok(1));
        assert_eq!(length(128), Ok(128));
        assert_eq!(length(129), Err(BadName(129)));
    }
}
