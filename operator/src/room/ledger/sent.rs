//! To whom a room was sent since its players were last told where it is: each of those may have it, heard or not.

use std::collections::BTreeMap;

use super::{Ledger, servers::ServerEntry};
use crate::{room::ServerState, server::suspicion::Verdict, terms::Epoch};

/// So many servers are remembered by name. Each is one that was lost on the way, and a room is not sent so often before
/// somebody publishes it or refuses it.
const NAMED_MAX: usize = 8;

/// Where a room may be although nobody was told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// Servers by the epochs under which it was sent to them, if they have not refused it.
    to: BTreeMap<Epoch, String>,
    /// The latest epoch under which it was sent to more than can be remembered.
    unnamed: Option<Epoch>,
}

impl Sent {
    /// It is on its way to this server.
    pub(super) fn goes_to(&mut self, server_uid: &str, epoch: Epoch) {
        if NAMED_MAX <= self.to.len() {
            self.unnamed = Some(epoch);
        } else {
            self.to.insert(epoch, server_uid.to_owned());
        }
    }

    /// Who was sent it under this epoch does not have it, and never will under that.
    pub(super) fn refused(&mut self, epoch: Epoch) {
        self.to.remove(&epoch);
    }

    /// Its players were told of the owner with this epoch. Who has it under a lower one is refused by the store.
    pub(super) fn published(&mut self, epoch: Epoch) {
        self.to.retain(|it, _| epoch < *it);
        self.unnamed = self.unnamed.filter(|it| epoch < *it);
    }

    /// Whether it was sent to somebody under a later epoch than this.
    pub(super) fn is_later_than(&self, epoch: Epoch) -> bool {
        self.to.keys().copied().chain(self.unnamed).any(|it| epoch < it)
    }

    /// The latest epoch under which it was sent to this server.
    pub(super) fn latest_to(&self, server_uid: &str) -> Option<Epoch> {
        self.to.iter().rev().find(|(_, it)| *it == server_uid).map(|(epoch, _)| *epoch)
    }

    fn is_empty(&self) -> bool {
        self.to.is_empty() && self.unnamed.is_none()
    }
}

impl ServerEntry {
    /// Whether its process has ended.
    fn has_ended(&self) -> bool {
        matches!(self.view.state, ServerState::Ended(_)) || self.verdict == Some(Verdict::Proven)
    }

    /// Whether it would have told us of the room, if it had it.
    fn is_without(&self, room_uid: &str) -> bool {
        let spoken = self.link.as_ref().filter(|it| it.is_up && self.verdict.is_none());
        spoken.is_some_and(|it| !it.guests.contains_key(room_uid))
    }
}

impl Ledger {
    /// Whether nobody can play a room but the owner that players were told of: whoever was sent it since, by us or by a
    /// leader before us, has refused it or has ended. (Whether that owner has ended is another question.)
    pub(super) fn is_nowhere_else(&self, room_uid: &str) -> bool {
        let Some(entry) = self.tables.room(room_uid) else { return false };
        let has_ended = |it: &String| self.tables.server_entry(it).is_some_and(ServerEntry::has_ended);
        let is_free_of_ours = entry.sent.unnamed.is_none() && entry.sent.to.values().all(has_ended);
        is_free_of_ours && self.is_free_of_earlier_leaders(room_uid)
    }

    /// Whether nobody can have owned a room after the owner that players were told of: it was sent nowhere since.
    pub(super) fn has_ended_for_certain(&self, room_uid: &str) -> bool {
        let is_sent = self.tables.room(room_uid).is_none_or(|it| !it.sent.is_empty());
        !is_sent && self.is_free_of_earlier_leaders(room_uid)
    }

    /// Whether no leader before us can have sent the room to somebody who may have it, since its players were told of its
    /// owner.
    fn is_free_of_earlier_leaders(&self, room_uid: &str) -> bool {
        let Some(entry) = self.tables.room(room_uid) else { return false };
        let status = entry.room.status.as_ref();
        let owner = status.and_then(|it| it.server.as_ref()).map(|it| it.pod_uid.as_str());
        let is_free = |it: &ServerEntry| {
            let may_have_it = it.view.is_controlled && owner != Some(it.view.uid.as_str());
            !may_have_it || it.has_ended() || it.is_without(room_uid)
        };
        let epoch = Epoch(status.map_or(0, |it| it.epoch));
        epoch.term() == self.term || self.tables.servers_of(&entry.fleet).all(is_free)
    }
}
