//! The avatars of players, and what they do.

use crate::{angle::Aim, input::Buttons, map::Spot};

/// As many inputs of one player count in one tick. Usually it is one; who was not heard for some ticks
/// catches up by two.
pub const GIVEN_MAX: u8 = 2;

/// A player's avatar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Player {
    /// Where it is, or where it was hit.
    pub spot: Spot,
    /// Where it looks.
    pub aim: Aim,
    /// 0: it is out, until `ready_at`.
    pub health: u8,
    /// What counts in the end.
    pub score: u16,
    /// The tick from which it can shoot again or, if it is out, comes back. A tick instead of a countdown,
    /// which would change all the time.
    pub ready_at: u32,
    /// What it did in this tick.
    pub given: Given,
}

/// A player's inputs that counted in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Given {
    /// How many: 0 to 2.
    pub(crate) count: u8,
    /// Of two.
    pub(crate) first: Order,
    /// Of one or two.
    pub(crate) last: Order,
}

/// The part of an input that changes the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// What is pressed.
    pub buttons: Buttons,
    /// Where it looks.
    pub aim: Aim,
}

impl Player {
    /// It is on the map.
    pub fn is_alive(&self) -> bool {
        0 < self.health
    }
}

impl Given {
    /// Adds an input. Says whether there was room for it.
    pub(crate) fn push(&mut self, order: Order) -> bool {
        match self.count {
            0 => self.last = order,
            1 => (self.first, self.last) = (self.last, order),
            _ => return false,
        }
        self.count += 1;
        true
    }

    /// What was done, in order.
    pub fn orders(&self) -> impl Iterator<Item = Order> {
        [self.first, self.last].into_iter().skip(usize::from(GIVEN_MAX.saturating_sub(self.count)))
    }
}
