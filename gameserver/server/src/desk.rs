//! The task that owns the host: hears of everything that happens, and carries out what follows.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use gamekeeper_control::{Fallback, Hello, agree};
use gamekeeper_room::{
    Door, Host, Room, Setup, Tenancy,
    host::{Action, Command, Event, HelloRefusedWhy, Order, Report, RoomNumber, StreamId},
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
    place::Place,
    players,
    pulse::Pulse,
    rooms::Rooms,
    worker::Workers,
};

/// News that wait for the desk, of each kind. Streams wait when it is full, threads try again with the next tick.
pub(crate) const NOTES_MAX: usize = 256;

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
    /// Nothing more comes over a stream.
    StreamEnded(StreamId),
    /// A game was made, or was not.
    Made(RoomNumber, Result<Made, String>),
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
            Note::StreamEnded(stream) => {
                self.forget(stream).inspect(Outbox::finish);
                self.on(Event::StreamEnded(stream));
            }
            Note::Made(room, Ok(made)) => {
                self.made = Some((room, made));
                self.on(Event::Made { room, outcome: Ok(()) });
            }
            Note::Made(room, Err(message)) => self.on(Event::Made { room, outcome: Err(message) }),
            Note::Room(event) => self.on(event),
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
        let Order { tenancy: Tenancy { namespace, name, uid, epoch }, seats, parameters } = order;
        let setup = Setup { namespace, name, uid, seats, parameters, tick_rate: self.tick_rate };
        self.openers.make(Wish { room, setup, epoch });
    }

    fn run_room(&mut self, number: RoomNumber, tenancy: Tenancy) {
        let Some((_, Made { mut room, door })) = self.made.take().filter(|it| it.0 == number) else {
            return error!(number = number.0, "a room is to run that was not made");
        };
        room.adopt(tenancy.epoch);
        let place = Arc::new(Place::new(number, tenancy, door));
        self.rooms.insert(place.clone());
        self.workers.run(place, room);
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
