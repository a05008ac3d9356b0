//! The reliable lane of a connection, and its end.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use super::{Phase, Session};
use crate::{
    frame::{Join, Place, Redirect, RefusedWhy, ToPlayer, ToServer},
    limits,
    session::{Violation, agree},
};

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSaid {
    /// The client does not read: the session is over.
    #[error("what is sent is not read")]
    NotReading,
    /// More than 16 KiB.
    #[error("a message of {0} bytes is too long")]
    TooLong(usize),
}

impl Session {
    /// The room moves: the client connects there too, and stays here until it is in there.
    pub fn redirect(&mut self, redirect: Redirect, now: Duration) -> Result<(), Violation> {
        self.tell(&ToPlayer::Redirect(redirect), now)
    }

    /// The room is not here but there: whoever asked for it is to ask there. The session is over.
    pub fn send_on(&mut self, redirect: Redirect, now: Duration) {
        if let Phase::Asked { .. } = self.phase {
            // Whoever does not read cannot be told.
            let _ = self.say(&ToPlayer::Redirect(redirect), now);
            self.refuse(RefusedWhy::NoSuchRoom, "the room is on another server", now);
        }
    }

    /// Where to look for the room if this server is lost, in place of what was said before.
    pub fn fallbacks(&mut self, place: Place, now: Duration) -> Result<(), Violation> {
        self.tell(&ToPlayer::Fallbacks(place), now)
    }

    /// Something that must arrive, of at most 16 KiB.
    pub fn message(&mut self, message: &[u8], now: Duration) -> Result<(), NotSaid> {
        if limits::MESSAGE_TO_PLAYER_BYTES_MAX < message.len() {
            return Err(NotSaid::TooLong(message.len()));
        }
        self.tell(&ToPlayer::Message(message), now).map_err(|_| NotSaid::NotReading)
    }

    /// The match is over, and so is the session.
    pub fn end(&mut self, result: BTreeMap<String, String>, now: Duration) -> Result<(), Violation> {
        self.tell(&ToPlayer::Ended(result), now)?;
        self.over(now);
        Ok(())
    }

    /// What is to be written to the stream.
    pub fn stream_output(&self) -> &[u8] {
        self.outbox.output()
    }

    /// So many bytes of it were written.
    pub fn consumed(&mut self, count: usize) {
        self.outbox.consumed(count);
    }

    /// When to call [`on_timeout`](Self::on_timeout), and [`poll`](Self::poll) after it.
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Opened { join_by } => Some(join_by),
            Phase::Asked { .. } => None,
            Phase::Playing { .. } => {
                let waiting = self.inbox.frame(limits::FRAME_TO_SERVER_BYTES_MAX).ok().flatten();
                waiting.map(|it| self.budget.frame_at(it.len()))
            }
            Phase::Over { close_by } => Some(close_by),
        }
    }

    /// It is as late as [`next_timeout`](Self::next_timeout) said.
    pub fn on_timeout(&mut self, now: Duration) -> Result<(), Violation> {
        match self.phase {
            Phase::Opened { join_by } if join_by <= now => Err(self.end_by(Violation::NoJoin, now)),
            _ => Ok(()),
        }
    }

    /// Whether the connection is to be closed: the session is over, and its last words are written or were
    /// given time enough.
    pub fn is_finished(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Over { close_by } if close_by <= now || self.outbox.output().is_empty())
    }

    /// The next frame of a known type that the budget allows to be read. Its bytes stay in the inbox.
    pub(super) fn next_frame(&mut self, now: Duration) -> Result<Option<Range<usize>>, Violation> {
        if !matches!(self.phase, Phase::Opened { .. } | Phase::Playing { .. }) {
            return Ok(None);
        }
        loop {
            let Some(frame) = self.inbox.frame(limits::FRAME_TO_SERVER_BYTES_MAX)? else { return Ok(None) };
            if !self.budget.frame(frame.len(), now) {
                return Ok(None);
            }
            self.inbox.take(&frame);
            if ToServer::is_known(self.inbox.get(frame.clone())) {
                return Ok(Some(frame));
            }
        }
    }

    /// Somebody wants in. `None`: it got its answer.
    pub(super) fn asked(&mut self, join: Join, now: Duration) -> Option<Join> {
        let Some(protocol) = agree(&join.protocol) else {
            self.refuse(RefusedWhy::ProtocolVersion, "this server speaks version 1", now);
            return None;
        };
        self.phase = Phase::Asked {
            protocol,
            features: join.features,
            first_input: join.first_input,
            role: join.role,
        };
        Some(join)
    }

    /// Whether a frame is a message that was heard before.
    pub(super) fn is_repeated(&self, frame: Range<usize>) -> bool {
        let is_known = |it| matches!(it, ToServer::Numbered(number, _) if number <= self.confirmed);
        self.has_joined() && ToServer::parse(self.inbox.get(frame)).ok().flatten().is_some_and(is_known)
    }

    /// Says up to which one messages have been heard.
    pub(super) fn say_heard(&mut self, now: Duration) -> Result<(), Violation> {
        self.tell(&ToPlayer::Confirmed(self.confirmed), now)
    }

    fn has_joined(&self) -> bool {
        matches!(self.phase, Phase::Playing { .. })
    }

    /// Says something to whoever is in; to others, nothing.
    fn tell(&mut self, frame: &ToPlayer<'_>, now: Duration) -> Result<(), Violation> {
        match self.phase {
            Phase::Playing { .. } => self.say(frame, now),
            Phase::Opened { .. } | Phase::Asked { .. } | Phase::Over { .. } => Ok(()),
        }
    }

    pub(super) fn say(&mut self, frame: &ToPlayer<'_>, now: Duration) -> Result<(), Violation> {
        if self.outbox.push(limits::OUTBOX_BYTES_MAX, |out| frame.encode(out)) {
            return Ok(());
        }
        self.over(now);
        Err(Violation::NotReading)
    }

    pub(super) fn over(&mut self, now: Duration) {
        self.phase = Phase::Over { close_by: now.saturating_add(limits::LAST_WORDS) };
    }

    /// Ends the session, for a reason that is returned.
    pub(super) fn end_by(&mut self, violation: Violation, now: Duration) -> Violation {
        match violation {
            // Whoever writes a client is told what is wrong with it.
            Violation::Malformed(_) | Violation::Unexpected(_) => {
                self.refuse(RefusedWhy::Malformed, &violation.to_string(), now);
            }
            Violation::NoJoin | Violation::Flood | Violation::NotReading => self.over(now),
        }
        violation
    }
}
