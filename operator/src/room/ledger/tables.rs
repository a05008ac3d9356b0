//! The ledger's tables and their indices. No decisions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gamekeeper_control::RoomPhase;
use gamekeeper_crds::{
    GameRoom,
    conditions::{self, FINISHED},
    fleet::RoomCounts,
    room::{Phase, Recovery},
};
use kube::core::Selector;
use tokio::time::Instant;

use super::{Command, Outcome, RETRY, is_over, losses::GivenUp, servers::ServerEntry, waiting::Place};
use crate::{
    clock::Now,
    name::ObjectName,
    room::{
        FleetView,
        status::Loss,
        tenancy::{Keeping, Tenancy},
    },
    terms::Epoch,
};

/// What changes in a status at its server's whim, players and certificates, is brought up to date at most this
/// often: a write for every player who comes or goes would cost more than all else.
const REFRESH_EVERY: Duration = Duration::from_secs(30);

/// A room, and what is under way for it.
#[derive(Clone, Debug)]
pub(super) struct RoomEntry {
    pub(super) uid: String,
    pub(super) room: Arc<GameRoom>,
    pub(super) fleet: ObjectName,
    /// `None`: `serverSelector` is not one.
    pub(super) selector: Option<Selector>,
    /// A command about it is under way.
    pub(super) is_busy: bool,
    pub(super) failures: u32,
    pub(super) retry_at: Option<Instant>,
    /// When a room that is over is to be deleted.
    pub(super) expires_at: Option<Instant>,
    /// The uid of a published server that a quorum read did not find.
    pub(super) gone_server: Option<String>,
    /// The server to which it is on its way.
    pub(super) promised: Option<String>,
    /// The server whose loss the user was told of.
    pub(super) told: Option<String>,
    /// The tenancy that it left for another although its server may live.
    pub(super) given_up: Option<GivenUp>,
    /// It was sent elsewhere, to be had there only if its owner is silent.
    pub(super) attempt: Option<super::attempts::Attempt>,
    /// Since when it waits for a place.
    pub(super) waits: Option<Place>,
    /// When its status was last written.
    written_at: Option<Instant>,
    /// Why a server's game will not have it.
    pub(super) refusal: Option<String>,
    /// Which server could not restore it last, and why.
    pub(super) not_restored: Option<super::waiting::NotRestored>,
    /// The server that it lost last has told itself, or its kubelet has, that it does not have the room any more:
    /// nobody can write the room's checkpoints. Not known of losses that an earlier leader saw.
    pub(super) is_loss_proven: bool,
    /// To whom it was sent since its players were told where it is.
    pub(super) sent: super::sent::Sent,
    /// Servers on which players look for it, and since when.
    pub(super) seekers: BTreeMap<String, Instant>,
    /// Where it was when it lost its server.
    pub(super) lost: Option<super::recovery::Lost>,
    /// How many servers it lost in a row, soon after it came there; none: as its status says.
    pub(super) losses: Option<i32>,
    /// When it was placed again after a loss, if that was under this leader.
    pub(super) placed_again_at: Option<Instant>,
    /// What these were before its last loss, of which it may still come back.
    pub(super) before_loss: Option<super::recovery::Trial>,
}

/// All that the ledger knows. In an order of its own, so that what is the same looks the same: the search through all
/// histories tells states apart by that.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    fleets: BTreeMap<ObjectName, FleetView>,
    pub(super) rooms: BTreeMap<String, RoomEntry>,
    pub(super) servers: BTreeMap<String, ServerEntry>,
    pub(super) servers_of: BTreeMap<ObjectName, BTreeSet<String>>,
    rooms_of: BTreeMap<ObjectName, BTreeSet<String>>,
    /// Servers by the uids of the rooms that they have.
    pub(super) tenancies: BTreeMap<String, BTreeSet<String>>,
    /// Running rooms by the uid of the server that their status names.
    pub(super) published_on: BTreeMap<String, BTreeSet<String>>,
    /// Rooms on living servers, by node.
    pub(super) rooms_on: BTreeMap<String, usize>,
    pub(super) waiting: BTreeMap<ObjectName, BTreeSet<super::waiting::Turn>>,
    pub(super) due: BTreeSet<String>,
    timers: BTreeSet<(Instant, String)>,
    pub(super) changed: BTreeSet<ObjectName>,
    /// Those of them that were looked at for fallbacks.
    reviewed: BTreeSet<ObjectName>,
    /// Servers that others reach and we do not.
    pub(super) cut_off: BTreeSet<String>,
    /// Rooms that may take their server down.
    pub(super) poisonous: BTreeSet<String>,
    /// Servers, and rooms of theirs that are not known.
    pub(super) suspects: BTreeSet<(String, String)>,
}

impl Tables {
    pub(super) fn fleet(&self, name: &ObjectName) -> Option<&FleetView> {
        self.fleets.get(name)
    }

    pub(super) fn room(&self, uid: &str) -> Option<&RoomEntry> {
        self.rooms.get(uid)
    }

    pub(super) fn room_mut(&mut self, uid: &str) -> Option<&mut RoomEntry> {
        self.rooms.get_mut(uid)
    }

    pub(super) fn server_entry(&self, uid: &str) -> Option<&ServerEntry> {
        self.servers.get(uid)
    }

    pub(super) fn server_entry_mut(&mut self, uid: &str) -> Option<&mut ServerEntry> {
        self.servers.get_mut(uid)
    }

    /// Servers that a room may still count on: not those that are letting go of it.
    pub(super) fn tenancies_of(&self, room_uid: &str) -> impl Iterator<Item = Tenancy<'_>> {
        let servers = self.tenancies.get(room_uid).into_iter().flatten();
        servers.filter_map(|it| {
            let server = self.servers.get(it)?;
            let has_store = self.fleet(&server.view.fleet).is_some_and(|it| it.has_store);
            let tenancy = server.tenancy(room_uid)?;
            let keeping = match tenancy.keeping {
                Keeping::Nothing if has_store => Keeping::NotOffered,
                keeping => keeping,
            };
            let room = self.rooms.get(room_uid);
            let given_up = room.and_then(|it| it.gave_up(server, tenancy.epoch));
            let lost = given_up.or_else(|| self.loss(server));
            Some(Tenancy { keeping, lost, is_given_up: given_up.is_some(), ..tenancy })
        })
    }

    /// Whether the server is about to let go of the room.
    pub(super) fn is_letting_go(&self, server_uid: &str, room_uid: &str) -> bool {
        self.servers.get(server_uid).is_some_and(|it| it.is_letting_go_of(room_uid))
    }

    pub(super) fn servers_of(&self, fleet: &ObjectName) -> impl Iterator<Item = &ServerEntry> {
        self.servers_of.get(fleet).into_iter().flatten().filter_map(|it| self.servers.get(it))
    }

    /// Rooms of a fleet that another operator manages are none of our business.
    pub(super) fn is_ours(&self, entry: &RoomEntry) -> bool {
        self.fleet(&entry.fleet).is_none_or(|it| it.is_ours)
    }

    pub(super) fn set_fleet(&mut self, name: ObjectName, view: FleetView) {
        let rooms = self.rooms_of.get(&name).into_iter().flatten().cloned();
        self.due.extend(rooms);
        if self.fleets.get(&name) != Some(&view) {
            self.changed.insert(name.clone());
        }
        self.fleets.insert(name, view);
    }

    pub(super) fn remove_fleet(&mut self, name: &ObjectName) {
        self.fleets.remove(name);
        self.due.extend(self.rooms_of.get(name).into_iter().flatten().cloned());
    }

    pub(super) fn set_room(&mut self, room: Arc<GameRoom>, is_live: bool, now: Now) {
        let (Some(uid), Some(namespace)) = (room.metadata.uid.clone(), room.metadata.namespace.clone())
        else {
            return;
        };
        let fleet = ObjectName::new(namespace, &room.spec.fleet_name);
        let selector = Selector::try_from(room.spec.server_selector.clone().unwrap_or_default()).ok();
        let expires_at = is_over(&room).then(|| expiry(&room, is_live, now));
        self.rooms_of.entry(fleet.clone()).or_default().insert(uid.clone());
        self.changed.insert(fleet.clone());
        self.due.insert(uid.clone());
        self.publish(&uid, Some(&room));
        match self.rooms.get_mut(&uid) {
            Some(entry) => {
                entry.expires_at = entry.expires_at.or(expires_at);
                let turn = entry.turn();
                if entry.room.status != room.status {
                    entry.written_at = Some(now.instant);
                }
                if is_placed_again(&entry.room, &room) {
                    (entry.placed_again_at, entry.losses) = (Some(now.instant), None);
                    entry.before_loss = None;
                } else if is_kept(&entry.room, &room) {
                    entry.keep_server();
                    entry.before_loss = None;
                }
                let epoch = room.status.as_ref().map_or(0, |it| it.epoch);
                entry.sent.published(Epoch(epoch));
                entry.attempt = entry.attempt.take().filter(|it| it.is_of(Epoch(epoch)));
                entry.room = room;
                entry.selector = selector;
                if entry.turn() != turn && entry.waits.is_some() {
                    let turns = self.waiting.entry(fleet).or_default();
                    turns.remove(&turn);
                    turns.insert(entry.turn());
                }
            }
            None => {
                let entry = RoomEntry {
                    uid: uid.clone(),
                    room,
                    fleet,
                    selector,
                    is_busy: false,
                    failures: 0,
                    retry_at: None,
                    expires_at,
                    gone_server: None,
                    promised: None,
                    told: None,
                    given_up: None,
                    attempt: None,
                    waits: None,
                    written_at: None,
                    refusal: None,
                    not_restored: None,
                    is_loss_proven: false,
                    sent: super::sent::Sent::default(),
                    seekers: BTreeMap::new(),
                    lost: None,
                    losses: None,
                    placed_again_at: None,
                    before_loss: None,
                };
                self.rooms.insert(uid.clone(), entry);
                // Servers that said they have it are no longer suspects.
                for server in self.tenancies.get(&uid).into_iter().flatten() {
                    self.suspects.remove(&(server.clone(), uid.clone()));
                }
            }
        }
        self.note_suspect(&uid);
    }

    pub(super) fn remove_room(&mut self, room: &GameRoom) {
        let Some(uid) = room.metadata.uid.as_deref() else { return };
        self.unqueue(uid);
        self.publish(uid, None);
        let Some(entry) = self.rooms.remove(uid) else { return };
        if let Some(server) = entry.promised.as_ref().and_then(|it| self.servers.get_mut(it)) {
            server.promised.remove(uid);
        }
        self.due.remove(uid);
        self.poisonous.remove(uid);
        if let Some(rooms) = self.rooms_of.get_mut(&entry.fleet) {
            rooms.remove(uid);
            if rooms.is_empty() {
                self.rooms_of.remove(&entry.fleet);
            }
        }
        let servers = self.tenancies.get(uid).into_iter().flatten().cloned();
        self.suspects.extend(servers.map(|it| (it, uid.to_owned())));
        self.changed.insert(entry.fleet);
    }

    /// Notes on which server the room is published; `None`: the room is gone.
    fn publish(&mut self, uid: &str, room: Option<&GameRoom>) {
        let server_of = |room: &GameRoom| {
            let status = room.status.as_ref().filter(|it| it.phase == Phase::Running)?;
            Some(status.server.as_ref()?.pod_uid.clone())
        };
        let before = self.rooms.get(uid).and_then(|it| server_of(&it.room));
        let after = room.and_then(server_of);
        if before == after {
            return;
        }
        if let Some(server) = before
            && let Some(rooms) = self.published_on.get_mut(&server)
        {
            rooms.remove(uid);
            if rooms.is_empty() {
                self.published_on.remove(&server);
            }
        }
        if let Some(server) = after {
            self.published_on.entry(server).or_default().insert(uid.to_owned());
        }
    }

    /// Rooms to look at: those that something happened to, and those whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<String> {
        while let Some((at, uid)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, uid.clone()));
            self.due.insert(uid);
        }
        std::mem::take(&mut self.due)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Looks at the room again at `at`; without a name, only at what concerns no room.
    pub(super) fn wake(&mut self, uid: &str, at: Instant) {
        self.timers.insert((at, uid.to_owned()));
    }

    pub(super) fn busy(&mut self, uid: &str) {
        if let Some(entry) = self.rooms.get_mut(uid) {
            entry.is_busy = true;
        }
    }

    pub(super) fn answer_room(&mut self, uid: &str, outcome: Outcome, now: Instant) {
        let Some(entry) = self.rooms.get_mut(uid) else { return };
        // The server that was promised to it now has it, or is free again.
        if let Some(server) = entry.promised.take().and_then(|it| self.servers.get_mut(&it)) {
            server.promised.remove(uid);
            self.changed.insert(server.view.fleet.clone());
        }
        entry.is_busy = false;
        entry.failures = if outcome == Outcome::Failed { entry.failures.saturating_add(1) } else { 0 };
        entry.retry_at = (outcome == Outcome::Failed).then(|| now + RETRY.after(entry.failures));
        self.due.insert(uid.to_owned());
    }

    /// Whether what may wait in the room's status may be written again, or else when.
    pub(super) fn refresh_at(&self, uid: &str, now: Instant) -> Result<(), Instant> {
        let written_at = self.rooms.get(uid).and_then(|it| it.written_at);
        match written_at.map(|it| it + REFRESH_EVERY).filter(|it| now < *it) {
            Some(at) => Err(at),
            None => Ok(()),
        }
    }

    /// Since when the room waits for its first player on the server where it is published.
    pub(super) fn unclaimed_since(&self, uid: &str) -> Option<Instant> {
        let status = self.rooms.get(uid)?.room.status.as_ref().filter(|it| it.phase == Phase::Running)?;
        let server = self.servers.get(&status.server.as_ref()?.pod_uid)?;
        let guest = server.link.as_ref().filter(|it| it.is_up)?.guests.get(uid)?;
        guest.waiting_since.filter(|_| guest.hosted.phase == RoomPhase::Waiting)
    }

    /// Tells of a loss, once.
    pub(super) fn loss_to_tell(&mut self, uid: &str, loss: Loss, now: Instant) -> Option<Command> {
        let is_new = self.rooms.get(uid)?.told.as_ref() != Some(&loss.server);
        if is_new {
            // Once: it is looked at again until its status is written.
            self.lose(uid, loss.how, now);
        }
        let entry = self.rooms.get_mut(uid)?;
        entry.told = Some(loss.server.clone());
        if is_new {
            // Of an earlier loss.
            entry.not_restored = None;
        }
        entry.is_loss_proven = loss.how.is_proven();
        let has_store = self.fleets.get(&entry.fleet).is_some_and(|it| it.has_store);
        let is_restored = has_store && entry.room.spec.recovery == Recovery::Restore;
        is_new.then(|| Command::TellLoss { room: entry.room.clone(), loss, is_restored })
    }

    pub(super) fn counts(&self, fleet: &ObjectName, now: Instant) -> RoomCounts {
        let mut counts = RoomCounts::default();
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        if let Some(view) = self.fleet(fleet) {
            // What a lost server had is counted where it goes.
            for entry in self.servers_of(fleet).filter(|it| it.view.is_alive() && !self.is_left(it)) {
                let (rooms, free) = entry.places(view, now);
                counts.running = counts.running.saturating_add(number(rooms));
                counts.free = counts.free.saturating_add(number(free));
            }
        }
        counts.pending = number(self.waiting.get(fleet).map_or(0, BTreeSet::len));
        counts
    }

    /// Fleets that have changed since this was asked last.
    pub(super) fn changes(&mut self) -> BTreeSet<ObjectName> {
        let changed = std::mem::take(&mut self.changed);
        self.reviewed.extend(changed.iter().cloned());
        changed
    }

    pub(super) fn take_changed_fleets(&mut self) -> Vec<ObjectName> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.append(&mut self.reviewed);
        changed.into_iter().collect()
    }
}

/// Whether players were told of another server than before.
fn is_placed_again(before: &GameRoom, after: &GameRoom) -> bool {
    let (before, after) = (before.status.as_ref(), after.status.as_ref());
    let recoveries = |it: Option<&gamekeeper_crds::GameRoomStatus>| it.map_or(0, |it| it.recoveries);
    after.is_some_and(|it| it.phase == Phase::Running) && recoveries(before) < recoveries(after)
}

/// Whether players are told that the room is on the server that it had lost.
fn is_kept(before: &GameRoom, after: &GameRoom) -> bool {
    let phase = |it: &GameRoom| it.status.as_ref().map(|it| it.phase);
    phase(before) == Some(Phase::Recovering) && phase(after) == Some(Phase::Running)
}

/// When a room that is over is to be deleted.
///
/// A room that we saw finish is kept for its time by our own clock. One that was over when we came
/// was over for as long as the wall clocks say.
fn expiry(room: &GameRoom, is_live: bool, now: Now) -> Instant {
    let ttl = Duration::from_secs(u64::try_from(room.spec.ttl_seconds_after_finished).unwrap_or_default());
    let conditions = room.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    let finished = conditions::find(conditions, FINISHED).filter(|it| it.status == "True");
    let since = finished.filter(|_| !is_live).map(|it| now.wall.duration_since(it.last_transition_time.0));
    let elapsed = since.and_then(|it| Duration::try_from(it).ok()).unwrap_or_default();
    now.instant + ttl.saturating_sub(elapsed)
}
