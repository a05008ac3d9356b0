//! What a match is opened with, checked once.

use std::fmt::Display;

use gamekeeper_room::{Declined, Setup};
use sha2::{Digest, Sha256};

use crate::{ballast::BALLAST_BYTES_MAX, map::Map};

/// More would not find room on the maps, and their snapshot would not fit into one datagram.
pub const SEATS_MAX: u8 = 32;

/// Alone, one cannot win.
pub const SEATS_MIN: u8 = 2;

/// Of a room that does not say.
const SEATS_DEFAULT: u8 = 16;

/// Of a match that does not say.
const SECONDS_DEFAULT: u32 = 120;

/// Longer than anybody plays one match.
const SECONDS_MAX: u32 = 3600;

/// Four times the pace for which the speeds in this game were chosen; more is a mistake.
const TICK_RATE_MAX: u32 = 120;

/// A match as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Parameter `map`.
    pub map: Map,
    /// Of the room; 2 to 32.
    pub seats: u8,
    /// How long it lasts, in ticks: parameter `seconds`, times the room's tick rate.
    pub length_ticks: u32,
    /// Parameter `score`: who has it wins at once. 0: there is no such limit.
    pub score_limit: u16,
    /// Parameter `ballast`: bytes that are saved with the match and mean nothing.
    pub ballast: u32,
    /// From the room's uid, so that every server that opens it sees the same match.
    pub seed: u64,
}

impl Settings {
    /// Of a room, or what has to be changed about it.
    pub fn of(setup: &Setup) -> Result<Self, Declined> {
        let known = ["ballast", "map", "score", "seconds"];
        if let Some(key) = setup.parameters.keys().find(|it| !known.contains(&it.as_str())) {
            return Err(declined(format_args!(
                "parameters: the arena has no `{key:.40}`; it takes ballast, map, score and seconds"
            )));
        }
        let rate = setup.tick_rate.get();
        if TICK_RATE_MAX < rate {
            return Err(declined(format_args!(
                "{rate} ticks per second are too many for the arena: at most {TICK_RATE_MAX}, better 30"
            )));
        }
        let seconds = number(setup, "seconds", SECONDS_MAX)?.unwrap_or(SECONDS_DEFAULT);
        let score = number(setup, "score", u32::from(u16::MAX))?.unwrap_or(0);
        Ok(Self {
            map: map(setup)?,
            seats: seats(setup)?,
            length_ticks: seconds.saturating_mul(rate),
            // It was checked just now.
            score_limit: u16::try_from(score).unwrap_or(u16::MAX),
            ballast: number(setup, "ballast", BALLAST_BYTES_MAX)?.unwrap_or(0),
            seed: seed(&setup.uid),
        })
    }
}

fn seats(setup: &Setup) -> Result<u8, Declined> {
    let Some(seats) = setup.seats else { return Ok(SEATS_DEFAULT) };
    let wrong =
        || declined(format_args!("seats: {seats} is not what the arena takes, {SEATS_MIN} to {SEATS_MAX}"));
    u8::try_from(seats.get()).ok().filter(|it| (SEATS_MIN..=SEATS_MAX).contains(it)).ok_or_else(wrong)
}

fn map(setup: &Setup) -> Result<Map, Declined> {
    let Some(name) = setup.parameters.get("map") else { return Ok(Map::default()) };
    let wrong = || {
        let names = Map::ALL.map(Map::name).join(", ");
        declined(format_args!("parameters: map: there is no map `{name:.40}`, but {names}"))
    };
    Map::ALL.into_iter().find(|it| it.name() == name).ok_or_else(wrong)
}

fn number(setup: &Setup, key: &str, max: u32) -> Result<Option<u32>, Declined> {
    let Some(text) = setup.parameters.get(key) else { return Ok(None) };
    let wrong =
        || declined(format_args!("parameters: {key}: `{text:.40}` is no whole number from 1 to {max}"));
    text.parse().ok().filter(|it| (1..=max).contains(it)).map(Some).ok_or_else(wrong)
}

fn seed(uid: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(uid.as_bytes()).into();
    hash.first_chunk().map_or(0, |it| u64::from_le_bytes(*it))
}

fn declined(why: impl Display) -> Declined {
    Declined::because(why.to_string())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn settings(seats: Option<u32>, parameters: &[(&str, &str)]) -> Result<Settings, String> {
        let setup = Setup {
            namespace: "games".into(),
            name: "duel".into(),
            uid: "uid-1".into(),
            seats: seats.and_then(NonZeroU32::new),
            parameters: parameters.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            tick_rate: 30.try_into().unwrap(),
        };
        Settings::of(&setup).map_err(|it| it.to_string())
    }

    #[test]
    fn a_room_that_says_nothing_is_two_minutes_on_the_plain() {
        let found = settings(None, &[]).unwrap();
        let seed = found.seed;
        assert_eq!(
            found,
            Settings { map: Map::Plain, seats: 16, length_ticks: 3600, score_limit: 0, ballast: 0, seed }
        );
    }

    #[test]
    fn a_room_says_what_it_wants() {
        let found = settings(Some(2), &[("map", "harbour"), ("score", "5"), ("seconds", "1")]).unwrap();
        assert_eq!((found.map, found.seats), (Map::Harbour, 2));
        assert_eq!((found.length_ticks, found.score_limit), (30, 5));
    }

    #[test]
    fn what_cannot_be_is_declined_with_what_to_change() {
        let why = |seats, key, value| settings(seats, &[(key, value)]).unwrap_err();
        assert!(why(None, "map", "moon").contains("plain, harbour"));
        assert!(why(None, "seconds", "0").contains("from 1 to 3600"));
        assert!(why(None, "seconds", "-1").contains("from 1 to 3600"));
        assert!(why(None, "seconds", "3601").contains("from 1 to 3600"));
        assert!(why(None, "score", "65536").contains("from 1 to 65535"));
        assert!(why(None, "second", "5").contains("ballast, map, score and seconds"));
        assert!(why(None, "ballast", "1000000").contains("from 1 to 786432"));
        assert!(why(Some(1), "score", "5").contains("2 to 32"));
        assert!(why(Some(33), "score", "5").contains("2 to 32"));
    }
}
