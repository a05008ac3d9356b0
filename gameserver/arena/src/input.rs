//! What a player sends: three bytes.
//!
//! | byte | meaning |
//! |---|---|
//! | 0 | buttons: 1 up, 2 down, 4 left, 8 right, 16 fire; the other bits are zero |
//! | 1 | aim: 256 parts of a turn, 0 to the right, 64 down |
//! | 2 | number: one more than that of the input before, after 255 comes 0 |

use std::ops::BitOr;

use crate::angle::Aim;

/// The length of an input.
pub const INPUT_BYTES: usize = 3;

/// What a player wants to do in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Input {
    /// What is pressed.
    pub buttons: Buttons,
    /// Where it looks.
    pub aim: Aim,
    /// Tells two inputs apart that want the same: the game takes no notice, but it is part of the digest, so
    /// that a checker sees which one is missing.
    pub number: u8,
}

/// Buttons that are pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Buttons(u8);

impl Input {
    /// `None`: these bytes mean nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [buttons, aim, number] = *bytes else { return None };
        Some(Self { buttons: Buttons::new(buttons)?, aim: Aim(aim), number })
    }

    /// As it is sent.
    pub fn to_bytes(self) -> [u8; INPUT_BYTES] {
        [self.buttons.bits(), self.aim.0, self.number]
    }
}

impl Buttons {
    /// Nothing is pressed.
    pub const NONE: Self = Self(0);
    /// Go up.
    pub const UP: Self = Self(1);
    /// Go down.
    pub const DOWN: Self = Self(2);
    /// Go left.
    pub const LEFT: Self = Self(4);
    /// Go right.
    pub const RIGHT: Self = Self(8);
    /// Shoot.
    pub const FIRE: Self = Self(16);
    /// The bits that mean something.
    pub(crate) const ALL: u8 = 31;

    /// `None`: some bit is no button.
    pub fn new(bits: u8) -> Option<Self> {
        (bits & !Self::ALL == 0).then_some(Self(bits))
    }

    /// As bits.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// All of these are pressed.
    pub fn has(self, these: Self) -> bool {
        self.0 & these.0 == these.0
    }

    /// Where they lead, -1 to 1: to the right, and down. Two that contradict each other lead nowhere.
    pub fn direction(self) -> (i16, i16) {
        let of = |plus: Self, minus: Self| i16::from(self.has(plus)) - i16::from(self.has(minus));
        (of(Self::RIGHT, Self::LEFT), of(Self::DOWN, Self::UP))
    }
}

impl BitOr for Buttons {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_input_has_three_bytes() {
        let input = Input { buttons: Buttons::UP | Buttons::FIRE, aim: Aim(200), number: 7 };
        assert_eq!(input.to_bytes(), [17, 200, 7]);
        for nothing in [&[][..], &[0], &[0, 0], &[0, 0, 0, 0], &[32, 0, 0], &[0x81, 0, 0]] {
            assert_eq!(Input::parse(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn buttons_that_contradict_each_other_lead_nowhere() {
        assert_eq!((Buttons::LEFT | Buttons::UP).direction(), (-1, -1));
        assert_eq!((Buttons::LEFT | Buttons::RIGHT | Buttons::DOWN).direction(), (0, 1));
    }

    proptest! {
        #[test]
        fn what_is_understood_is_written_as_it_was_read(bytes in prop::collection::vec(any::<u8>(), 0..5)) {
            if let Some(input) = Input::parse(&bytes) {
                prop_assert_eq!(input.to_bytes().to_vec(), bytes);
            }
        }
    }
}
