//! The state of a match, all of which is shown to everybody: from it and from what the players do, the next
//! state follows.

mod step;

use crate::{
    angle::Aim,
    input::Buttons,
    map::{Map, Spot},
    random::Random,
    settings::{SEATS_MAX, Settings},
};

/// As many inputs of one player count in one tick. Usually it is one; who was not heard for some ticks
/// catches up by two.
pub const GIVEN_MAX: u8 = 2;

/// A player's health when it comes onto the map.
pub const HEALTH: u8 = 100;

/// With armour.
pub const HEALTH_MAX: u8 = 150;

/// Things that lie around: enough for 16 players to have something near, few enough to be wanted.
pub const PICK_UPS: usize = 9;

/// Every so many ticks, the hash of the state is shown: once a second.
pub const CHECKPOINT_EVERY: u32 = 30;

/// Of every seat there can be; seats that the room does not have stay empty. An array, so that a tick needs
/// no memory but this.
pub type BySeat<T> = [T; SEATS_MAX as usize];

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    pub(crate) map: Map,
    pub(crate) seats: u8,
    pub(crate) length: u32,
    pub(crate) score_limit: u16,
    pub(crate) tick: u32,
    /// 0: nobody has come yet.
    pub(crate) ends_at: u32,
    /// A bit for each seat that ever had a player.
    pub(crate) seated: u32,
    /// A bit for each seat whose player is there.
    pub(crate) present: u32,
    pub(crate) random: Random,
    pub(crate) pick_ups: [PickUp; PICK_UPS],
    pub(crate) players: BySeat<Player>,
    /// As of the last checkpoint: if they were always of now, five bytes of each player would change in every
    /// tick.
    pub(crate) accounts: BySeat<Account>,
    pub(crate) checkpoint: Checkpoint,
}

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

/// What became of a player's inputs since it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// How many counted.
    pub applied: u32,
    /// How many were dropped, because more came than a player may do. Stays at its maximum.
    pub dropped: u16,
    /// Of those that counted, in their order.
    pub digest: u32,
}

/// The hash of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// After which it was taken. 0: none was yet.
    pub tick: u32,
    /// See [`World::hash`].
    pub hash: [u8; 8],
}

/// Something that lies around, or will again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PickUp {
    /// Where.
    pub(crate) tile: (u8, u8),
    /// 0: it is there. Else it comes back in that tick, elsewhere.
    pub(crate) back_at: u32,
}

/// What a pick-up is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Heals.
    Medkit,
    /// Makes for more health than one has.
    Armour,
    /// Is worth a score.
    Star,
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

impl World {
    /// A match in which nothing has happened yet.
    pub fn new(settings: &Settings) -> Self {
        let mut random = Random::new(settings.seed);
        let pick_ups =
            [(); PICK_UPS].map(|()| PickUp { tile: step::drawn(settings.map, &mut random), back_at: 0 });
        Self {
            map: settings.map,
            seats: settings.seats,
            length: settings.length_ticks,
            score_limit: settings.score_limit,
            tick: 0,
            ends_at: 0,
            seated: 0,
            present: 0,
            random,
            pick_ups,
            players: BySeat::default(),
            accounts: BySeat::default(),
            checkpoint: Checkpoint::default(),
        }
    }

    /// A player comes, for the first time or again. Its avatar appears with the next step.
    pub fn join(&mut self, seat: u8) {
        let bit = self.bit(seat);
        if bit == 0 || self.present & bit != 0 {
            return;
        }
        self.present |= bit;
        self.seated |= bit;
        // Who comes starts counting anew: it may be another program that knows nothing of the inputs before.
        if let Some(account) = self.accounts.get_mut(usize::from(seat)) {
            *account = Account::default();
        }
        // The clock does not run for an empty room.
        if self.ends_at == 0 {
            self.ends_at = self.tick.saturating_add(self.length);
        }
    }

    /// A player goes. Its avatar stays, and does nothing.
    pub fn leave(&mut self, seat: u8) {
        self.present &= !self.bit(seat);
    }

    /// The last step that was taken, from 1.
    pub fn tick(&self) -> u32 {
        self.tick
    }

    /// The ticks that are left to play.
    pub fn remaining_ticks(&self) -> u32 {
        match self.ends_at {
            0 => self.length,
            ends_at => ends_at.saturating_sub(self.tick),
        }
    }

    /// All ticks of a match, if nobody wins before.
    pub fn length_ticks(&self) -> u32 {
        self.length
    }

    /// Time is over, or somebody has reached the limit.
    pub fn is_over(&self) -> bool {
        let is_won = |it: &Player| self.score_limit != 0 && self.score_limit <= it.score;
        self.ends_at != 0 && (self.ends_at <= self.tick || self.players.iter().any(is_won))
    }

    /// Who leads, and who has won when it is over: by score, then by seat.
    pub fn winner(&self) -> Option<u8> {
        self.ranking().next()
    }

    /// The seats that ever had a player, the best first.
    pub fn ranking(&self) -> impl Iterator<Item = u8> + use<> {
        let mut seats: BySeat<(u16, u8)> = BySeat::default();
        let mut count = 0;
        for ((seat, player), place) in self.players().zip(&mut seats) {
            // The best comes first, and the first seat before the others.
            *place = (u16::MAX - player.score, seat);
            count += 1;
        }
        if let Some(some) = seats.get_mut(..count) {
            some.sort_unstable();
        }
        seats.into_iter().take(count).map(|(_, seat)| seat)
    }

    /// The avatars of all who ever came.
    pub fn players(&self) -> impl Iterator<Item = (u8, &Player)> {
        (0..self.seats).zip(&self.players).filter(|(seat, _)| self.seated & self.bit(*seat) != 0)
    }

    /// The avatar of this seat, if it ever had a player.
    pub fn player(&self, seat: u8) -> Option<&Player> {
        let is_seated = self.seated & self.bit(seat) != 0;
        self.players.get(usize::from(seat)).filter(|_| is_seated)
    }

    /// The player on this seat is there.
    pub fn is_present(&self, seat: u8) -> bool {
        self.present & self.bit(seat) != 0
    }

    /// The shots of this tick and the few before it that have not faded yet, each with how far it went.
    pub fn shots(&self) -> impl Iterator<Item = (u8, &Player, i32)> {
        let is_fresh =
            |it: &Player| it.is_alive() && self.tick < it.ready_at.saturating_sub(step::COOLDOWN) + 3;
        self.players()
            .filter(move |(_, it)| is_fresh(it))
            .map(|(seat, it)| (seat, it, self.map.reach(it.spot, it.aim)))
    }

    /// What lies around: where, and what.
    pub fn pick_ups(&self) -> impl Iterator<Item = ((u16, u16), Kind)> {
        let there = self.pick_ups.iter().enumerate().filter(|(_, it)| it.back_at == 0);
        there.map(|(index, it)| ((it.tile.0.into(), it.tile.1.into()), Kind::of(index)))
    }

    /// Where it takes place.
    pub fn map(&self) -> Map {
        self.map
    }

    /// How many may take part.
    pub fn seats(&self) -> u8 {
        self.seats
    }

    /// The last one.
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// What became of this seat's inputs, as of the last checkpoint.
    pub fn account(&self, seat: u8) -> Account {
        self.accounts.get(usize::from(seat)).copied().unwrap_or_default()
    }

    /// The hash is due after this tick. After the last one too, so that nothing is left unchecked.
    pub fn is_checkpoint(&self) -> bool {
        self.tick.is_multiple_of(CHECKPOINT_EVERY) || self.is_over()
    }

    /// Takes down the hash, and then what became of the inputs. In this order, because who has seen the tick
    /// before can compute the hash, but not what others sent.
    pub fn seal(&mut self, accounts: &BySeat<Account>) {
        self.checkpoint = Checkpoint { tick: self.tick, hash: self.hash() };
        self.accounts = *accounts;
    }

    /// The seat's bit. None for a seat that the room does not have.
    fn bit(&self, seat: u8) -> u32 {
        if seat < self.seats { 1_u32.checked_shl(seat.into()).unwrap_or(0) } else { 0 }
    }
}

impl Player {
    /// It is on the map.
    pub fn is_alive(&self) -> bool {
        0 < self.health
    }
}

impl Kind {
    /// Each place has its kind, so that there are always some of each.
    pub(crate) fn of(index: usize) -> Self {
        match index % 3 {
            0 => Self::Star,
            1 => Self::Medkit,
            _ => Self::Armour,
        }
    }
}

impl Account {
    /// One more input counted: FNV-1a over its bytes, which notices what is missing, doubled or swapped.
    pub(crate) fn apply(&mut self, bytes: [u8; 3]) {
        self.applied = self.applied.wrapping_add(1);
        for byte in bytes {
            self.digest = (self.digest ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        // A digest of zeroes would not notice more of them.
        self.digest = self.digest.wrapping_add(0x811c_9dc5);
    }
}

#[cfg(test)]
mod tests;
