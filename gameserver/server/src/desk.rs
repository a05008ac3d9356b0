//! The task that owns the host: hears of everything that happens, and carries out what follows.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use gamekeeper_control::{Fallback, Found, Hello, Mirror, StandingBy, ToOperator, Token, agree};
use gamekeeper_player::admission::Guests;
use gamekeeper_room::{
    Build, Door, Host, Room, Schema, Setup, Tenancy,
    host::{Action, Command, Event, HelloRefusedWhy, NotMade, Order, Report, RoomNumber, StreamId},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{debug, error, info, warn};

use crate::{
    clock::Clock,
    convert::{self, Identity, SPOKEN},
    listener::LineInfo,
    opener::{Openers, Wish},
    outbox::Outbox,
    place::{Company, Place},
    players::{self, Seekers},
    pulse::Pulse,
    rooms::Rooms,
    standby::Standby,
    vault::{Lost, Vault},
    worker::{Seated, Workers},
};

/// News that wait for the desk, of each kind. Streams wait when it is full, threads try again with the next tick.
pub(crate) const NOTES_MAX: usize = 256;

/// Who was there when a room was lost has so long to come back before the game is told that they left.
const RETURN_WITHIN: Duration = Duration::from_secs(10);

/// Something that the desk is told.
#[derive(Debug)]
pub(crate) enum Note {
    /// A stream began with a Hello.
    Greeted(StreamId, Hello, Caller),
    /// A stream began with anything else; or, without a caller, a second Hello came over it.
    Garbled(StreamId, Option<Caller>),
    /// A command came over a stream.
    Asked(StreamId, Command),
    /// Over a stream it was said where players go if this server is lost.
    Fallbacks(StreamId, Vec<Fallback>),
    /// Over a stream it was said for whom this server stands by.
    StandBy(StreamId, Vec<Token>),
    /// And where its own standby is.
    Mirror(StreamId, Option<Mirror>),
    /// Over a stream it was said where a room is that was sought here.
    Found(StreamId, Found),
    /// Players wait for these rooms.
    Sought(Vec<String>),
    /// Nothing more comes over a stream.
    StreamEnded(StreamId),
    /// A game was made, or was not.
    Made(RoomNumber, Result<Made, NotMade>),
    /// What a room on a thread does.
    Room(Event),
}

/// Who is at the other end of a stream.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) outbox: Outbox,
    pub(crate) line: LineInfo,
}

/// A room that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) room: Box<Room>,
    pub(crate) door: Door,
    pub(crate) guests: Guests,
    /// From when on it is ours.
    pub(crate) since: Duration,
    pub(crate) is_restored: bool,
}

/// The task.
pub(crate) struct Desk {
    pub(crate) host: Host,
    pub(crate) identity: Identity,
    pub(crate) clock: Clock,
    pub(crate) tick_rate: NonZeroU32,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) rooms: Rooms,
    pub(crate) openers: Openers,
    pub(crate) workers: Workers,
    /// Of a fleet with `state`.
    pub(crate) vault: Option<Vault>,
    /// And of one with players, at this port.
    pub(crate) standby: Option<(Standby, u16)>,
    /// Which stream was told where copies are taken.
    pub(crate) standing_by: Option<StreamId>,
    pub(crate) seekers: Seekers,
    /// Of what its games save.
    pub(crate) schema: Schema,
    /// Which saves it.
    pub(crate) build: Build,
    /// For those that work for it.
    pub(crate) notes: mpsc::Sender<Note>,
    pub(crate) callers: HashMap<StreamId, Caller>,
    /// Between its Made and its Run.
    pub(crate) made: Option<(RoomNumber, Made)>,
}

impl Desk {
    /// Until `stop` is cancelled and all rooms are closed, or `patience` has run out. Returns how many rooms
    /// are left.
    pub(crate) async fn run(
        mut self,
        mut from_streams: mpsc::Receiver<Note>,
        mut from_threads: mpsc::Receiver<Note>,
        stop: CancellationToken,
        patience: Duration,
    ) -> usize {
        let mut deadline = None;
        while deadline.is_none() || 0 < self.host.rooms() {
            let due = self.host.next_due().map(|it| self.clock.instant(it));
            tokio::select! {
                Some(note) = from_threads.recv() => self.note(note),
                Some(note) = from_streams.recv() => self.note(note),
                () = until(due) => self.on(Event::TimePassed),
                () = stop.cancelled(), if deadline.is_none() => {
                    info!(rooms = self.host.rooms(), "told to stop: no new rooms, and those that are here are played on");
                    deadline = Some(Instant::now() + patience);
                    self.on(Event::Stopping);
                }
                () = until(deadline) => {
                    warn!(rooms = self.host.rooms(), "stopping with rooms: they took too long to end");
                    break;
                }
            }
        }
        for (stream, caller) in self.callers.drain() {
            self.pulse.detach(stream);
            caller.outbox.finish();
        }
        self.host.rooms()
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Greeted(stream, hello, caller) => {
                let Hello { term, identity, protocol, heartbeat } = hello;
                info!(term, operator = identity, "greeted");
                self.callers.insert(stream, caller);
                self.on(Event::Greeted { stream, term, protocol: agree(protocol, SPOKEN), heartbeat });
                self.seekers.ask_anew();
            }
            Note::Garbled(stream, caller) => {
                self.callers.extend(caller.map(|it| (stream, it)));
                self.on(Event::Garbled(stream));
            }
            Note::Asked(stream, command) => self.on(Event::Asked(stream, command)),
            // Not what comes late over a stream that another has replaced.
            Note::Fallbacks(stream, servers) => {
                if self.callers.contains_key(&stream) {
                    self.rooms.set_fallbacks(&players::merged(servers));
                }
            }
            Note::Found(stream, found) => {
                if self.callers.contains_key(&stream) {
                    self.seekers.found(found);
                }
            }
            Note::Sought(rooms) => {
                for Caller { outbox, .. } in self.callers.values() {
                    // Whoever does not read is ended, and asked anew on the next stream.
                    outbox.send(ToOperator::Sought(rooms.clone()));
                }
            }
            Note::StandBy(stream, tokens) => self.stand_by(stream, &tokens),
            Note::Mirror(stream, to) => {
                // Not what comes late over a stream that another has replaced.
                let standby = self.standby.as_ref().filter(|_| self.callers.contains_key(&stream));
                standby.inspect(|(it, _)| it.mirror(to));
            }
            Note::StreamEnded(stream) => {
                self.forget(stream).inspect(Outbox::finish);
                self.on(Event::StreamEnded(stream));
            }
            Note::Made(room, Ok(made)) => {
                self.made = Some((room, made));
                self.on(Event::Made { room, outcome: Ok(()) });
            }
            Note::Made(room, Err(why)) => self.on(Event::Made { room, outcome: Err(why) }),
            Note::Room(Event::Restate) => {
                self.on(Event::Restate);
                self.tell_standing_by();
            }
            Note::Room(event) => self.on(event),
        }
    }

    fn stand_by(&mut self, stream: StreamId, tokens: &[Token]) {
        let Some((standby, _)) = self.standby.as_ref().filter(|_| self.callers.contains_key(&stream)) else {
            return;
        };
        standby.expect(tokens);
        self.standing_by = Some(stream);
        self.tell_standing_by();
    }

    /// Where copies are taken, for whoever asked.
    fn tell_standing_by(&self) {
        let Some((_, port)) = self.standby else { return };
        if let Some(stream) = self.standing_by
            && let Some(Caller { outbox, .. }) = self.callers.get(&stream)
        {
            let certificate_hashes = self.identity.hashes.get();
            let standing_by = ToOperator::StandingBy(StandingBy { certificate_hashes, port });
            // Whoever does not read is ended, and hears it on the next stream.
            outbox.send(standing_by);
        }
    }

    fn on(&mut self, event: Event) {
        for action in self.host.on(event, self.clock.now()) {
            self.carry_out(action);
        }
        if self.pulse.host(0 < self.host.rooms()) {
            self.workers.knock();
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send(stream, report) => self.send(stream, report),
            Action::Beat(stream, heartbeat) => {
                if let Some(Caller { outbox, line }) = self.callers.get(&stream) {
                    line.keep(true);
                    self.pulse.attach(stream, outbox.clone(), heartbeat, self.clock.now());
                    self.workers.knock();
                }
            }
            Action::End(stream) => {
                self.forget(stream).inspect(Outbox::finish);
            }
            Action::Replace(stream) => {
                let status = Status::aborted("replaced by a stream of the same or a higher term");
                self.forget(stream).inspect(|it| it.abort(status));
            }
            Action::Make(room, order) => self.make(room, order),
            Action::Run(room, tenancy) => self.run_room(room, tenancy),
            Action::Adopt(room, epoch) => {
                self.rooms.get(room).inspect(|it| it.adopt(epoch));
            }
            Action::Shut(room) => {
                self.rooms.remove(room);
            }
            Action::Drop(room) => {
                self.rooms.remove(room).inspect(|it| it.close());
            }
        }
    }

    fn send(&mut self, stream: StreamId, report: Report) {
        tell(&report);
        let Some(caller) = self.callers.get(&stream) else { return };
        if !caller.outbox.send(convert::message(report, &self.identity)) {
            warn!("the operator does not read what is sent: its stream is ended");
            // The reader of the stream ends too, and tells the host.
            self.pulse.detach(stream);
        }
    }

    fn make(&mut self, room: RoomNumber, order: Order) {
        let Order { tenancy: Tenancy { namespace, name, uid, epoch }, seats, parameters, restore } = order;
        let setup = Setup { namespace, name, uid, seats, parameters, tick_rate: self.tick_rate };
        match (&self.vault, restore) {
            (Some(vault), Some(restore)) => {
                let lost = Lost { room, setup, epoch, restore };
                vault.restore(lost, self.openers.clone(), self.notes.clone());
            }
            // It was not offered to restore, and so not asked for.
            (None, _) | (Some(_), None) => self.openers.make(Wish { room, setup, epoch, found: None }),
        }
    }

    fn run_room(&mut self, number: RoomNumber, tenancy: Tenancy) {
        let Some((_, made)) = self.made.take().filter(|it| it.0 == number) else {
            return error!(number = number.0, "a room is to run that was not made");
        };
        let Made { mut room, door, guests, since, is_restored } = made;
        room.adopt(tenancy.epoch);
        let custody = self.vault.as_ref().map(|it| it.custody(since));
        let company = Company { door, guests, custody, schema: self.schema, build: self.build };
        let place = Arc::new(Place::new(number, tenancy, company));
        // Who comes before the first tick is told how far it is.
        place.ticked(room.tick());
        self.rooms.insert(place.clone());
        let saved = self.vault.as_ref().map(|it| it.keep(place.clone(), since, self.notes.clone()));
        let dismiss_at = is_restored.then(|| self.clock.now().saturating_add(RETURN_WITHIN));
        self.workers.run(Seated::new(place, room, saved, dismiss_at));
    }

    /// The stream hears nothing more.
    fn forget(&mut self, stream: StreamId) -> Option<Outbox> {
        let Caller { outbox, line } = self.callers.remove(&stream)?;
        line.keep(false);
        self.pulse.detach(stream);
        Some(outbox)
    }
}

/// What is told to people, beside the operator.
fn tell(report: &Report) {
    match report {
        Report::Opened(it) => info!(room = it.name, namespace = it.namespace, epoch = it.epoch.0, "opened"),
        Report::Closed(it) => info!(room = it.name, namespace = it.namespace, epoch = it.epoch.0, "closed"),
        Report::Refused { tenancy: it, message, .. } => {
            info!(room = it.name, namespace = it.namespace, epoch = it.epoch.0, message, "refused");
        }
        // Whoever it is, an operator it is not.
        Report::HelloRefused { why: HelloRefusedWhy::Malformed, .. } => debug!("refused what was no Hello"),
        Report::HelloRefused { why, highest_term } => info!(?why, highest_term, "refused a Hello"),
        Report::Draining(is_draining) => info!(is_draining, "draining"),
        Report::Retired { is_retired, rooms } => info!(is_retired, rooms, "retired"),
        Report::Finished(it, _) => debug!(room = it.name, namespace = it.namespace, "finished"),
        Report::CheckpointFailed(it, message) if message.is_empty() => {
            info!(room = it.name, namespace = it.namespace, "its checkpoints are stored again");
        }
        Report::CheckpointFailed(it, message) => {
            warn!(room = it.name, namespace = it.namespace, message, "its checkpoints are not stored");
        }
        Report::Welcome(_) | Report::RoomState { .. } | Report::Fault(..) => (),
    }
}

/// Waits for ever if there is no time to wait for.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
