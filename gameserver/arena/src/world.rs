//! The state of a match, all of which is shown to everybody: from it and from what the players do, the next
//! state follows.

mod account;
mod player;
mod step;

use crate::{
    map::Map,
    random::Random,
    settings::{SEATS_MAX, Settings},
};

pub use account::{Account, Checkpoint};
pub use player::{GIVEN_MAX, Given, Order, Player};

/// A player's health when it comes onto the map.
pub const HEALTH: u8 = 100;

/// With armour.
pub const HEALTH_MAX: u8 = 150;

/// Things that lie around: enough for 16 players to have something near, few enough to be wanted.
pub const PICK_UPS: usize = 9;

/// Every so many ticks, the hash of the state is shown: once a second.
pub const CHECKPOINT_EVERY: u32 = 30;

/// How long one sees a shot.
const FADES_TICKS: u32 = 3;

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
        let shot_at = |it: &Player| it.ready_at.checked_sub(step::COOLDOWN).filter(|_| it.is_alive());
        let is_fresh =
            move |it: &Player| shot_at(it).is_some_and(|at| self.tick.saturating_sub(at) < FADES_TICKS);
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

#[cfg(test)]
mod tests;
