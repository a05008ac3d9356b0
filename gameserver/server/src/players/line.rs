//! A connection as its session, the threads that tick and its two tasks share it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use gamekeeper_player::{
    frame,
    session::{
        self, Violation,
        server::{Happening, NotSaid, Session},
    },
};
use gamekeeper_room::{Ending, NotHeard, Presence, Seat, Tick};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::{CLOSED_BY_SERVER, REPLACED};
use crate::{audience::Viewer, clock::Clock, desk::until, place::Place};

/// Bytes that are moved between stream and session at once.
const CHUNK: usize = 2048;

/// Memory for datagrams: cut into pieces as they are sent, and taken back whole when all of them are gone.
const POOL: usize = 16 * 1024;

/// How long a client may take to read the last words.
const GOODBYE: Duration = Duration::from_secs(1);

/// One connection.
pub(super) struct Line {
    connection: Connection,
    clock: Clock,
    session: Mutex<Session>,
    pool: Mutex<BytesMut>,
    seat: OnceLock<Option<Seat>>,
    /// There is something to be written to the stream, or nothing more to be heard.
    wake: Notify,
    is_closed: AtomicBool,
    /// With which it is closed.
    code: AtomicU32,
}

impl Line {
    /// `since` is when it was made: its client has so long to say what it wants.
    pub(super) fn new(connection: Connection, clock: Clock, since: Duration) -> Arc<Self> {
        Arc::new(Self {
            connection,
            clock,
            session: Mutex::new(Session::new(since)),
            pool: Mutex::default(),
            seat: OnceLock::new(),
            wake: Notify::new(),
            is_closed: AtomicBool::new(false),
            code: AtomicU32::new(session::CLOSED),
        })
    }

    /// Held for moments only: the thread that ticks waits for it.
    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its player sits; `None`: a spectator.
    pub(super) fn sit(&self, seat: Option<Seat>) {
        // Once: a connection has one Join.
        let _ = self.seat.set(seat);
    }

    /// Ends the connection at once, whatever was still to be said.
    pub(super) fn close(&self, code: VarInt, why: &str) {
        if !self.is_closed.swap(true, Ordering::Relaxed) {
            self.connection.close(code, why.as_bytes());
        }
        self.wake.notify_one();
    }

    fn end_by(&self, violation: Violation) {
        debug!(address = %self.connection.remote_address(), %violation, "a player's connection is ended");
        self.code.store(violation.code(), Ordering::Relaxed);
        match violation {
            // What is wrong is told on the stream first.
            Violation::Malformed(_) | Violation::Unexpected(_) => self.wake.notify_one(),
            Violation::NoJoin | Violation::Flood | Violation::NotReading => {
                self.close(VarInt::from_u32(violation.code()), &violation.to_string());
            }
        }
    }

    /// Takes in datagrams until the connection ends.
    pub(super) async fn hear_all(self: Arc<Self>, place: Arc<Place>, presence: Option<Presence>) {
        while let Ok(datagram) = self.connection.read_datagram().await {
            let now = self.clock.now();
            let mut session = self.session();
            let mut is_replaced = false;
            let heard = session.on_datagram(&datagram, now, |number, input| {
                if let Some(presence) = presence {
                    // Who comes after the end is not heard.
                    let heard = place.door().numbered_input(presence, number, input);
                    is_replaced |= heard == Err(NotHeard::Replaced);
                }
            });
            drop(session);
            if let Err(violation) = heard {
                return self.end_by(violation);
            }
            if is_replaced {
                // Another connection has the seat, although this one was entered last: nobody would see that nothing
                // it sends counts.
                return self.replaced();
            }
        }
    }
}

impl Viewer for Line {
    fn seat(&self) -> Option<Seat> {
        self.seat.get().copied().flatten()
    }

    fn show(&self, tick: Tick, state: &[u8]) {
        // Without datagrams there is no snapshot: such a client is none of ours.
        let Some(budget) = self.connection.max_datagram_size() else { return };
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = self.session().snapshot(tick.0, state, budget, self.clock.now(), |datagram| {
            if pool.capacity() < datagram.len() {
                pool.reserve(POOL);
            }
            pool.extend_from_slice(datagram);
            // When the path is full, the oldest that waits is dropped for it.
            let _ = self.connection.send_datagram(pool.split().freeze());
        });
        if let Err(error) = sent {
            warn!(%error, "a snapshot cannot be sent");
        }
    }

    fn confirm(&self, number: u64) {
        let told = self.session().confirm(number, self.clock.now());
        match told {
            Ok(()) => self.wake.notify_one(),
            Err(violation) => self.end_by(violation),
        }
    }

    fn tell(&self, body: &[u8]) {
        match self.session().message(body, self.clock.now()) {
            Ok(()) => self.wake.notify_one(),
            Err(NotSaid::NotReading) => self.end_by(Violation::NotReading),
            // The room has seen to that.
            Err(NotSaid::TooLong(length)) => warn!(length, "a message is too long"),
        }
    }

    fn fallbacks(&self, place: &frame::Place) {
        let told = self.session().fallbacks(place.clone(), self.clock.now());
        match told {
            Ok(()) => self.wake.notify_one(),
            Err(violation) => self.end_by(violation),
        }
    }

    fn end(&self, ending: &Ending) {
        // Whoever does not read is not told.
        let _ = self.session().end(ending.values().clone(), self.clock.now());
        self.wake.notify_one();
    }

    fn go(&self) {
        if !self.session().is_over() {
            self.close(CLOSED_BY_SERVER, "the room is not here any more");
        }
    }

    fn replaced(&self) {
        self.close(REPLACED, "the same player has come by another connection");
    }
}

/// The task that moves the bytes of a connection's stream.
pub(super) struct Talk {
    line: Arc<Line>,
    send: SendStream,
    recv: RecvStream,
    /// Taken from the session and not written yet.
    output: Vec<u8>,
    input: Box<[u8; CHUNK]>,
    /// Nothing more comes on the stream.
    is_read: bool,
}

impl Talk {
    pub(super) fn new(line: Arc<Line>, send: SendStream, recv: RecvStream) -> Self {
        Self { line, send, recv, output: Vec::new(), input: Box::new([0; CHUNK]), is_read: false }
    }

    /// Moves bytes until something happens of which `wanted` makes something, or nothing more can happen.
    pub(super) async fn next<T>(&mut self, wanted: impl Fn(Happening<'_>) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = self.take(&wanted) {
                return Some(found);
            }
            if self.line.is_closed.load(Ordering::Relaxed) || self.line.session().is_over() {
                return None;
            }
            self.step().await?;
        }
    }

    /// What has happened by now.
    fn take<T>(&self, wanted: &impl Fn(Happening<'_>) -> Option<T>) -> Option<T> {
        let mut session = self.line.session();
        loop {
            match session.poll(self.line.clock.now()) {
                Ok(Some(happening)) => {
                    if let Some(found) = wanted(happening) {
                        return Some(found);
                    }
                }
                Ok(None) => return None,
                Err(violation) => {
                    self.line.end_by(violation);
                    return None;
                }
            }
        }
    }

    /// Waits for one thing and does it. `None`: the connection is gone.
    async fn step(&mut self) -> Option<()> {
        let Self { line, send, recv, output, input, is_read } = self;
        let (room, timeout) = {
            let mut session = line.session();
            if output.is_empty() {
                output.extend_from_slice(session.stream_output());
                let taken = output.len();
                session.consumed(taken);
            }
            (session.stream_room().min(CHUNK), session.next_timeout())
        };
        let due = timeout.map(|it| line.clock.instant(it));
        tokio::select! {
            read = recv.read(input.get_mut(..room)?), if !*is_read && 0 < room => match read {
                Ok(Some(length)) => {
                    let heard = line.session().on_stream(input.get(..length)?, line.clock.now());
                    if let Err(violation) = heard {
                        line.end_by(violation);
                    }
                }
                Ok(None) => *is_read = true,
                Err(_) => return None,
            },
            written = send.write(output), if !output.is_empty() => {
                output.drain(..written.ok()?);
            }
            () = line.wake.notified() => (),
            () = until(due) => {
                if let Err(violation) = line.session().on_timeout(line.clock.now()) {
                    line.end_by(violation);
                }
            }
            _ = line.connection.closed() => return None,
        }
        Some(())
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Waits until the connection is closed.
    pub(super) async fn closed(&self) {
        self.line.connection.closed().await;
    }

    /// Says what is still to be said, waits until it is read, and closes.
    pub(super) async fn say_goodbye(mut self) {
        let goodbye = async {
            while !self.line.session().stream_output().is_empty() || !self.output.is_empty() {
                if self.step().await.is_none() {
                    return;
                }
            }
            if self.send.finish().is_ok() {
                // Until the client has all of it: closing takes back what is under way.
                let _ = self.send.stopped().await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        let code = self.line.code.load(Ordering::Relaxed);
        self.line.close(VarInt::from_u32(code), "");
    }
}
