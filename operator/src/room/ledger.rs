//! The ledger: which room lives on which server, and who waits. Pure: events in, commands out.
//!
//! Nothing of it is stored. A new leader knows nothing and learns all of it from the API server
//! (I3). For every room at most one command is under way; its answer comes back as an event, and
//! then the room is looked at afresh: no decision depends on why it was made.

mod release;
mod tables;
mod waiting;

use std::sync::Arc;

use gamekeeper_crds::{GameRoom, GameRoomStatus, fleet, room::Phase};
use tokio::time::Instant;

use super::{
    FleetView, ServerView,
    life::{self, Known, Published, Step},
    status::Loss,
};
use crate::{
    backoff::Backoff,
    clock::Now,
    name::ObjectName,
    terms::{Epoch, Epochs},
};
use tables::{RoomEntry, Tables};

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A fleet is new or different.
    Fleet(ObjectName, FleetView),
    /// A fleet is gone.
    FleetGone(ObjectName),
    /// A server is new or different.
    Server(ServerView),
    /// A server's pod is no longer in the cache.
    ServerGone(String),
    /// A room is new or different.
    Room(Arc<GameRoom>),
    /// A room is no longer in the cache.
    RoomGone(Arc<GameRoom>),
    /// All that exists has been heard of once.
    Synced,
    /// A command about a room has ended.
    RoomAnswer { uid: String, outcome: Outcome },
    /// A quorum read found that the pod of the server with this uid is not there.
    ServerAbsent { room_uid: String, server_uid: String },
    /// A command about a server has ended.
    ServerAnswer { uid: String, outcome: Outcome },
    /// A quorum read found that the room, which a server says it has, is not there.
    RoomAbsent { server_uid: String },
    /// Time has passed.
    Tick,
}

/// How a command ended. What it found out has come as an event of its own before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As wished, or not necessary any more.
    Done,
    /// The object was not as we thought: look again.
    Conflict,
    /// It failed: try again, but not at once.
    Failed,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Writes the room's claim on the server's pod, if nobody else has (I9).
    Claim { room: Arc<GameRoom>, server: ServerView, epoch: Epoch },
    /// Writes the room's status, if the room is still as it was.
    WriteStatus { room: Arc<GameRoom>, status: Box<GameRoomStatus>, is_urgent: bool },
    /// Asks whether the published server's pod is still there.
    AskForServer { room_uid: String, pod: ObjectName, server_uid: String },
    /// Asks whether the room, which the server says it has, is still there.
    AskForRoom { server_uid: String, room: ObjectName, room_uid: String },
    /// Deletes the pod of a server whose room is gone, over or elsewhere, if its claim is still of
    /// this epoch. The fleet replaces it.
    Release { server_uid: String, pod: ObjectName, epoch: Epoch },
    /// Deletes a room whose time is over.
    DeleteRoom { room: Arc<GameRoom> },
    /// Tells the user that a room lost its server.
    TellLoss { room: Arc<GameRoom>, loss: Loss },
    /// Somebody has acted under a later term: stop, and stand for election again.
    StepDown,
}

/// The ledger of all fleets.
#[derive(Debug)]
pub struct Ledger {
    tables: Tables,
    epochs: Epochs,
    term: u32,
    is_synced: bool,
    is_succeeded: bool,
}

impl Ledger {
    /// An empty ledger of the leadership with this term.
    pub fn new(term: u32) -> Self {
        Self {
            tables: Tables::default(),
            epochs: Epochs::of(term),
            term,
            is_synced: false,
            is_succeeded: false,
        }
    }

    /// Takes an event in, and says what is to be done.
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Command> {
        let mut commands = Vec::new();
        if !self.is_succeeded && self.term < latest_term(&event) {
            self.is_succeeded = true;
            commands.push(Command::StepDown);
        }
        if self.is_succeeded {
            return commands;
        }
        self.note(event, now);
        if !self.is_synced {
            // Half of a picture is no picture: a room may have a server that was not listed yet.
            return commands;
        }
        let due = self.tables.take_due(now.instant);
        for uid in &due {
            self.settle(uid, now, &mut commands);
        }
        self.release_orphans(now, &mut commands);
        self.place_waiting(&mut commands);
        for uid in &due {
            self.tell_waiting(uid, now, &mut commands);
        }
        commands
    }

    /// When to call again even if nothing happens.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.tables.next_due()
    }

    /// What the servers of a fleet host.
    pub fn counts(&self, fleet: &ObjectName) -> fleet::RoomCounts {
        self.tables.counts(fleet)
    }

    /// Fleets whose counts may have changed since the last call.
    pub fn take_changed_fleets(&mut self) -> Vec<ObjectName> {
        self.tables.take_changed_fleets()
    }

    fn note(&mut self, event: Event, now: Now) {
        match event {
            Event::Fleet(name, view) => self.tables.set_fleet(name, view),
            Event::FleetGone(name) => self.tables.remove_fleet(&name),
            Event::Server(view) => self.tables.set_server(view),
            Event::ServerGone(uid) => self.tables.remove_server(&uid),
            Event::Room(room) => self.tables.set_room(room, self.is_synced, now),
            Event::RoomGone(room) => self.tables.remove_room(&room),
            Event::Synced => self.is_synced = true,
            Event::RoomAnswer { uid, outcome } => self.tables.answer_room(&uid, outcome, now.instant),
            Event::ServerAbsent { room_uid, server_uid } => {
                if let Some(room) = self.tables.room_mut(&room_uid) {
                    room.gone_server = Some(server_uid);
                }
            }
            Event::ServerAnswer { uid, outcome } => self.tables.answer_server(&uid, outcome, now.instant),
            Event::RoomAbsent { server_uid } => self.tables.mark_orphan(&server_uid),
            Event::Tick => (),
        }
    }

    /// Looks at one room afresh.
    fn settle(&mut self, uid: &str, now: Now, commands: &mut Vec<Command>) {
        let Some(entry) = self.tables.room(uid) else { return };
        if !self.tables.is_ours(entry) || is_over(&entry.room) {
            self.tables.unqueue(uid);
        }
        let Some(entry) = self.tables.room(uid).filter(|it| self.tables.is_ours(it) && !it.is_busy) else {
            return;
        };
        if let Some(again) = entry.retry_at.filter(|it| now.instant < *it) {
            return self.tables.wake(uid, again);
        }
        // Its server may be about to go: the answer brings the room here again.
        let named = entry.room.status.as_ref().and_then(|it| it.server.as_ref());
        if named.is_some_and(|it| self.tables.is_releasing(&it.pod_uid)) {
            return;
        }
        let known = self.known(entry);
        let (step, superseded) = life::next(&known, self.term, now);
        let superseded: Vec<String> = superseded.iter().map(|it| it.uid.clone()).collect();
        let room = entry.room.clone();
        for server in superseded {
            commands.extend(self.tables.release(&server, now.instant));
        }
        if !matches!(step, Step::Place(_)) {
            self.tables.unqueue(uid);
        }
        match step {
            Step::Rest => (),
            Step::Write(status) => {
                self.tables.busy(uid);
                commands.push(Command::WriteStatus { room, status: Box::new(status), is_urgent: true });
            }
            Step::Reclaim(server) => commands.extend(self.promise(uid, &server)),
            Step::AskForServer => commands.extend(self.ask_for_server(uid, &room)),
            Step::Place(loss) => {
                commands.extend(loss.and_then(|loss| self.tables.loss_to_tell(uid, loss)));
                self.tables.queue(uid, now);
            }
            Step::Over => self.expire(uid, &room, now, commands),
        }
    }

    fn known<'a>(&'a self, entry: &'a RoomEntry) -> Known<'a> {
        let server = entry.room.status.as_ref().and_then(|it| it.server.as_ref()).map(|it| &it.pod_uid);
        let published = match server {
            None => Published::None,
            Some(uid) => match self.tables.server(uid) {
                Some(server) => Published::There(server),
                None if entry.gone_server.as_ref() == Some(uid) => Published::Gone,
                None => Published::Unheard,
            },
        };
        Known { room: &entry.room, claims: self.tables.claims_of(&entry.uid).collect(), published }
    }

    fn ask_for_server(&mut self, uid: &str, room: &GameRoom) -> Option<Command> {
        let server = room.status.as_ref()?.server.as_ref()?;
        let namespace = room.metadata.namespace.clone()?;
        self.tables.busy(uid);
        Some(Command::AskForServer {
            room_uid: uid.to_owned(),
            pod: ObjectName::new(namespace, &server.pod_name),
            server_uid: server.pod_uid.clone(),
        })
    }

    /// Deletes a room that was over for long enough.
    fn expire(&mut self, uid: &str, room: &Arc<GameRoom>, now: Now, commands: &mut Vec<Command>) {
        let Some(expires) = self.tables.room(uid).and_then(|it| it.expires_at) else { return };
        let is_deleting = room.metadata.deletion_timestamp.is_some();
        match now.instant < expires {
            true => self.tables.wake(uid, expires),
            false if is_deleting => (),
            false => {
                self.tables.busy(uid);
                commands.push(Command::DeleteRoom { room: room.clone() });
            }
        }
    }
}

/// Pauses after a command failed.
const RETRY: Backoff = Backoff::API;

/// The latest leadership that what happened tells of.
fn latest_term(event: &Event) -> u32 {
    let epoch = match event {
        Event::Server(view) => view.claim.as_ref().map(|it| it.epoch),
        Event::Room(room) => room.status.as_ref().map(|it| Epoch(it.epoch)),
        _ => None,
    };
    epoch.map(Epoch::term).unwrap_or_default()
}

/// Whether a room is over, by its status.
fn is_over(room: &GameRoom) -> bool {
    room.status.as_ref().map_or(Phase::Pending, |it| it.phase).is_over()
}
