//! How rooms are asked for.

use std::fmt;
use std::time::Duration;

/// How rooms are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// So many requesters, each of which asks for the next room when it has one.
    Concurrency(usize),
    /// So many rooms a second, whatever comes of those before.
    ArrivalsPerS(u32),
}

/// How long arrivals go on at most.
const ARRIVALS_S: usize = 12;

/// What one requester after the other gets in ten seconds or more.
const ROOMS_PER_REQUESTER: usize = 2_000;

impl Load {
    /// How many rooms of `most` make a window that is not too long.
    pub(super) fn rooms(self, most: usize) -> usize {
        match self {
            Self::Concurrency(requesters) => most.min(requesters * ROOMS_PER_REQUESTER),
            Self::ArrivalsPerS(rate) => most.min(usize::try_from(rate).unwrap_or(usize::MAX) * ARRIVALS_S),
        }
    }

    /// When the room of a number is asked for, after the first one; `None`: when there is a requester for it.
    pub(super) fn due(self, number: u32) -> Option<Duration> {
        match self {
            Self::Concurrency(_) => None,
            Self::ArrivalsPerS(rate) => Some(Duration::from_secs(1) * number / rate),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concurrency(requesters) => write!(f, "{requesters} at once"),
            Self::ArrivalsPerS(rate) => write!(f, "{rate} a second"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_evenly_spread_and_windows_are_not_too_long() {
        let load = Load::ArrivalsPerS(50);
        assert_eq!(load.due(0), Some(Duration::ZERO));
        assert_eq!(load.due(150), Some(Duration::from_secs(3)));
        assert_eq!((load.rooms(3_000), load.rooms(100)), (600, 100));
        assert_eq!(Load::ArrivalsPerS(400).rooms(3_000), 3_000);
        assert_eq!(Load::Concurrency(1).rooms(3_000), 2_000);
        assert_eq!(Load::Concurrency(64).rooms(3_000), 3_000);
    }
}
