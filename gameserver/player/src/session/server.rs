//! A connection, seen by the server.

mod budget;
mod talk;

use std::{ops::Range, time::Duration};

use budget::Budget;
pub use talk::NotSaid;

use crate::{
    Malformed,
    datagram::Input,
    frame::{Join, Joined, Place, Refused, RefusedWhy, Role, ToPlayer, ToServer},
    inputs,
    lane::{Inbox, Outbox},
    limits,
    session::{CONFIRMED_MESSAGES, FEATURES, Violation},
    snapshots,
};

/// One connection of a client, from its first byte to its last. A client that comes again has a new one.
///
/// Whoever owns it moves the bytes: as many as there is [`stream_room`](Self::stream_room) for from the stream
/// to [`on_stream`](Self::on_stream), [`stream_output`](Self::stream_output) to the stream, datagrams both
/// ways; calls [`poll`](Self::poll) until nothing has happened, and [`on_timeout`](Self::on_timeout) when
/// [`next_timeout`](Self::next_timeout) says. A [`Violation`] ends the connection, with its code.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    inbox: Inbox,
    outbox: Outbox,
    budget: Budget,
    snapshots: snapshots::Sender,
    inputs: inputs::Receiver,
    /// Messages up to this one have been heard.
    confirmed: u64,
    ignored: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has been said.
    Opened { join_by: Duration },
    /// Waits for [`Session::admit`] or [`Session::refuse`]. Whatever else the client says waits too.
    Asked { protocol: u64, features: u64, first_input: u64, role: Role },
    /// In the room.
    Playing { role: Role },
    /// There are only last words to be read.
    Over { close_by: Duration },
}

/// Something that a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening<'a> {
    /// It wants in: answer with [`Session::admit`] or [`Session::refuse`], at once or when it is known.
    Join(Join),
    /// For the game.
    Message(&'a [u8]),
    /// For the game, with its number, unless it came before: two connections of a player may overlap. Answer with
    /// [`Session::confirm`] when it has been heard.
    Numbered(u64, &'a [u8]),
    /// It goes for good. The session is over.
    Leave,
}

/// What a player is admitted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its place.
    pub seat: u32,
    /// Its name.
    pub player: String,
    /// Of the room's tenancy here.
    pub epoch: u64,
    /// The room's last tick.
    pub tick: u64,
    /// Ticks per second.
    pub tick_rate: u32,
    /// [`Session::input_ack`] of the player's last connection, if it had one; else 0.
    pub input_ack: u64,
    /// Up to which number the player's messages on earlier connections have been heard; else 0.
    pub message_ack: u64,
    /// Where to look for the room if this server is lost.
    pub fallbacks: Place,
}

/// What was not heeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What became of inputs.
    pub inputs: inputs::Received,
    /// Datagrams above the budget.
    pub above_budget: u64,
    /// Datagrams of an unknown type, from a spectator, or before Joined.
    pub ignored: u64,
}

impl Session {
    /// A connection was made.
    pub fn new(now: Duration) -> Self {
        Self {
            phase: Phase::Opened { join_by: now.saturating_add(limits::JOIN_WITHIN) },
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            budget: Budget::new(now),
            snapshots: snapshots::Sender::default(),
            inputs: inputs::Receiver::after(0),
            confirmed: 0,
            ignored: 0,
        }
    }

    /// How many bytes may be read from the stream now. When there is none, what came waits for its turn.
    pub fn stream_room(&self) -> usize {
        self.inbox.room(limits::INBOX_TO_SERVER_BYTES_MAX)
    }

    /// Bytes came on the stream.
    pub fn on_stream(&mut self, bytes: &[u8], now: Duration) -> Result<(), Violation> {
        if self.is_over() || self.inbox.push(bytes, limits::INBOX_TO_SERVER_BYTES_MAX) {
            return Ok(());
        }
        Err(self.end_by(Violation::Flood, now))
    }

    /// What the client says next, as far as its budget goes.
    pub fn poll(&mut self, now: Duration) -> Result<Option<Happening<'_>>, Violation> {
        loop {
            match self.next_frame(now) {
                // It was heard by an earlier connection, which was lost before its client was told.
                Ok(Some(frame)) if self.is_repeated(frame.clone()) => self.say_heard(now)?,
                Ok(Some(frame)) => return self.on_frame(frame, now),
                Ok(None) => return Ok(None),
                Err(violation) => return Err(self.end_by(violation, now)),
            }
        }
    }

    /// A datagram came. The inputs in it that are due go to `input`, each with its number.
    pub fn on_datagram(
        &mut self,
        datagram: &[u8],
        now: Duration,
        input: impl FnMut(u64, &[u8]),
    ) -> Result<(), Violation> {
        if self.is_over() {
            return Ok(());
        }
        let is_within = self.budget.datagram(now).map_err(|it| self.end_by(it, now))?;
        if is_within {
            self.heard(datagram, input).map_err(|it| self.end_by(it.into(), now))?;
        }
        Ok(())
    }

    /// The client is let in.
    pub fn admit(&mut self, admitted: Admitted, now: Duration) -> Result<(), Violation> {
        let Phase::Asked { protocol, features, first_input, role } = self.phase else { return Ok(()) };
        let Admitted { seat, player, epoch, tick, tick_rate, input_ack, message_ack, fallbacks } = admitted;
        // What the client does not have any more will not come.
        let input_ack = input_ack.max(first_input.saturating_sub(1));
        self.inputs = inputs::Receiver::after(input_ack);
        self.phase = Phase::Playing { role };
        self.confirmed = message_ack;
        let features = features & FEATURES;
        let joined =
            Joined { protocol, features, seat, player, epoch, tick, tick_rate, input_ack, fallbacks };
        self.say(&ToPlayer::Joined(joined), now)?;
        if features & CONFIRMED_MESSAGES == 0 { Ok(()) } else { self.say_heard(now) }
    }

    /// The game has heard the messages up to this one: the client is told, and forgets them. To say so of what may still
    /// be lost with the room loses it.
    pub fn confirm(&mut self, number: u64, now: Duration) -> Result<(), Violation> {
        if number <= self.confirmed {
            return Ok(());
        }
        self.confirmed = number;
        self.say_heard(now)
    }

    /// The client is not let in, or not any more. The session is over.
    pub fn refuse(&mut self, why: RefusedWhy, message: &str, now: Duration) {
        if !self.is_over() {
            // Whoever does not read cannot be told.
            let _ = self.say(&ToPlayer::Refused(Refused { why, message: message.to_owned() }), now);
            self.over(now);
        }
    }

    /// Sends a snapshot, in datagrams of at most `budget` bytes, one call of `out` each. Whether it is sent: to
    /// a client that acknowledges nothing, only some are.
    pub fn snapshot(
        &mut self,
        tick: u64,
        state: &[u8],
        budget: usize,
        now: Duration,
        out: impl FnMut(&[u8]),
    ) -> Result<bool, snapshots::NotSent> {
        let is_playing = matches!(self.phase, Phase::Playing { .. });
        if !is_playing || !(self.snapshots.has_baseline() || self.budget.full_snapshot(now)) {
            return Ok(false);
        }
        self.snapshots.encode(tick, state, budget, self.inputs.acknowledged(), out)?;
        Ok(true)
    }

    /// All inputs up to this one are handed on or given up. To be kept for the player's next connection.
    pub fn input_ack(&self) -> u64 {
        self.inputs.acknowledged()
    }

    /// Whether there is nothing more to hear or to say but what is in [`stream_output`](Self::stream_output).
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// What was not heeded.
    pub fn counts(&self) -> Counts {
        Counts { inputs: self.inputs.counts(), above_budget: self.budget.dropped(), ignored: self.ignored }
    }

    /// Takes in a frame of a known type.
    fn on_frame(&mut self, frame: Range<usize>, now: Duration) -> Result<Option<Happening<'_>>, Violation> {
        let is_opened = matches!(self.phase, Phase::Opened { .. });
        let wrong = match ToServer::parse(self.inbox.get(frame.clone())) {
            Ok(Some(ToServer::Join(join))) if is_opened => {
                return Ok(self.asked(join, now).map(Happening::Join));
            }
            Ok(Some(ToServer::Leave)) if !is_opened => {
                self.over(now);
                return Ok(Some(Happening::Leave));
            }
            // Parsed once more below, where nothing but the inbox is borrowed.
            Ok(Some(ToServer::Message(_) | ToServer::Numbered(..))) if !is_opened => None,
            Ok(_) if is_opened => Some(Violation::Unexpected("anything but Join")),
            Ok(_) => Some(Violation::Unexpected("a second Join")),
            Err(malformed) => Some(malformed.into()),
        };
        if let Some(violation) = wrong {
            return Err(self.end_by(violation, now));
        }
        match ToServer::parse(self.inbox.get(frame))? {
            Some(ToServer::Message(message)) => Ok(Some(Happening::Message(message))),
            Some(ToServer::Numbered(number, message)) => Ok(Some(Happening::Numbered(number, message))),
            _ => Ok(None),
        }
    }

    /// Takes in what a datagram says.
    fn heard(&mut self, datagram: &[u8], mut input: impl FnMut(u64, &[u8])) -> Result<(), Malformed> {
        let (Phase::Playing { role }, Some(heard)) = (self.phase, Input::parse(datagram)?) else {
            self.ignored += 1;
            return Ok(());
        };
        self.snapshots.acknowledge(heard.ack);
        match role {
            Role::Player => {
                for (number, bytes) in (heard.first..).zip(heard.inputs) {
                    self.inputs.receive(number, bytes, &mut input);
                }
            }
            Role::Spectator => self.ignored += u64::from(heard.inputs.count() > 0),
        }
        Ok(())
    }
}
