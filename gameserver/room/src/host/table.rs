//! The rooms of a host, by number and by uid. No decisions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Hosted, Order, PLAYERS_PERIOD, Report, RoomNumber};
use crate::{Ending, Epoch, Phase, RoomNow, Tenancy, Tick};

/// All rooms that take up a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rooms: BTreeMap<RoomNumber, Entry>,
    /// Without those that are leaving: their uid may come back before they are gone.
    by_uid: BTreeMap<String, RoomNumber>,
    last_number: u64,
}

/// A room.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) tenancy: Tenancy,
    pub(super) state: State,
}

/// How far a room is.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Its game is being made.
    Opening {
        /// Somebody waits for the answer to its Open.
        is_owed: bool,
        /// It was opened under a later epoch meanwhile, and is to be had from the store under that.
        anew: Option<Box<Anew>>,
    },
    /// It ticks.
    Live(Live),
    /// Its match is over, and its game is gone.
    Finished { players: u32, ending: Arc<Ending>, repeat_at: Duration },
    /// It was closed, and its game is not gone yet.
    Leaving {
        /// `false`: its game is still being made.
        is_made: bool,
        /// Epochs of the Closes that wait for their answer.
        owed: BTreeSet<Epoch>,
    },
}

/// How a room is to be made after what is being made.
#[derive(Clone, Debug)]
pub(super) struct Anew {
    /// Under which it is being made.
    pub(super) before: Epoch,
    pub(super) order: Order,
}

/// A room that ticks, and what the operator was told of it.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) phase: Phase,
    pub(super) players: u32,
    pub(super) told: (Phase, u32),
    pub(super) told_at: Duration,
    /// The tick of the first checkpoint that the store took.
    pub(super) saved: Option<Tick>,
    /// Why it takes none.
    pub(super) failing: Option<String>,
}

impl Live {
    /// Nobody has come yet, and nothing was told.
    pub(super) fn new(now: Duration) -> Self {
        let phase = Phase::Waiting;
        Self { phase, players: 0, told: (phase, 0), told_at: now, saved: None, failing: None }
    }

    /// The report of how it is now.
    pub(super) fn tell(&mut self, tenancy: &Tenancy, now: Duration) -> Report {
        self.told = (self.phase, self.players);
        self.told_at = now;
        let Self { phase, players, saved, .. } = *self;
        Report::RoomState { tenancy: tenancy.clone(), phase, players, checkpoint: saved }
    }
}

impl Entry {
    /// When there is something to be said that was put off.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.state {
            State::Live(live) if live.told != (live.phase, live.players) => {
                Some(live.told_at.saturating_add(PLAYERS_PERIOD))
            }
            State::Finished { repeat_at, .. } => Some(*repeat_at),
            State::Opening { .. } | State::Live(_) | State::Leaving { .. } => None,
        }
    }

    /// As a Welcome has it. What is leaving is not worth mentioning: it was closed.
    pub(super) fn hosted(&self) -> Option<Hosted> {
        let now = match &self.state {
            State::Opening { .. } => RoomNow { phase: Phase::Opening, players: 0, ending: None },
            State::Live(live) => RoomNow { phase: live.phase, players: live.players, ending: None },
            State::Finished { players, ending, .. } => {
                RoomNow { phase: Phase::Finished, players: *players, ending: Some(ending.clone()) }
            }
            State::Leaving { .. } => return None,
        };
        Some(Hosted { tenancy: self.tenancy.clone(), now })
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RoomNumber, &Entry)> {
        self.rooms.iter().map(|(number, entry)| (*number, entry))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (RoomNumber, &mut Entry)> {
        self.rooms.iter_mut().map(|(number, entry)| (*number, entry))
    }

    /// A new room, whose game is to be made, and whether somebody waits for the answer.
    pub(super) fn insert(&mut self, tenancy: Tenancy, is_owed: bool) -> RoomNumber {
        self.last_number += 1;
        let number = RoomNumber(self.last_number);
        self.by_uid.insert(tenancy.uid.clone(), number);
        self.rooms.insert(number, Entry { tenancy, state: State::Opening { is_owed, anew: None } });
        number
    }

    /// The room with this uid, unless it was closed.
    pub(super) fn find(&self, uid: &str) -> Option<(RoomNumber, &Entry)> {
        let number = self.by_uid.get(uid)?;
        Some((*number, self.rooms.get(number)?))
    }

    pub(super) fn get_mut(&mut self, number: RoomNumber) -> Option<&mut Entry> {
        self.rooms.get_mut(&number)
    }

    /// The newest room with this uid that was closed and is not gone yet.
    pub(super) fn leaving(&mut self, uid: &str) -> Option<(&Tenancy, &mut BTreeSet<Epoch>)> {
        self.rooms.values_mut().rev().find_map(|entry| match &mut entry.state {
            State::Leaving { owed, .. } if entry.tenancy.uid == uid => Some((&entry.tenancy, owed)),
            _ => None,
        })
    }

    /// The room was closed: its uid may come back.
    pub(super) fn leave(&mut self, number: RoomNumber, is_made: bool, epoch: Epoch) {
        if let Some(entry) = self.rooms.get_mut(&number) {
            entry.state = State::Leaving { is_made, owed: [epoch].into() };
            self.by_uid.remove(&entry.tenancy.uid);
        }
    }

    /// The room is gone.
    pub(super) fn remove(&mut self, number: RoomNumber) -> Option<Entry> {
        let entry = self.rooms.remove(&number)?;
        if self.by_uid.get(&entry.tenancy.uid) == Some(&number) {
            self.by_uid.remove(&entry.tenancy.uid);
        }
        Some(entry)
    }

    /// Nobody waits for an answer any more: who asked is gone.
    pub(super) fn forget_debts(&mut self) {
        for entry in self.rooms.values_mut() {
            match &mut entry.state {
                State::Opening { is_owed, .. } => *is_owed = false,
                State::Leaving { owed, .. } => owed.clear(),
                State::Live(_) | State::Finished { .. } => (),
            }
        }
    }
}
