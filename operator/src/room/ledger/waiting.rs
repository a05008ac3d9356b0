//! Rooms that wait for a place: by priority, then those that lost a server, then by players, then by age.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use gamekeeper_crds::{
    GameRoom, GameRoomStatus,
    conditions::{self, PLACED, reason},
};
use jiff::Timestamp;
use kube::core::Selector;
use tokio::time::Instant;

use super::{Command, Ledger, servers::ServerEntry, tables::RoomEntry};
use crate::{
    clock::Now,
    name::ObjectName,
    room::{
        FleetView, ServerState, life,
        placement::{self, Candidate, Opening, Waiting, Wish},
        status,
    },
};

/// A room that finds a place within this time is never told that it waits: that saves a write for
/// nearly every room.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server could not restore a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotRestored {
    pub(super) server_uid: String,
    /// For people.
    pub(super) why: String,
}

/// How often a waiting room's reason is looked at again, without news of the room itself.
const REVIEW: Duration = Duration::from_secs(15);

/// So long after it has begun, a leader places nothing on a fleet of which some servers have not been heard.
const HEARING: Duration = Duration::from_secs(1);

/// A turn in the queue, and whose it is.
pub(super) type Turn = (Reverse<i32>, Reverse<bool>, Reverse<i32>, Timestamp, String);

/// A room's place in the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    since: Instant,
}

impl RoomEntry {
    pub(super) fn turn(&self) -> Turn {
        let created = self.room.metadata.creation_timestamp.as_ref().map(|it| it.0).unwrap_or_default();
        let players = if self.is_recovering() { self.lost_players() } else { 0 };
        let (priority, is_recovering) = (self.room.spec.priority, self.is_recovering());
        (Reverse(priority), Reverse(is_recovering), Reverse(players), created, self.uid.clone())
    }
}

impl super::tables::Tables {
    /// Puts the room in the queue, or leaves it where it stands.
    pub(super) fn queue(&mut self, uid: &str, now: Now) {
        let Some(entry) = self.room_mut(uid) else { return };
        if entry.room.metadata.deletion_timestamp.is_some() {
            return;
        }
        entry.waits.get_or_insert(Place { since: now.instant });
        let (fleet, turn) = (entry.fleet.clone(), entry.turn());
        if self.waiting.entry(fleet.clone()).or_default().insert(turn) {
            self.changed.insert(fleet);
        }
    }

    /// Takes the room out of the queue.
    pub(super) fn unqueue(&mut self, uid: &str) {
        let Some(entry) = self.room_mut(uid) else { return };
        let (fleet, turn) = (entry.fleet.clone(), entry.turn());
        if entry.waits.take().is_none() {
            return;
        }
        if let Some(turns) = self.waiting.get_mut(&fleet) {
            turns.remove(&turn);
            if turns.is_empty() {
                self.waiting.remove(&fleet);
            }
            self.changed.insert(fleet);
        }
    }
}

/// Servers that take rooms, while rooms are given to them.
pub(super) struct Openings<'a> {
    open: Vec<Opening<'a>>,
    rooms_on: BTreeMap<String, usize>,
}

impl Openings<'_> {
    /// The best server for a room, by its uid, which has one place less then.
    pub(super) fn choose(&mut self, fleet: &FleetView, wish: &Wish<'_>) -> Option<String> {
        let chosen = placement::choose(fleet, wish, &self.open, &self.rooms_on)?;
        let opening = self.open.get_mut(chosen)?;
        (opening.rooms, opening.free) = (opening.rooms + 1, opening.free - 1);
        opening.suspects += usize::from(wish.is_suspect);
        *self.rooms_on.entry(opening.server.node.clone().unwrap_or_default()).or_default() += 1;
        let (server, is_full) = (opening.server.uid.clone(), opening.free == 0);
        if is_full {
            self.open.swap_remove(chosen);
        }
        Some(server)
    }
}

impl Ledger {
    /// Gives free places to the rooms whose turn it is.
    pub(super) fn place_waiting(&mut self, now: Now, commands: &mut Vec<Command>) {
        let fleets: Vec<ObjectName> = self.tables.waiting.keys().cloned().collect();
        for fleet in fleets {
            if let Some(until) = self.hears_from_servers_until(&fleet, now) {
                self.tables.wake("", until);
                continue;
            }
            for (room, server) in self.pairs(&fleet, now) {
                commands.extend(self.promise(&room, &server));
                self.answer_seekers(&room, now, commands);
            }
        }
    }

    /// Until when rooms of the fleet wait because some of its servers have not told us what they have: one of them may
    /// have the room (I5). Or because they have not answered a probe of ours: who takes the first that does, takes all of one
    /// node.
    fn hears_from_servers_until(&self, fleet: &ObjectName, now: Now) -> Option<Instant> {
        let until = self.synced_at.map(|it| it + HEARING).filter(|it| now.instant < *it)?;
        let is_unheard = |it: &ServerEntry| match it.view.is_controlled {
            true => it.view.is_alive() && it.link.is_none(),
            false => it.view.state == ServerState::Starting,
        };
        self.tables.servers_of(fleet).any(is_unheard).then_some(until)
    }

    /// Which waiting room goes to which server.
    fn pairs(&self, name: &ObjectName, now: Now) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let Some(fleet) = self.tables.fleet(name).filter(|it| it.is_open) else { return pairs };
        let mut openings = self.openings(name, fleet, now, |_| true);
        for (.., uid) in self.tables.waiting.get(name).into_iter().flatten() {
            if openings.open.is_empty() {
                break;
            }
            let Some(entry) = self.tables.room(uid).filter(|it| self.is_to_place(it, now)) else { continue };
            let Some(selector) = &entry.selector else { continue };
            let wish = self.wish(entry, selector);
            pairs.extend(openings.choose(fleet, &wish).map(|it| (uid.clone(), it)));
        }
        pairs
    }

    /// Whether a room that waits has no place yet. One that could not be looked at since it began to wait, because something was
    /// under way, may have been heard of meanwhile.
    fn is_to_place(&self, entry: &RoomEntry, now: Now) -> bool {
        !entry.is_busy
            && matches!(life::next(&self.known(entry, now), self.term, now).0, life::Step::Place(_))
    }

    /// Where a room is to go.
    pub(super) fn wish<'a>(&'a self, entry: &'a RoomEntry, selector: &'a Selector) -> Wish<'a> {
        Wish {
            selector,
            origin: self.tables.origin(entry),
            is_suspect: 0 < entry.losses_in_a_row(),
            failed_on: entry.not_restored.as_ref().map(|it| it.server_uid.as_str()),
            still_on: self.tables.tenancies_of(&entry.uid).map(|it| it.server.uid.as_str()).collect(),
        }
    }

    /// The servers of a fleet that take rooms, as far as they are `fit`.
    pub(super) fn openings(
        &self,
        name: &ObjectName,
        fleet: &FleetView,
        now: Now,
        is_fit: impl Fn(&ServerEntry) -> bool,
    ) -> Openings<'_> {
        let places = self.tables.servers_of(name).map(|it| (it, it.places(fleet, now.instant)));
        let with_room = places.filter(|(it, (_, free))| 0 < *free && is_fit(it));
        let open = with_room.map(|(it, (rooms, free))| {
            let suspects = self.tables.suspects_among(it.rooms().chain(&it.promised));
            Opening { server: &it.view, rooms: rooms + it.promised.len(), suspects, free }
        });
        let (open, mut rooms_on) = (open.collect(), self.tables.rooms_on.clone());
        for entry in self.tables.servers_of(name).filter(|it| !it.promised.is_empty()) {
            *rooms_on.entry(entry.view.node.clone().unwrap_or_default()).or_default() += entry.promised.len();
        }
        Openings { open, rooms_on }
    }

    /// Sends the room on its way to the server, under a new epoch.
    pub(super) fn promise(&mut self, room_uid: &str, server_uid: &str) -> Option<Command> {
        let epoch = self.epochs.issue();
        self.tables.unqueue(room_uid);
        self.tables.give_up(room_uid);
        let server = self.tables.server_entry_mut(server_uid)?;
        server.promised.insert(room_uid.to_owned());
        let view = server.view.clone();
        let (restores, stands_by) =
            server.link.as_ref().map_or((false, false), |it| (it.restores(), it.stands_by()));
        let has_ended = stands_by && self.has_ended_for_certain(room_uid);
        let is_nowhere = self.is_nowhere_else(room_uid);
        let entry = self.tables.room_mut(room_uid)?;
        entry.is_busy = true;
        entry.promised = Some(server_uid.to_owned());
        entry.attempt = None;
        // Nor may anybody play it who was sent it since that owner was lost.
        let (room, is_proven) = (entry.room.clone(), entry.is_loss_proven && is_nowhere);
        if view.is_controlled {
            entry.sent.goes_to(server_uid, epoch);
        }
        Some(match view.is_controlled {
            true => {
                let restore = life::restore(&room, is_proven, has_ended).filter(|_| restores);
                Command::Open { room, server: view, epoch, restore }
            }
            false => Command::Claim { room, server: view, epoch },
        })
    }

    /// Writes down why a room waits: after [`PATIENCE`], and again when the reason is another.
    pub(super) fn tell_waiting(&mut self, uid: &str, now: Now, commands: &mut Vec<Command>) {
        let can_act = |it: &&RoomEntry| !it.is_busy && it.retry_at.is_none_or(|at| at <= now.instant);
        let Some(entry) = self.tables.room(uid).filter(can_act) else { return };
        let Some(place) = entry.waits else { return };
        // A room that lost its server is told at once: its players are there already.
        let is_lost = entry.room.status.as_ref().is_some_and(|it| !it.endpoints.is_empty());
        let due = if is_lost { place.since } else { place.since + PATIENCE };
        if now.instant < due {
            return self.tables.wake(uid, due);
        }
        let waiting = self.why(entry);
        if !is_lost && is_told(entry, &waiting) {
            return self.tables.wake(uid, now.instant + REVIEW);
        }
        let room = entry.room.clone();
        commands.push(self.write_waiting(uid, room, &waiting, is_lost, now));
    }

    fn write_waiting(
        &mut self,
        uid: &str,
        room: Arc<GameRoom>,
        waiting: &Waiting,
        is_urgent: bool,
        now: Now,
    ) -> Command {
        self.tables.busy(uid);
        let losses_in_a_row = self.tables.room(uid).map_or(0, RoomEntry::losses_in_a_row);
        let waiting = status::waiting(&room, waiting, now.wall);
        let status = Box::new(GameRoomStatus { losses_in_a_row, ..waiting });
        Command::WriteStatus { room, status, is_urgent }
    }

    /// Writes down, before it is tried again, that a server could not restore the room. Returns whether that was to be done.
    pub(super) fn tell_not_restored(&mut self, uid: &str, now: Now, commands: &mut Vec<Command>) -> bool {
        let Some(entry) = self.tables.room(uid) else { return false };
        let Some(NotRestored { why, .. }) = &entry.not_restored else { return false };
        let message = format!("a server could not restore the match, and it is tried again: {why}");
        let waiting = Waiting { reason: reason::RESTORE_FAILED, message };
        if is_told(entry, &waiting) {
            return false;
        }
        let room = entry.room.clone();
        commands.push(self.write_waiting(uid, room, &waiting, true, now));
        true
    }

    fn why(&self, entry: &RoomEntry) -> Waiting {
        let mut waiting = self.why_not_placed(entry);
        if entry.is_recovering() {
            waiting.message = format!("the match waits to be recovered: {}", waiting.message);
        }
        waiting
    }

    fn why_not_placed(&self, entry: &RoomEntry) -> Waiting {
        let Some(selector) = &entry.selector else {
            let message =
                "serverSelector is not a valid label selector: check operators and values".to_owned();
            return Waiting { reason: reason::NO_MATCHING_SERVER, message };
        };
        match self.tables.fleet(&entry.fleet) {
            None => Waiting {
                reason: reason::NO_FLEET,
                message: format!("there is no GameFleet {:?} in this namespace", entry.fleet.name),
            },
            Some(fleet) if !fleet.is_open => Waiting {
                reason: reason::FLEET_NOT_READY,
                message: format!("GameFleet {:?} is being deleted or was not accepted yet", entry.fleet.name),
            },
            Some(_) => {
                let servers = self.tables.servers_of(&entry.fleet);
                let candidates = servers.map(|it| Candidate {
                    server: &it.view,
                    has_rooms: it.rooms().next().is_some() || !it.promised.is_empty(),
                });
                placement::explain(selector, candidates)
            }
        }
    }
}

/// Whether the status gives this reason already. The message may be older: its counts change with
/// every match, and a write for each would drown the API server.
fn is_told(entry: &RoomEntry, waiting: &Waiting) -> bool {
    let conditions = entry.room.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    conditions::find(conditions, PLACED).is_some_and(|it| it.status == "False" && it.reason == waiting.reason)
}
