//! What is kept of a room that lost its server, for where it goes next; and rooms that take their servers down.

use std::time::Duration;

use gamekeeper_crds::room::Recovery;
use tokio::time::Instant;

use super::{
    Command, Ledger,
    tables::{RoomEntry, Tables},
};
use crate::{
    clock::Now,
    room::{
        placement::Origin,
        status::{self, How},
    },
};

/// A server that crashes or hangs so soon after a room was placed on it again may have been taken down by the room: what a
/// restored state breaks, it breaks at once.
const TRIAL: Duration = Duration::from_secs(10);

/// So often in a row a room may lose its server so soon; then it is not placed again. The last time is a crash.
const LOSSES_MAX: i32 = 2;

/// Where a room was when its server was lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    node: Option<String>,
    /// Where its players were told to go.
    fallbacks: Vec<String>,
    /// Where copies of its rooms are.
    standby: Option<String>,
    /// How many they were.
    players: i32,
}

/// How much a room is suspected of taking its servers down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trial {
    losses: i32,
    placed_again_at: Option<Instant>,
}

impl RoomEntry {
    /// It has not lost its server after all, and its status says how much it was suspected before.
    pub(super) fn keep_server(&mut self) {
        let Some(Trial { placed_again_at, .. }) = self.before_loss else { return };
        (self.losses, self.placed_again_at) = (None, placed_again_at);
    }

    /// How many of its servers it took down in a row, if it stays where it is: what is past is forgotten.
    pub(super) fn losses_if_kept(&self, now: Instant) -> i32 {
        let trial = self.before_loss.unwrap_or_else(|| self.trial());
        if trial.is_on(now) { trial.losses } else { 0 }
    }

    /// How many players it had, when it lost its server.
    pub(super) fn lost_players(&self) -> i32 {
        self.lost.as_ref().map_or(0, |it| it.players)
    }

    /// Whether it had a server before.
    pub(super) fn is_recovering(&self) -> bool {
        self.room.status.as_ref().is_some_and(|it| 0 < it.epoch)
    }

    /// How many of its servers crashed or hung in a row, each soon after it came there.
    pub(super) fn losses_in_a_row(&self) -> i32 {
        let written = self.room.status.as_ref().map_or(0, |it| it.losses_in_a_row);
        self.losses.unwrap_or(written)
    }

    /// Whether it was placed again not long ago.
    pub(super) fn is_on_trial(&self, now: Instant) -> bool {
        self.trial().is_on(now)
    }

    fn trial(&self) -> Trial {
        Trial { losses: self.losses_in_a_row(), placed_again_at: self.placed_again_at }
    }
}

impl Trial {
    fn is_on(&self, now: Instant) -> bool {
        self.placed_again_at.is_some_and(|it| now < it + TRIAL)
    }
}

impl Tables {
    /// Keeps of a server what its rooms need when it is lost: later it may not be known any more.
    pub(super) fn keep_origin(&mut self, server_uid: &str) {
        let Some(server) = self.servers.get(server_uid) else { return };
        let (node, fallbacks) = (server.view.node.clone(), server.fallbacks.clone());
        let standby = server.standby.clone();
        for uid in self.published_on.get(server_uid).into_iter().flatten() {
            let Some(entry) = self.rooms.get_mut(uid) else { continue };
            let players = entry.room.status.as_ref().map_or(0, |it| it.players);
            let (node, fallbacks, standby) = (node.clone(), fallbacks.clone(), standby.clone());
            entry.lost = Some(Lost { node, fallbacks, standby, players });
        }
    }

    /// A room has lost its server.
    pub(super) fn lose(&mut self, uid: &str, how: How, now: Instant) {
        let named = self.rooms.get(uid).and_then(|it| it.room.status.as_ref()?.server.clone());
        if let Some(server) = named.filter(|it| self.servers.contains_key(&it.pod_uid)) {
            self.keep_origin(&server.pod_uid);
        }
        let has_store = |it: &RoomEntry| self.fleet(&it.fleet).is_some_and(|it| it.has_store);
        // What begins afresh brings nothing that could take a server down again.
        let is_restored = |it: &RoomEntry| it.room.spec.recovery == Recovery::Restore && has_store(it);
        let is_restored = self.rooms.get(uid).is_some_and(is_restored);
        let Some(entry) = self.rooms.get_mut(uid) else { return };
        // Not those that an earlier leader placed: how long they have lived is not known, and the innocent go free.
        let is_suspect = is_restored && entry.is_on_trial(now);
        entry.before_loss = Some(entry.trial());
        let losses = entry.losses_in_a_row() + 1;
        entry.losses = Some(match how {
            How::Exited(_) | How::Refused if is_suspect => losses,
            // Never the one after which it is over: a server that hangs may live, and a match that is over is not played (I3).
            How::Hung if is_suspect => losses.min(LOSSES_MAX - 1),
            _ => 0,
        });
        entry.placed_again_at = None;
        self.note_suspect(uid);
    }

    /// Where a room was lost, as far as anybody knows.
    pub(super) fn origin<'a>(&'a self, entry: &'a RoomEntry) -> Option<Origin<'a>> {
        if !entry.is_recovering() {
            return None;
        }
        if let Some(lost) = &entry.lost {
            return Some(Origin {
                node: lost.node.as_deref(),
                fallbacks: &lost.fallbacks,
                standby: lost.standby.as_deref(),
            });
        }
        let server = entry.room.status.as_ref()?.server.as_ref()?;
        let node = self.servers.get(&server.pod_uid)?.view.node.as_deref();
        Some(Origin { node, fallbacks: &[], standby: None })
    }

    /// Notes whether a room may take its server down.
    pub(super) fn note_suspect(&mut self, uid: &str) {
        match self.rooms.get(uid).is_some_and(|it| 0 < it.losses_in_a_row()) {
            true => self.poisonous.insert(uid.to_owned()),
            false => self.poisonous.remove(uid),
        };
    }

    /// How many of these rooms may take their server down.
    pub(super) fn suspects_among<'a>(&self, rooms: impl Iterator<Item = &'a String>) -> usize {
        // As a rule there is none, and nobody has to look at thousands of rooms.
        if self.poisonous.is_empty() { 0 } else { rooms.filter(|it| self.poisonous.contains(*it)).count() }
    }
}

impl Ledger {
    /// Ends a room that has taken too many servers down. Returns whether that was to be done.
    pub(super) fn end_poisoned(&mut self, uid: &str, now: Now, commands: &mut Vec<Command>) -> bool {
        let Some(entry) = self.tables.room(uid).filter(|it| LOSSES_MAX <= it.losses_in_a_row()) else {
            return false;
        };
        let room = entry.room.clone();
        let status = Box::new(status::poisoned(&room, entry.losses_in_a_row(), now.wall));
        self.tables.busy(uid);
        commands.push(Command::WriteStatus { room, status, is_urgent: true });
        true
    }
}
