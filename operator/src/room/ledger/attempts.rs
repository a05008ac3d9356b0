//! Rooms of a server that others reach and we do not. Whether it plays them, only the store can tell: so another server is
//! asked to take them if the store does not hear their owner either, and nothing changes until one was taken (I7, I8).
//!
//! An owner freezes when it has had neither an echo of ours nor a word of the store for the fence's time, by what it
//! *sent*. We ask when there was no stream to it for as long, over which an echo could have gone; those of leaders before
//! us ended with their leases. The store decides for itself. So nobody ticks who loses a room like this.

use std::{sync::Arc, time::Duration};

use gamekeeper_control::{Feature, RefusedWhy, Restore, limits};
use gamekeeper_crds::{GameRoom, room::Recovery};
use tokio::time::Instant;

use super::{
    Command, FleetView, Ledger,
    losses::GivenUp,
    servers::ServerEntry,
    tables::{RoomEntry, Tables},
};
use crate::{
    backoff::Backoff,
    clock::Now,
    room::{
        status::{How, Loss},
        tenancy::Fate,
    },
    terms::Epoch,
};

/// Between questions about one server, as long as the store hears it: that may be so for days, and each costs the store a
/// call and another server a place for a moment. A match that the store loses sight of later stands still for as long.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), ceiling: Duration::from_secs(5) };

/// A server that others reach and we do not.
#[derive(Clone, Debug)]
pub(super) struct CutOff {
    since: Instant,
    noticed: Instant,
    /// Since when there is no stream to it, as far as we know for certain.
    unlinked_since: Option<Instant>,
    /// Questions since the last that the store answered with a room.
    attempts: u32,
    again_at: Option<Instant>,
    /// The room that was asked for last: one of the others is next.
    last: String,
    /// The store has given one of its rooms away.
    is_confirmed: bool,
    /// People were told of that.
    was_told: bool,
}

/// A room was sent to a server that is to have it only if its owner is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Under which it was sent.
    epoch: Epoch,
    /// Where players were told that it is, and under which epoch.
    owner: String,
    owner_epoch: Epoch,
}

/// A room was taken from an owner that neither we nor the store heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub room: Arc<GameRoom>,
    /// The pod of the server that has it now.
    pub server: String,
    pub epoch: Epoch,
    /// It is the first of its server's: now it is certain that this one is lost.
    pub confirms: Option<Confirmed>,
}

/// A server that is lost to us and to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    pub server_uid: String,
    /// The last sign of its life came then, or before.
    pub since: Instant,
    /// When it was suspected.
    pub noticed: Instant,
}

impl CutOff {
    /// Whether the store has given one of its rooms away.
    pub(super) fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }
}

impl Attempt {
    /// Whether players were told of this epoch when it was made.
    pub(super) fn is_of(&self, owner_epoch: Epoch) -> bool {
        self.owner_epoch == owner_epoch
    }
}

impl Tables {
    /// Takes in that others reach a server, and we do not.
    pub(super) fn cut_off(&mut self, uid: &str, since: Instant, noticed: Instant, now: Instant) {
        let Some(entry) = self.servers.get_mut(uid).filter(|it| it.view.is_controlled) else { return };
        let has_link = entry.is_linked();
        entry.cut_off = Some(CutOff {
            since,
            noticed,
            unlinked_since: (!has_link).then_some(now),
            attempts: 0,
            again_at: None,
            last: String::new(),
            is_confirmed: false,
            was_told: false,
        });
        self.cut_off.insert(uid.to_owned());
    }

    /// Takes in that there is no stream to a server any more.
    pub(super) fn unlinked(&mut self, uid: &str, now: Instant) {
        if let Some(cut_off) = self.servers.get_mut(uid).and_then(|it| it.cut_off.as_mut()) {
            cut_off.unlinked_since.get_or_insert(now);
        }
    }

    /// It is heard again, lost otherwise, or no more.
    pub(super) fn not_cut_off(&mut self, uid: &str) -> Option<CutOff> {
        self.cut_off.remove(uid);
        self.servers.get_mut(uid)?.cut_off.take()
    }

    /// Whether what a server had does not count any more: it is lost, or the store has given its rooms away.
    pub(super) fn is_left(&self, entry: &ServerEntry) -> bool {
        self.loss(entry).is_some() || self.is_bereft(entry)
    }

    /// Whether all that players were told to find on this server is elsewhere by the store's word.
    fn is_bereft(&self, entry: &ServerEntry) -> bool {
        let is_confirmed = entry.cut_off.as_ref().is_some_and(CutOff::is_confirmed);
        is_confirmed && !self.published_on.contains_key(&entry.view.uid)
    }

    /// When the store may be asked for rooms of this server, if ever: without a store, or where the server does not heed
    /// it, nobody keeps an owner from playing on.
    fn may_ask_at(&self, entry: &ServerEntry) -> Option<Instant> {
        let CutOff { unlinked_since, again_at, .. } = entry.cut_off.as_ref()?;
        let fleet = self.fleet(&entry.view.fleet).filter(|it| it.is_ours && it.is_open)?;
        let silence = silence_of(fleet).filter(|_| self.restores(entry) && entry.view.is_alive())?;
        Some((*unlinked_since)?.checked_add(silence)?.max(again_at.unwrap_or((*unlinked_since)?)))
    }

    /// Rooms that players were told are on this server, and that can be restored elsewhere; whose turn it is first.
    fn rooms_to_ask_for(&self, entry: &ServerEntry) -> Vec<String> {
        let is_to_be = |it: &&String| {
            self.rooms.get(*it).is_some_and(|it| {
                let is_wanted = it.room.metadata.deletion_timestamp.is_none() && self.is_ours(it);
                // What was given up already waits for its place, or for its status.
                let is_here = self.published_loss(it, entry).is_none();
                // What begins afresh asks no store, and would be played twice.
                is_wanted && is_here && !it.is_busy && it.room.spec.recovery == Recovery::Restore
            })
        };
        let published = self.published_on.get(&entry.view.uid).into_iter().flatten();
        let mut rooms: Vec<String> = published.filter(is_to_be).cloned().collect();
        let next = entry.cut_off.as_ref().map_or(0, |it| rooms.partition_point(|room| *room <= it.last));
        let next = next.min(rooms.len());
        rooms.rotate_left(next);
        rooms
    }

    /// A server that has the room under an epoch above that of its status, by an earlier leader's order.
    fn later_owner(&self, room: &RoomEntry) -> Option<String> {
        let epoch = Epoch(room.room.status.as_ref()?.epoch);
        let later = self.tenancies_of(&room.uid).filter(|it| epoch < it.epoch && it.is_reachable);
        let owner = later.filter(|it| !matches!(it.fate(), Fate::Lost(_))).max_by_key(|it| it.epoch)?;
        // Who has a room goes on under a new epoch without a question: not if it was sent to somebody else since.
        if room.sent.is_later_than(owner.epoch) {
            return None;
        }
        self.servers.get(&owner.server.uid).filter(|it| asks_first(it)).map(|it| it.view.uid.clone())
    }
}

impl Ledger {
    /// Asks for rooms of servers that others reach and we do not, as far as it is time.
    pub(super) fn attempt_recoveries(&mut self, now: Now, commands: &mut Vec<Command>) {
        let servers: Vec<String> = self.tables.cut_off.iter().cloned().collect();
        for server in servers {
            let at = self.tables.server_entry(&server).and_then(|it| self.tables.may_ask_at(it));
            match at {
                None => (),
                Some(at) if now.instant < at => self.tables.wake("", at),
                Some(_) => self.attempt_recovery(&server, now, commands),
            }
        }
    }

    fn attempt_recovery(&mut self, server_uid: &str, now: Now, commands: &mut Vec<Command>) {
        // Its rooms go where its players look for them.
        self.tables.keep_origin(server_uid);
        let Some(entry) = self.tables.server_entry(server_uid) else { return };
        let Some(silence) = self.tables.fleet(&entry.view.fleet).and_then(silence_of) else { return };
        // One tells for all of them, as long as the store is likely to say no.
        let is_confirmed = entry.cut_off.as_ref().is_some_and(CutOff::is_confirmed);
        let most = if is_confirmed { usize::MAX } else { 1 };
        let chosen = self.choose_for_attempts(entry, most, now);
        let last = chosen.last().map(|(room, _)| room.clone());
        for (room, server) in chosen {
            commands.extend(self.ask_for(&room, &server, silence));
        }
        let Some(cut_off) = self.tables.server_entry_mut(server_uid).and_then(|it| it.cut_off.as_mut())
        else {
            return;
        };
        cut_off.attempts = cut_off.attempts.saturating_add(1);
        cut_off.last = last.unwrap_or_else(|| std::mem::take(&mut cut_off.last));
        let again_at = now.instant + AGAIN.after(cut_off.attempts);
        cut_off.again_at = Some(again_at);
        self.tables.wake("", again_at);
    }

    /// Which rooms of a server are asked for, and which other servers are to take them.
    fn choose_for_attempts(&self, entry: &ServerEntry, most: usize, now: Now) -> Vec<(String, String)> {
        let mut chosen = Vec::new();
        let Some(fleet) = self.tables.fleet(&entry.view.fleet) else { return chosen };
        let mut openings = self.openings(&entry.view.fleet, fleet, now, asks_first);
        for uid in self.tables.rooms_to_ask_for(entry) {
            let Some(room) = self.tables.room(&uid) else { continue };
            if let Some(owner) = self.tables.later_owner(room) {
                chosen.push((uid, owner));
            } else {
                let Some(selector) = &room.selector else { continue };
                let Some(server) = openings.choose(fleet, &self.wish(room, selector)) else { continue };
                chosen.push((uid, server));
            }
            if chosen.len() == most {
                break;
            }
        }
        chosen
    }

    /// Sends the room to a server that is to have it only if its owner is silent. Until it has, the room stays where it is.
    fn ask_for(&mut self, room_uid: &str, server_uid: &str, silence: Duration) -> Option<Command> {
        let status = self.tables.room(room_uid)?.room.status.as_ref()?;
        let (owner, owner_epoch) = (status.server.as_ref()?.pod_uid.clone(), Epoch(status.epoch));
        let server = self.tables.server_entry_mut(server_uid)?;
        server.promised.insert(room_uid.to_owned());
        let (view, epoch) = (server.view.clone(), self.epochs.issue());
        let entry = self.tables.room_mut(room_uid)?;
        entry.attempt = Some(Attempt { epoch, owner, owner_epoch });
        entry.is_busy = true;
        entry.promised = Some(server_uid.to_owned());
        entry.sent.goes_to(server_uid, epoch);
        let restore = Restore { lost_epoch: 0, fence: true, ended_epoch: 0, owner_silent: silence };
        Some(Command::Open { room: entry.room.clone(), server: view, epoch, restore: Some(restore) })
    }

    /// A server does not have a room that it was asked to take from a silent owner. Returns whether it was.
    pub(super) fn attempt_failed(&mut self, room_uid: &str, epoch: Epoch, why: RefusedWhy) -> bool {
        let Some(room) = self.tables.room_mut(room_uid) else { return false };
        let Some(attempt) = room.attempt.take_if(|it| it.epoch == epoch) else { return false };
        let owner = self.tables.server_entry_mut(&attempt.owner).and_then(|it| it.cut_off.as_mut());
        if let Some(cut_off) = owner.filter(|_| why == RefusedWhy::OwnerAlive) {
            cut_off.is_confirmed = false;
        }
        true
    }

    /// Whether the room is where it was sent from a silent owner: then that one has lost it, whoever hears it again.
    pub(super) fn note_taken(&mut self, uid: &str, now: Now, commands: &mut Vec<Command>) {
        let Some(attempt) = self.tables.room(uid).and_then(|it| it.attempt.clone()) else { return };
        let Attempt { epoch, owner, owner_epoch } = attempt;
        let is_it = |fate| matches!(fate, Fate::Lives | Fate::Played);
        let here = self.tables.tenancies_of(uid).find(|it| it.epoch == epoch && is_it(it.fate()));
        let Some(server) = here.map(|it| it.server.pod_name.clone()) else { return };
        let how = How::CutOff;
        let Some(room) = self.tables.room_mut(uid) else { return };
        room.attempt = None;
        room.given_up = Some(GivenUp { server: owner.clone(), epoch: owner_epoch, how });
        let room = room.room.clone();
        let owner_entry = self.tables.server_entry_mut(&owner).and_then(|it| it.cut_off.as_mut());
        let confirms = owner_entry.and_then(|it| {
            (it.attempts, it.again_at) = (0, Some(now.instant));
            it.is_confirmed = true;
            let is_first = !std::mem::replace(&mut it.was_told, true);
            let (since, noticed) = (it.since, it.noticed);
            is_first.then_some(Confirmed { server_uid: owner, since, noticed })
        });
        let named = room.status.as_ref().and_then(|it| it.server.as_ref());
        let loss = Loss { server: named.map(|it| it.pod_name.clone()).unwrap_or_default(), how };
        commands.push(Command::TellTaken(Taken { room, server, epoch, confirms }));
        commands.extend(self.tables.loss_to_tell(uid, loss, now.instant));
    }
}

/// How long an owner must be silent to be frozen. None: there is no store, or it cannot be asked for so long a time.
fn silence_of(fleet: &FleetView) -> Option<Duration> {
    let longest = Duration::from_millis((*limits::OWNER_SILENT_MS.end()).into());
    Some(fleet.fence_after).filter(|it| fleet.has_store && !it.is_zero() && *it <= longest)
}

/// Whether a server that is asked to take a room asks the store whether its owner lives. One that does not would take it
/// from whoever plays it.
fn asks_first(server: &ServerEntry) -> bool {
    server.is_offering(Feature::TakeIfSilent)
}
