//! A stay in a room, seen by the client.

mod approach;
mod clock;
mod link;
mod messages;
mod race;
mod reliable;
mod silence;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use approach::Approach;
use link::Link;
use messages::Messages;
use silence::{FalseAlarms, Silence};

use crate::{
    frame::{Credentials, Endpoint, Join, Joined, Place, Redirect, Refused, Role, Secret},
    inputs, limits,
    session::{FEATURES, PROTOCOL},
    snapshots::{Received, Shown},
};

/// A player's or spectator's stay in a room, over as many connections as it takes.
///
/// Whoever owns it makes connections when [`Happening::Connect`] says so and tells what becomes of them by
/// [`connected`](Self::connected) and [`lost`](Self::lost); moves the bytes of each; sends what
/// [`datagram`](Self::datagram) returns, after each input and each timeout; calls [`poll`](Self::poll) until
/// nothing has happened, and [`on_timeout`](Self::on_timeout) when [`next_timeout`](Self::next_timeout) says,
/// after [`heard`](Self::heard) if QUIC got anything from the server meanwhile.
///
/// A server that is silent for too long is suspected: attempts are made at all places where the room may be, while
/// the connection is kept. The first that lets the player in wins; if the old connection speaks before, they are
/// closed, and it was a false alarm, of which nothing is told.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    /// The way to the room: the connection in use, or the attempts to get one.
    main: Approach,
    /// The way to where the room moves, until we are there.
    ahead: Option<Ahead>,
    /// Attempts at the room where it was and elsewhere, while its server is silent or lost.
    rivals: Vec<Approach>,
    /// Of the server of the connection in use.
    silence: Silence,
    false_alarms: FalseAlarms,
    inputs: inputs::Sender,
    messages: Messages,
    /// The highest epoch that was heard of.
    epoch: u64,
    /// Since when there is no room, if there is none.
    lost_since: Option<Duration>,
    /// What a server said last that will not have us, while others may.
    refused: Option<Refused>,
    /// The connection, beside the one in use, that said Join last, and when.
    asked_elsewhere: Option<(LinkId, Duration)>,
    has_joined: bool,
    is_leaving: bool,
    is_over: bool,
    links: u32,
    happenings: VecDeque<Happening>,
}

/// Where the room will be.
#[derive(Debug)]
struct Ahead {
    approach: Approach,
    epoch: u64,
    until: Duration,
}

/// Who we are, and where we want to play.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The uid of the room, or its name.
    pub room: String,
    /// To play, or to watch.
    pub role: Role,
    /// Who we are.
    pub credentials: Credentials,
    /// 32 random bytes. Whoever starts the program anew and wants the same seat keeps them.
    pub secret: Secret,
}

/// One connection of a session, or an attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// What happened, and what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Connect to this endpoint.
    Connect {
        /// How to speak of this connection.
        link: LinkId,
        /// Where to.
        endpoint: Endpoint,
        /// SHA-256 of the certificates that it may show; none: the usual rules of the web hold.
        certificate_hashes: Vec<[u8; limits::CERTIFICATE_HASH_BYTES]>,
    },
    /// Close this connection. It is not spoken of any more, and what is under way on it may be lost.
    Close {
        /// Which.
        link: LinkId,
    },
    /// In the room, for the first time or again: maybe by another server, and at an earlier tick than before.
    Joined(Joined),
    /// From the game.
    Message(Vec<u8>),
    /// The room moves. To be shown, if at all: the session does what is to be done.
    Redirected(Redirect),
    /// The connection was lost: it is no more, or another one has taken its place after a silence. The session
    /// tries to come back, or [`Joined`](Self::Joined) follows at once.
    Lost,
    /// Not let in. The session is over.
    Refused(Refused),
    /// Another program has taken the seat, with the same secret. The session is over: whoever came back would be
    /// thrown out again, or throw the other out.
    Replaced,
    /// The match is over, and so is the session.
    Ended(BTreeMap<String, String>),
    /// The room is not to be found. The session is over.
    GaveUp,
    /// Gone, as was wanted. The session is over.
    Left,
}

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A connection is being made.
    Connecting,
    /// It is there; the server has not answered.
    Joining,
    /// In the room.
    Playing,
    /// Between two attempts to connect.
    Lost,
    /// For good.
    Over,
}

/// Why something is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// More than 1,024 bytes.
    #[error("{0} bytes are too long")]
    TooLong(usize),
    /// Spectators only watch.
    #[error("spectators only watch")]
    Spectator,
    /// There is no room to send it to, or not now and its server did not confirm messages.
    #[error("not in a room")]
    NotPlaying,
    /// The server has not read or not confirmed what was sent before.
    #[error("too much waits to be sent")]
    Full,
}

impl Session {
    /// A stay that begins with a connection to `place`.
    pub fn new(identity: Identity, place: Place, now: Duration) -> Self {
        let mut session = Self {
            identity,
            main: Approach::new(place, Place::default(), now),
            ahead: None,
            rivals: Vec::new(),
            silence: Silence::since(now),
            false_alarms: FalseAlarms::default(),
            inputs: inputs::Sender::default(),
            messages: Messages::default(),
            epoch: 0,
            lost_since: Some(now),
            refused: None,
            asked_elsewhere: None,
            has_joined: false,
            is_leaving: false,
            is_over: false,
            links: 0,
            happenings: VecDeque::new(),
        };
        session.on_timeout(now);
        session
    }

    /// What happened.
    pub fn poll(&mut self) -> Option<Happening> {
        self.happenings.pop_front()
    }

    /// Where the session is.
    pub fn state(&self) -> State {
        match (&self.main.link, self.is_over) {
            (_, true) => State::Over,
            (None, _) => self.rivals.iter().find_map(|it| it.link.as_ref()).map_or(State::Lost, Link::state),
            (Some(link), _) => link.state(),
        }
    }

    /// The connection over which the room is played, or is to be.
    pub fn main(&self) -> Option<LinkId> {
        self.main.link.as_ref().map(|it| it.id)
    }

    /// The server that a connection leads to has shown this certificate, by its SHA-256: to be called before
    /// [`connected`](Self::connected), so that two addresses of one server do not take the seat from each other.
    pub fn identified(&mut self, link: LinkId, certificate: [u8; limits::CERTIFICATE_HASH_BYTES]) {
        if let Some(link) = self.approach(link).and_then(|it| it.link.as_mut()) {
            link.server = Some(certificate);
        }
    }

    /// A connection was made.
    pub fn connected(&mut self, link: LinkId, now: Duration) {
        if !self.is_to_settle(link) {
            return self.join(link, now);
        }
        if let Some(link) = self.approach(link).and_then(|it| it.link.as_mut()) {
            link.settle(now.saturating_add(limits::SETTLE_FOR));
        }
    }

    fn join(&mut self, link: LinkId, now: Duration) {
        if let Some(until) = self.asked_until(link) {
            self.happenings.push_back(Happening::Close { link });
            if let Some(approach) = self.approach(link) {
                approach.park(until, now);
            }
            return;
        }
        if !self.main.is(link) {
            self.asked_elsewhere = Some((link, now));
        }
        let Identity { room, role, credentials, secret } = self.identity.clone();
        let first_input = self.inputs.first();
        let join =
            Join { protocol: PROTOCOL, features: FEATURES, room, role, credentials, secret, first_input };
        if let Some(link) = self.approach(link).and_then(|it| it.link.as_mut()) {
            link.join(join, now);
        }
    }

    /// A connection was lost, or was not made.
    pub fn lost(&mut self, link: LinkId, now: Duration) {
        if self.main.is(link) {
            self.main_failed(now);
        } else if let Some(ahead) = self.ahead.as_mut().filter(|it| it.approach.is(link)) {
            ahead.approach.failed(now);
        } else {
            self.rival_failed(link, now);
        }
    }

    /// A datagram came. Returns a snapshot that is to be shown.
    pub fn on_datagram(&mut self, link: LinkId, datagram: &[u8], now: Duration) -> Option<Shown<'_>> {
        // Where the room will be, it is not yet.
        let current = self.main.link.as_mut().filter(|it| it.id == link && it.state() == State::Playing)?;
        let is_shown = current.on_datagram(datagram, now);
        self.inputs.acknowledge(current.snapshots.input_ack());
        self.hear(now);
        match is_shown {
            Ok(true) => self.main.link.as_ref()?.snapshots.newest(),
            Ok(false) => None,
            Err(_) => {
                self.close_main(now);
                None
            }
        }
    }

    /// The player does something. Returns the number of this input. [`datagram`](Self::datagram) sends it.
    pub fn input(&mut self, input: &[u8]) -> Result<u64, NotSent> {
        match self.identity.role {
            Role::Spectator => return Err(NotSent::Spectator),
            Role::Player => {}
        }
        if self.is_over || !self.has_joined {
            return Err(NotSent::NotPlaying);
        }
        let number = self.inputs.push(input).map_err(|it| NotSent::TooLong(it.0))?;
        if let Some(link) = &mut self.main.link {
            link.is_due = true;
        }
        Ok(number)
    }

    /// Puts the next datagram, of at most `budget` bytes, into `out`, if one is due, and says where to send it.
    pub fn datagram(&mut self, budget: usize, now: Duration, out: &mut Vec<u8>) -> Option<LinkId> {
        let is_waiting = !self.inputs.is_empty();
        let link = self.main.link.as_mut()?;
        if link.datagram_at(is_waiting).is_none_or(|it| now < it) {
            return None;
        }
        self.inputs.encode(link.snapshots.ack(), budget, out);
        link.sent(now);
        Some(link.id)
    }

    /// What became of snapshots on the connection in use.
    pub fn snapshots(&self) -> Received {
        self.main.link.as_ref().map(|it| it.snapshots.counts()).unwrap_or_default()
    }

    /// Inputs up to this one have arrived, or were given up.
    pub fn acknowledged(&self) -> u64 {
        self.inputs.first() - 1
    }

    /// Inputs that were not acknowledged in time to be kept: nobody knows whether they arrived.
    pub fn inputs_given_up(&self) -> u64 {
        self.inputs.lost()
    }

    fn approach(&mut self, link: LinkId) -> Option<&mut Approach> {
        let ahead = self.ahead.as_mut().map(|it| &mut it.approach);
        std::iter::once(&mut self.main).chain(ahead).chain(&mut self.rivals).find(|it| it.is(link))
    }
}
