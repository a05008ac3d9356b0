//! The ledger's tables and their indices. No decisions.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use gamekeeper_crds::{
    GameRoom,
    conditions::{self, FINISHED},
    fleet::RoomCounts,
};
use kube::core::Selector;
use tokio::time::Instant;

use super::{Command, Outcome, RETRY, is_over, waiting::Place};
use crate::{
    clock::Now,
    name::ObjectName,
    room::{FleetView, ServerState, ServerView, status::Loss},
};

/// A room, and what is under way for it.
#[derive(Debug)]
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
    /// The server that is being claimed for it.
    pub(super) promised: Option<String>,
    /// The server whose loss the user was told of.
    told: Option<String>,
    /// Since when it waits for a place.
    pub(super) waits: Option<Place>,
}

/// A server, and what is under way for it.
#[derive(Debug)]
pub(super) struct ServerEntry {
    pub(super) view: ServerView,
    /// The room whose claim is under way.
    pub(super) promised_to: Option<String>,
    /// A command about it is under way, or was done: nothing more is to be done before it is seen again.
    pub(super) is_busy: bool,
    /// Its pod is being deleted by us; whether that succeeds is not known yet.
    is_releasing: bool,
    failures: u32,
    retry_at: Option<Instant>,
    /// A quorum read found that the room that it has is gone.
    pub(super) is_orphan: bool,
}

/// All that the ledger knows.
#[derive(Debug, Default)]
pub(super) struct Tables {
    fleets: HashMap<ObjectName, FleetView>,
    rooms: HashMap<String, RoomEntry>,
    servers: HashMap<String, ServerEntry>,
    servers_of: HashMap<ObjectName, BTreeSet<String>>,
    rooms_of: HashMap<ObjectName, BTreeSet<String>>,
    claims: HashMap<String, BTreeSet<String>>,
    /// Live rooms by node.
    pub(super) rooms_on: BTreeMap<String, usize>,
    pub(super) waiting: BTreeMap<ObjectName, BTreeSet<super::waiting::Turn>>,
    due: BTreeSet<String>,
    timers: BTreeSet<(Instant, String)>,
    pub(super) changed: BTreeSet<ObjectName>,
    /// Servers with a claim whose room is not known.
    pub(super) suspects: BTreeSet<String>,
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

    pub(super) fn server(&self, uid: &str) -> Option<&ServerView> {
        self.servers.get(uid).map(|it| &it.view)
    }

    pub(super) fn is_releasing(&self, uid: &str) -> bool {
        self.servers.get(uid).is_some_and(|it| it.is_releasing)
    }

    pub(super) fn server_entry_mut(&mut self, uid: &str) -> Option<&mut ServerEntry> {
        self.servers.get_mut(uid)
    }

    /// Servers that a room may still count on: not those that are being released.
    pub(super) fn claims_of(&self, room_uid: &str) -> impl Iterator<Item = &ServerView> {
        let entries = self.claims.get(room_uid).into_iter().flatten().filter_map(|it| self.servers.get(it));
        entries.filter(|it| !it.is_releasing).map(|it| &it.view)
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
        self.fleets.insert(name, view);
    }

    pub(super) fn remove_fleet(&mut self, name: &ObjectName) {
        self.fleets.remove(name);
        self.due.extend(self.rooms_of.get(name).into_iter().flatten().cloned());
    }

    pub(super) fn set_server(&mut self, view: ServerView) {
        let uid = view.uid.clone();
        let before = self.unlink_server(&uid);
        let (failures, retry_at) = before.as_ref().map_or((0, None), |it| (it.failures, it.retry_at));
        let promised_to = before.as_ref().and_then(|it| it.promised_to.clone());
        let is_busy = before.as_ref().is_some_and(|it| it.is_busy);
        let is_releasing = before.as_ref().is_some_and(|it| it.is_releasing);
        let is_orphan = before.as_ref().is_some_and(|it| it.is_orphan);
        // Somebody may have removed the claim: then its room must look after itself.
        self.due.extend(before.and_then(|it| it.view.claim).map(|it| it.room_uid));
        if let Some(claim) = &view.claim {
            self.claims.entry(claim.room_uid.clone()).or_default().insert(uid.clone());
            match self.rooms.contains_key(&claim.room_uid) {
                true => self.due.insert(claim.room_uid.clone()),
                false => self.suspects.insert(uid.clone()),
            };
            if let Some(node) = view.node.as_ref().filter(|_| view.is_alive()) {
                *self.rooms_on.entry(node.clone()).or_default() += 1;
            }
        }
        self.servers_of.entry(view.fleet.clone()).or_default().insert(uid.clone());
        self.changed.insert(view.fleet.clone());
        self.servers.insert(
            uid,
            ServerEntry { view, promised_to, is_busy, is_releasing, failures, retry_at, is_orphan },
        );
    }

    pub(super) fn remove_server(&mut self, uid: &str) {
        let Some(entry) = self.unlink_server(uid) else { return };
        self.suspects.remove(uid);
        self.changed.insert(entry.view.fleet.clone());
        // Who is published there must ask; a claim alone brings its room here, the status may too.
        self.due.extend(entry.view.claim.map(|it| it.room_uid));
    }

    fn unlink_server(&mut self, uid: &str) -> Option<ServerEntry> {
        let entry = self.servers.remove(uid)?;
        if let Some(servers) = self.servers_of.get_mut(&entry.view.fleet) {
            servers.remove(uid);
            if servers.is_empty() {
                self.servers_of.remove(&entry.view.fleet);
            }
        }
        if let Some(claim) = &entry.view.claim {
            if let Some(servers) = self.claims.get_mut(&claim.room_uid) {
                servers.remove(uid);
                if servers.is_empty() {
                    self.claims.remove(&claim.room_uid);
                }
            }
            let node = entry.view.node.as_ref().filter(|_| entry.view.is_alive());
            if let Some(count) = node.and_then(|it| self.rooms_on.get_mut(it)) {
                *count = count.saturating_sub(1);
            }
        }
        Some(entry)
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
        match self.rooms.get_mut(&uid) {
            Some(entry) => {
                entry.expires_at = entry.expires_at.or(expires_at);
                let turn = entry.turn();
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
                    waits: None,
                };
                self.rooms.insert(uid.clone(), entry);
                // Servers that said they have it are no longer suspects.
                for server in self.claims.get(&uid).into_iter().flatten() {
                    self.suspects.remove(server);
                }
            }
        }
    }

    pub(super) fn remove_room(&mut self, room: &GameRoom) {
        let Some(uid) = room.metadata.uid.as_deref() else { return };
        self.unqueue(uid);
        let Some(entry) = self.rooms.remove(uid) else { return };
        if let Some(server) = entry.promised.as_ref().and_then(|it| self.servers.get_mut(it)) {
            server.promised_to = None;
        }
        self.due.remove(uid);
        if let Some(rooms) = self.rooms_of.get_mut(&entry.fleet) {
            rooms.remove(uid);
            if rooms.is_empty() {
                self.rooms_of.remove(&entry.fleet);
            }
        }
        self.suspects.extend(self.claims.get(uid).into_iter().flatten().cloned());
        self.changed.insert(entry.fleet);
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

    /// Looks at the room again at `at`.
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
        // The server that was promised to it now carries its claim, or is free again.
        if let Some(server) = entry.promised.take().and_then(|it| self.servers.get_mut(&it)) {
            server.promised_to = None;
            self.changed.insert(server.view.fleet.clone());
        }
        entry.is_busy = false;
        entry.failures = if outcome == Outcome::Failed { entry.failures.saturating_add(1) } else { 0 };
        entry.retry_at = (outcome == Outcome::Failed).then(|| now + RETRY.after(entry.failures));
        self.due.insert(uid.to_owned());
    }

    pub(super) fn answer_server(&mut self, uid: &str, outcome: Outcome, now: Instant) {
        let Some(entry) = self.servers.get_mut(uid) else { return };
        (entry.is_busy, entry.is_releasing) = (false, false);
        entry.failures = if outcome == Outcome::Failed { entry.failures.saturating_add(1) } else { 0 };
        let pause = if outcome == Outcome::Failed { RETRY.after(entry.failures) } else { Duration::ZERO };
        entry.retry_at = Some(now + pause);
        let claim = entry.view.claim.as_ref().map(|it| it.room_uid.clone());
        match claim.filter(|it| self.rooms.contains_key(it)) {
            Some(room) => self.wake(&room, now + pause),
            None => {
                self.suspects.insert(uid.to_owned());
                self.timers.insert((now + pause, String::new()));
            }
        }
    }

    pub(super) fn mark_orphan(&mut self, uid: &str) {
        if let Some(entry) = self.servers.get_mut(uid) {
            entry.is_orphan = true;
        }
    }

    /// Deletes a server's pod, unless that is under way.
    ///
    /// One that has failed is left to its fleet, which replaces it not faster than the brake allows.
    pub(super) fn release(&mut self, uid: &str, now: Instant) -> Option<Command> {
        let entry = self.servers.get_mut(uid)?;
        if entry.view.is_deleting || entry.view.has_failed() || !entry.can_act(now) {
            return None;
        }
        let epoch = entry.view.claim.as_ref()?.epoch;
        (entry.is_busy, entry.is_releasing) = (true, true);
        Some(Command::Release { server_uid: uid.to_owned(), pod: entry.view.pod(), epoch })
    }

    /// Tells of a loss, once.
    pub(super) fn loss_to_tell(&mut self, uid: &str, loss: Loss) -> Option<Command> {
        let entry = self.rooms.get_mut(uid)?;
        let is_new = entry.told.as_ref() != Some(&loss.server);
        entry.told = Some(loss.server.clone());
        is_new.then(|| Command::TellLoss { room: entry.room.clone(), loss })
    }

    pub(super) fn counts(&self, fleet: &ObjectName) -> RoomCounts {
        let mut counts = RoomCounts::default();
        for entry in self.servers_of(fleet) {
            match (&entry.view.claim, entry.view.state) {
                (Some(_), _) => counts.running += i32::from(entry.view.is_alive()),
                (None, ServerState::Ready) => counts.free += i32::from(entry.promised_to.is_none()),
                (None, _) => (),
            }
        }
        let waiting = self.waiting.get(fleet).map_or(0, BTreeSet::len);
        counts.pending = i32::try_from(waiting).unwrap_or(i32::MAX);
        counts
    }

    pub(super) fn take_changed_fleets(&mut self) -> Vec<ObjectName> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }
}

impl ServerEntry {
    /// Whether nothing is under way for it, and no pause after a failure either.
    pub(super) fn can_act(&self, now: Instant) -> bool {
        !self.is_busy && self.retry_at.is_none_or(|it| it <= now)
    }

    /// Whether it takes a room now.
    pub(super) fn is_free(&self) -> bool {
        let view = &self.view;
        view.state == ServerState::Ready
            && view.claim.is_none()
            && self.promised_to.is_none()
            && !self.is_busy
            // Published addresses must work: without one there is nothing to publish (I4).
            && !view.endpoints.is_empty()
    }
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
