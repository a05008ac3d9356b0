//! The ledger: which room lives on which server, and who waits. Pure: events in, commands out.
//!
//! Nothing of it is stored. A new leader knows nothing and learns all of it from the API server
//! (I3). For every room at most one command is under way; its answer comes back as an event, and
//! then the room is looked at afresh: no decision depends on why it was made.

mod attempts;
mod fallbacks;
mod links;
mod losses;
mod recovery;
mod release;
mod seekers;
mod sent;
mod servers;
mod standbys;
mod tables;
mod waiting;

use std::{collections::BTreeMap, sync::Arc};

use gamekeeper_control::{CloseWhy, Fallback, Found, HostedRoom, Restore, Tenancy};
use gamekeeper_crds::{
    GameRoom, GameRoomStatus,
    conditions::{self, FINISHED, reason},
    fleet,
    room::Phase,
};
use tokio::time::Instant;

use super::{
    FleetView, ServerState, ServerView,
    life::{self, Known, Published, Step},
    status::{self, Loss},
};
use crate::{
    backoff::Backoff,
    clock::Now,
    name::ObjectName,
    server::suspicion::Verdict,
    terms::{Epoch, Epochs},
};
pub use attempts::{Confirmed, Taken};
pub use links::{LinkNews, LinkState};
pub use standbys::MirrorTo;
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
    RoomAbsent { server_uid: String, room_uid: String },
    /// Something came over the link to a controlled server.
    Link { server_uid: String, news: LinkNews },
    /// A controlled server is lost, although its pod stands (I6).
    ServerLost { server_uid: String, verdict: Verdict },
    /// Others reach a controlled server, or its node answers, and we do not reach it. Its last sign of life came at `since`, or
    /// before.
    ServerCutOff { server_uid: String, since: Instant, noticed: Instant },
    /// A server that was lost is heard again.
    ServerBack { server_uid: String },
    /// The fleet does not need this controlled server any more: it is to retire, if it is empty.
    Unneeded { server_uid: String },
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
    /// Opens the room on a controlled server, from its checkpoint if it is to be restored. Answered by what comes
    /// over the server's link.
    Open { room: Arc<GameRoom>, server: ServerView, epoch: Epoch, restore: Option<Restore> },
    /// Tells a controlled server where its players go if it is lost, in place of what it was told before.
    TellFallbacks { server_uid: String, servers: Vec<Fallback> },
    /// Tells a controlled server where a room is that is sought there.
    TellFound { server_uid: String, found: Found },
    /// Tells a controlled server for whom it keeps copies of rooms: these servers, by their uids, in place of those before.
    StandBy { server_uid: String, wards: Vec<String> },
    /// Tells a controlled server where it sends copies of its rooms, in place of what it was told before.
    Mirror { server_uid: String, to: Option<MirrorTo> },
    /// Makes a controlled server let go of a room.
    Close { server_uid: String, tenancy: Tenancy, why: CloseWhy },
    /// Tells a controlled server to take no rooms, or to take rooms again.
    Drain { server_uid: String, is_on: bool },
    /// Tells a controlled server to take no rooms for ever.
    Retire { server_uid: String },
    /// Greets a controlled server anew: what it has is not what we thought.
    Greet { server_uid: String },
    /// Deletes a room whose time is over.
    DeleteRoom { room: Arc<GameRoom> },
    /// Tells the user that a room lost its server, and whether it goes on from a checkpoint.
    TellLoss { room: Arc<GameRoom>, loss: Loss, is_restored: bool },
    /// Tells that a room was taken from an owner that neither we nor the store heard.
    TellTaken(Taken),
    /// Somebody has acted under a later term: stop, and stand for election again.
    StepDown,
}

/// The ledger of all fleets.
#[derive(Clone, Debug)]
pub struct Ledger {
    tables: Tables,
    epochs: Epochs,
    term: u32,
    /// When all that exists had been heard of.
    synced_at: Option<Instant>,
    /// When to look whether the servers of a fleet are to be told of other fallbacks.
    reviews: BTreeMap<ObjectName, Instant>,
    is_succeeded: bool,
}

impl Ledger {
    /// An empty ledger of the leadership with this term.
    pub fn new(term: u32) -> Self {
        Self {
            tables: Tables::default(),
            epochs: Epochs::of(term),
            term,
            synced_at: None,
            reviews: BTreeMap::new(),
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
        self.note(event, now, &mut commands);
        if self.synced_at.is_none() {
            // Half of a picture is no picture: a room may have a server that was not listed yet.
            return commands;
        }
        let due = self.tables.take_due(now.instant);
        for uid in &due {
            self.settle(uid, now, &mut commands);
        }
        self.release_orphans(now, &mut commands);
        self.place_waiting(now, &mut commands);
        self.attempt_recoveries(now, &mut commands);
        for uid in &due {
            self.answer_seekers(uid, now, &mut commands);
            self.tell_waiting(uid, now, &mut commands);
        }
        self.tell_fallbacks(now, &mut commands);
        commands
    }

    /// When to call again even if nothing happens.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.tables.next_due()
    }

    /// What the servers of a fleet host.
    pub fn counts(&self, fleet: &ObjectName, now: Instant) -> fleet::RoomCounts {
        self.tables.counts(fleet, now)
    }

    /// Whether the server must not be removed: it has rooms, or may have some that players were told of.
    pub fn is_busy(&self, server_uid: &str) -> bool {
        let is_published = self.tables.published_on.contains_key(server_uid);
        let has_rooms = |it: &servers::ServerEntry| {
            let may_live = it.view.is_alive() || (!it.view.is_controlled && !it.view.has_failed());
            // Of a lost server only what players were told to find there counts, until they are told otherwise.
            let is_lost = self.tables.is_left(it);
            may_live && !is_lost && (it.rooms().next().is_some() || !it.promised.is_empty())
        };
        is_published || self.tables.server_entry(server_uid).is_some_and(has_rooms)
    }

    /// What a controlled server says of itself, if it was ever heard.
    pub fn link(&self, server_uid: &str) -> Option<LinkState> {
        let link = self.tables.server_entry(server_uid)?.link.as_ref()?;
        Some(LinkState { is_up: link.is_up, is_retired: link.is_retired })
    }

    /// Fleets whose counts may have changed since the last call.
    pub fn take_changed_fleets(&mut self) -> Vec<ObjectName> {
        self.tables.take_changed_fleets()
    }

    fn note(&mut self, event: Event, now: Now, commands: &mut Vec<Command>) {
        match event {
            Event::Fleet(name, view) => self.tables.set_fleet(name, view),
            Event::FleetGone(name) => self.tables.remove_fleet(&name),
            Event::Server(view) => {
                let uid = view.uid.clone();
                self.tables.set_server(view);
                commands.extend(self.tables.drain(&uid));
            }
            Event::ServerGone(uid) => {
                let promised = self.tables.remove_server(&uid);
                self.answer_opens(promised, Outcome::Conflict, now);
            }
            Event::Room(room) => self.tables.set_room(room, self.synced_at.is_some(), now),
            Event::RoomGone(room) => self.tables.remove_room(&room),
            Event::Synced => self.synced_at = Some(now.instant),
            Event::RoomAnswer { uid, outcome } => self.tables.answer_room(&uid, outcome, now.instant),
            Event::ServerAbsent { room_uid, server_uid } => {
                if let Some(room) = self.tables.room_mut(&room_uid) {
                    room.gone_server = Some(server_uid);
                }
            }
            Event::ServerAnswer { uid, outcome } => self.tables.answer_server(&uid, outcome, now.instant),
            Event::RoomAbsent { server_uid, room_uid } => {
                if let Some(server) = self.tables.server_entry_mut(&server_uid) {
                    server.orphans.insert(room_uid);
                }
            }
            Event::Link { server_uid, news } => self.note_link(&server_uid, news, now, commands),
            Event::ServerLost { server_uid, verdict } => {
                let promised = self.tables.server_lost(&server_uid, verdict);
                self.answer_opens(promised, Outcome::Conflict, now);
            }
            Event::ServerCutOff { server_uid, since, noticed } => {
                self.tables.cut_off(&server_uid, since, noticed, now.instant);
            }
            Event::ServerBack { server_uid } => self.tables.server_back(&server_uid),
            Event::Unneeded { server_uid } => commands.extend(self.tables.retire(&server_uid)),
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
        if named.is_some_and(|it| self.tables.is_letting_go(&it.pod_uid, uid)) && !is_over(&entry.room) {
            return;
        }
        self.note_taken(uid, now, commands);
        self.watch_clocks(uid, now);
        let Some(entry) = self.tables.room(uid) else { return };
        let known = self.known(entry, now);
        let (step, superseded) = life::next(&known, self.term, now);
        let superseded: Vec<String> = superseded.iter().map(|it| it.uid.clone()).collect();
        let room = entry.room.clone();
        for server in superseded {
            commands.extend(self.tables.release(&server, uid, why_closed(&room), now.instant));
        }
        if !matches!(step, Step::Place(_)) {
            self.tables.unqueue(uid);
        }
        match step {
            Step::Rest => (),
            Step::Write(status) => {
                self.tables.busy(uid);
                let before = room.status.as_ref();
                // A number of players or another certificate may wait; a place, a loss or a result may not.
                let is_urgent = before.is_none_or(|it| it.epoch != status.epoch || it.phase != status.phase);
                commands.push(Command::WriteStatus { room, status: Box::new(status), is_urgent });
            }
            Step::Reclaim(server) => commands.extend(self.promise(uid, &server)),
            Step::AskForServer => commands.extend(self.ask_for_server(uid, &room)),
            Step::Place(loss) => {
                commands.extend(loss.and_then(|loss| self.tables.loss_to_tell(uid, loss, now.instant)));
                if !self.end_poisoned(uid, now, commands) && !self.tell_not_restored(uid, now, commands) {
                    self.tables.queue(uid, now);
                }
            }
            Step::Over => self.expire(uid, &room, now, commands),
        }
    }

    fn known<'a>(&'a self, entry: &'a RoomEntry, now: Now) -> Known<'a> {
        let server = entry.room.status.as_ref().and_then(|it| it.server.as_ref()).map(|it| &it.pod_uid);
        let published = match server {
            None => Published::None,
            Some(uid) => match self.tables.server_entry(uid) {
                Some(it) if let Some(how) = self.tables.published_loss(entry, it) => Published::Lost(how),
                Some(it) if is_silent(it) && is_running(&entry.room) => Published::Silent,
                Some(server) => Published::There(&server.view),
                None if entry.gone_server.as_ref() == Some(uid) => Published::Gone,
                None => Published::Unheard,
            },
        };
        let timeout = self.tables.fleet(&entry.fleet).map(|it| it.claim_timeout);
        let waits_since = self.tables.unclaimed_since(&entry.uid);
        Known {
            room: &entry.room,
            tenancies: self.tables.tenancies_of(&entry.uid).collect(),
            published,
            is_unclaimed: waits_since.zip(timeout).is_some_and(|(since, it)| since + it <= now.instant),
            may_refresh: self.tables.refresh_at(&entry.uid, now.instant).is_ok(),
            refusal: entry.refusal.as_deref(),
            losses_in_a_row: entry.losses_in_a_row(),
            losses_if_kept: entry.losses_if_kept(now.instant),
        }
    }

    /// Looks at the room again when it has waited too long for players, or when its status may be refreshed.
    fn watch_clocks(&mut self, uid: &str, now: Now) {
        let Some(entry) = self.tables.room(uid) else { return };
        let timeout = self.tables.fleet(&entry.fleet).map(|it| it.claim_timeout);
        let claim_by = self.tables.unclaimed_since(uid).zip(timeout).map(|(since, it)| since + it);
        let status = entry.room.status.as_ref().filter(|it| it.phase == Phase::Running);
        let is_stale = |status: &GameRoomStatus| {
            let differs = |room: &HostedRoom| {
                i64::from(room.players) != i64::from(status.players)
                    || room.certificate_hashes != status.certificate_hashes
            };
            self.tables.tenancies_of(uid).any(|it| {
                it.hosted.is_some_and(|(room, _)| differs(room)) || status::is_checkpoint_news(status, &it)
            })
        };
        let refresh_at =
            self.tables.refresh_at(uid, now.instant).err().filter(|_| status.is_some_and(is_stale));
        for at in [claim_by.filter(|it| now.instant < *it), refresh_at].into_iter().flatten() {
            self.tables.wake(uid, at);
        }
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
        Event::Link { news, .. } => return news.latest_term(),
        _ => None,
    };
    epoch.map(Epoch::term).unwrap_or_default()
}

/// Whether a room is over, by its status.
fn is_over(room: &GameRoom) -> bool {
    room.status.as_ref().map_or(Phase::Pending, |it| it.phase).is_over()
}

/// Whether players were told of a server.
fn is_running(room: &GameRoom) -> bool {
    room.status.as_ref().is_some_and(|it| it.phase == Phase::Running)
}

/// Whether nobody can say what a controlled server, which may live, has.
fn is_silent(server: &servers::ServerEntry) -> bool {
    server.view.is_controlled && !matches!(server.view.state, ServerState::Ended(_)) && !server.is_linked()
}

/// Why a server must let go of a room.
fn why_closed(room: &GameRoom) -> CloseWhy {
    let conditions = room.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    let is_unclaimed =
        conditions::find(conditions, FINISHED).is_some_and(|it| it.reason == reason::UNCLAIMED);
    match (is_over(room), is_unclaimed) {
        (true, true) => CloseWhy::Unclaimed,
        (true, false) => CloseWhy::Finished,
        (false, _) => CloseWhy::Superseded,
    }
}
