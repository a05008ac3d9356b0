//! Controlled servers that are lost although their pods stand: what the suspicions found, and what follows for rooms.

use std::collections::BTreeSet;

use gamekeeper_control::Feature;
use gamekeeper_crds::room::Phase;

use super::{
    Ledger,
    servers::{Link, ServerEntry},
    tables::{RoomEntry, Tables},
};
use crate::{
    room::{ServerState, status::How},
    server::suspicion::Verdict,
    terms::Epoch,
};

/// Witnesses that are asked at once: one may be mistaken.
const WITNESSES: usize = 2;

/// A tenancy that is over whatever its server says later: the room was sent elsewhere, and may have been taken over
/// in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenUp {
    pub(super) server: String,
    pub(super) epoch: Epoch,
    pub(super) how: How,
}

impl RoomEntry {
    /// Whether its loss of this server was not written down yet, nor was it sent elsewhere since.
    fn is_still_on(&self, server: &ServerEntry) -> bool {
        let status = self.room.status.as_ref().filter(|it| it.phase == Phase::Running);
        let named = status.filter(|it| it.server.as_ref().is_some_and(|it| it.pod_uid == server.view.uid));
        named.is_some_and(|it| self.gave_up(server, Epoch(it.epoch)).is_none())
    }

    /// Whether it was sent elsewhere from this tenancy.
    pub(super) fn gave_up(&self, server: &ServerEntry, epoch: Epoch) -> Option<How> {
        let given_up = self.given_up.as_ref()?;
        (given_up.server == server.view.uid && given_up.epoch == epoch).then_some(given_up.how)
    }
}

impl Tables {
    /// Takes in that a server is lost. Returns the rooms that were on their way to it.
    pub(super) fn server_lost(&mut self, uid: &str, verdict: Verdict) -> BTreeSet<String> {
        self.not_cut_off(uid);
        let Some(entry) = self.servers.get_mut(uid).filter(|it| it.view.is_controlled) else {
            return BTreeSet::new();
        };
        entry.verdict = Some(verdict);
        entry.is_retiring = false;
        let promised = std::mem::take(&mut entry.promised);
        self.server_matters(uid);
        promised
    }

    /// Takes in that a server which was lost, or out of our reach, is heard again.
    pub(super) fn server_back(&mut self, uid: &str) {
        let was_cut_off = self.not_cut_off(uid).is_some();
        let Some(entry) = self.servers.get_mut(uid) else { return };
        if entry.verdict.take().is_none() && !was_cut_off {
            return;
        }
        // Its next loss is another one.
        let name = entry.view.pod_name.clone();
        let entry = &*entry;
        let mut kept = BTreeSet::new();
        for room_uid in entry.rooms().chain(self.published_on.get(uid).into_iter().flatten()) {
            let Some(room) = self.rooms.get_mut(room_uid) else { continue };
            if room.told.as_ref() == Some(&name) {
                room.told = None;
            }
            if room.is_still_on(entry) {
                room.keep_server();
                kept.insert(room_uid.clone());
            }
        }
        kept.iter().for_each(|it| self.note_suspect(it));
        self.server_matters(uid);
    }

    /// Its rooms, and those that are published on it, are looked at again.
    fn server_matters(&mut self, uid: &str) {
        let Some(entry) = self.servers.get(uid) else { return };
        self.due.extend(entry.rooms().filter(|it| self.rooms.contains_key(*it)).cloned());
        self.due.extend(self.published_on.get(uid).into_iter().flatten().cloned());
        self.changed.insert(entry.view.fleet.clone());
    }

    /// How the server is lost, as far as its rooms may be recovered for it (I7): without a store nobody keeps an old
    /// owner from playing on, so only a proof will do.
    pub(super) fn loss(&self, entry: &ServerEntry) -> Option<How> {
        let how = match entry.verdict? {
            Verdict::Proven => How::Refused,
            Verdict::Hang => How::Hung,
            Verdict::Presumed => How::Silent,
        };
        let has_store = || self.fleet(&entry.view.fleet).is_some_and(|it| it.has_store);
        (how.is_proven() || (has_store() && self.restores(entry))).then_some(how)
    }

    /// How the server on which the room is published is lost.
    pub(super) fn published_loss(&self, room: &RoomEntry, entry: &ServerEntry) -> Option<How> {
        let epoch = room.room.status.as_ref().map(|it| Epoch(it.epoch))?;
        room.gave_up(entry, epoch).or_else(|| self.loss(entry))
    }

    /// The room is on its way elsewhere: its tenancy on a server that is only believed to be lost ends with that.
    pub(super) fn give_up(&mut self, room_uid: &str) {
        let Some(room) = self.rooms.get(room_uid) else { return };
        let Some(status) = room.room.status.as_ref() else { return };
        let Some(entry) = status.server.as_ref().and_then(|it| self.servers.get(&it.pod_uid)) else { return };
        let Some(how) = self.published_loss(room, entry) else { return };
        let epoch = Epoch(status.epoch);
        let given_up = GivenUp { server: entry.view.uid.clone(), epoch, how };
        if let Some(room) = self.rooms.get_mut(room_uid) {
            room.given_up = Some(given_up);
        }
    }

    /// Whether a server restores rooms, and so keeps to the store's word. Of one that we never heard, others of its build
    /// know.
    pub(super) fn restores(&self, entry: &ServerEntry) -> bool {
        match &entry.link {
            Some(link) => link.restores(),
            None => self
                .servers_of(&entry.view.fleet)
                .filter(|it| it.view.revision == entry.view.revision)
                .any(|it| it.link.as_ref().is_some_and(Link::restores)),
        }
    }
}

impl Ledger {
    /// Whether players were told that their room is on this server.
    pub fn is_published_on(&self, server_uid: &str) -> bool {
        self.tables.published_on.contains_key(server_uid)
    }

    /// Servers on other nodes than `node` that may try to reach somebody for us.
    pub fn witnesses(&self, node: &str) -> Vec<String> {
        let mut nodes = BTreeSet::from([node]);
        let mut witnesses = Vec::new();
        for entry in self.tables.servers.values() {
            let offers = entry.is_offering(Feature::Witness);
            if !offers || entry.view.state != ServerState::Ready || entry.verdict.is_some() {
                continue;
            }
            // Of different nodes: they see different parts of the network.
            if entry.view.node.as_deref().is_some_and(|it| nodes.insert(it)) {
                witnesses.push(entry.view.uid.clone());
                if witnesses.len() == WITNESSES {
                    break;
                }
            }
        }
        witnesses
    }
}
