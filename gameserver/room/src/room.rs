//! One room: a game, and how far it is.

use std::sync::Arc;

use crate::{Afterwards, Checkpoint, Ending, Epoch, Game, Inbound, Messages, Next, Schema, Seat, Tick, Turn};

/// How far a room is. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its game is being made; it does not tick, and nobody can come in.
    Opening,
    /// Open, and no player has come yet.
    Waiting,
    /// Open, and at least one player has come.
    Playing,
    /// Its match is over.
    Finished,
}

/// A game that is played.
pub struct Room {
    game: Box<dyn Game>,
    epoch: Epoch,
    tick: Tick,
    now: RoomNow,
    /// It said that it has nothing to do until something happens.
    is_idle: bool,
    /// What a game that counts for itself had achieved when it was last asked.
    achieved: u64,
}

/// What others may know of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomNow {
    /// How far it is.
    pub phase: Phase,
    /// Players that are there.
    pub players: u32,
    /// When it is finished.
    pub ending: Option<Arc<Ending>>,
}

/// What became of one visit to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// A tick was taken.
    pub ticked: bool,
    /// For the sign of life: how much progress was made.
    pub progress: u64,
}

impl Room {
    /// A room whose game is new.
    pub fn new(epoch: Epoch, game: Box<dyn Game>) -> Self {
        let now = RoomNow { phase: Phase::Waiting, players: 0, ending: None };
        Self { game, epoch, tick: Tick::default(), now, is_idle: false, achieved: 0 }
    }

    /// A room whose game was restored after this tick. `has_begun`: at least one player had come; `players`: so many
    /// are there, as far as the game knows.
    pub fn restored(epoch: Epoch, tick: Tick, has_begun: bool, players: u32, game: Box<dyn Game>) -> Self {
        let phase = if has_begun { Phase::Playing } else { Phase::Waiting };
        let now = RoomNow { phase, players, ending: None };
        Self { game, epoch, tick, now, is_idle: false, achieved: 0 }
    }

    /// The tenancy under which it is here.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Goes on under another tenancy. A lower one changes nothing.
    pub fn adopt(&mut self, epoch: Epoch) {
        self.epoch = self.epoch.max(epoch);
    }

    /// The number of the last tick.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// How far it is.
    pub fn now(&self) -> &RoomNow {
        &self.now
    }

    /// Takes a tick, when it is due: who came and went first, then the game's own step. A game that has said
    /// that it waits is left alone if nothing happened. After the end, nothing happens any more.
    pub fn advance(&mut self, inbound: &mut Inbound) -> Advance {
        if self.now.phase == Phase::Finished {
            return Advance { ticked: false, progress: 0 };
        }
        let ticked = !self.is_idle || !inbound.is_empty();
        if ticked {
            self.welcome(inbound);
            self.tick.0 += 1;
            let Inbound { inputs, messages, .. } = &*inbound;
            let turn = Turn { tick: self.tick, epoch: self.epoch, inputs, messages };
            match self.game.tick(&turn) {
                Next::Tick => self.is_idle = false,
                Next::Wait => self.is_idle = true,
                Next::End(ending) => {
                    let ending = Some(Arc::new(ending));
                    self.now = RoomNow { phase: Phase::Finished, ending, ..self.now };
                }
            }
        }
        Advance { ticked, progress: self.look() }
    }

    /// The progress that was made since the last time, for a look at the room while no tick is due.
    pub fn look(&mut self) -> u64 {
        // Somebody looked, and nothing was to be done: that is progress too.
        let Some(achieved) = self.game.progress() else { return 1 };
        // A count that falls is none, and must not spoil the sum of all rooms.
        let progress = achieved.saturating_sub(self.achieved);
        self.achieved = achieved.max(self.achieved);
        progress
    }

    /// Writes what the player on this seat, or a spectator, may see now; over what `out` had.
    pub fn snapshot(&self, seat: Option<Seat>, out: &mut Vec<u8>) {
        out.clear();
        self.game.snapshot(seat, out);
    }

    /// What the last tick has to tell for certain.
    pub fn messages(&mut self, out: &mut Messages) {
        out.clear();
        self.game.messages(out);
    }

    /// Its saved state, if its game can be saved. `schema` is the maker's.
    pub fn checkpoint(&self, schema: Schema) -> Option<Checkpoint> {
        Some(Checkpoint { schema, tick: self.tick, epoch: self.epoch, state: self.game.save()? })
    }

    fn welcome(&mut self, inbound: &mut Inbound) {
        for (seat, player) in &inbound.arrived {
            self.now.players += 1;
            self.now.phase = Phase::Playing;
            self.game.join(*seat, player);
        }
        for seat in &inbound.left {
            self.now.players = self.now.players.saturating_sub(1);
            if self.game.leave(*seat) == Afterwards::Freed {
                inbound.freed.push(*seat);
            }
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { game: _, epoch, tick, now, is_idle, achieved: _ } = self;
        f.debug_struct("Room")
            .field("epoch", epoch)
            .field("tick", tick)
            .field("now", now)
            .field("is_idle", is_idle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
