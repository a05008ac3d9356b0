//! The reliable lane of a session.

use std::time::Duration;

use super::{Ahead, Approach, Happening, LinkId, NotSent, Session, State, link::Link, silence::Silence};
use crate::{
    Malformed,
    frame::{Joined, Redirect, Refused, RefusedWhy, ToPlayer, ToServer},
    limits,
    session::{CONFIRMED_MESSAGES, PROTOCOL},
};

/// What comes in is read in pieces of this size, so that what waits stays below the inbox's limit.
const PIECE_BYTES: usize = limits::INBOX_TO_PLAYER_BYTES_MAX / 2;

const _: () = assert!(
    PIECE_BYTES + limits::FRAME_TO_PLAYER_BYTES_MAX + limits::FRAME_HEADER_BYTES_MAX
        <= limits::INBOX_TO_PLAYER_BYTES_MAX
);

impl Session {
    /// Bytes came on the stream of a connection.
    pub fn on_stream(&mut self, link: LinkId, bytes: &[u8], now: Duration) {
        if self.main.is(link) {
            self.hear(now);
        }
        for piece in bytes.chunks(PIECE_BYTES) {
            if let Some(it) = self.link(link) {
                it.inbox.push(piece, limits::INBOX_TO_PLAYER_BYTES_MAX);
            }
            // What has been heard may have closed the connection.
            while let Some(it) = self.link(link) {
                match next_frame(it) {
                    Ok(Some(frame)) => self.on_frame(link, frame, now),
                    Ok(None) => break,
                    Err(_) => self.drop_link(link, now),
                }
            }
        }
    }

    /// What is to be written to the stream of a connection.
    pub fn stream_output(&self, link: LinkId) -> &[u8] {
        let ahead = self.ahead.as_ref().map(|it| &it.approach);
        let mut approaches = std::iter::once(&self.main).chain(ahead).chain(&self.rivals);
        let found = approaches.find_map(|it| it.link.as_ref().filter(|it| it.id == link));
        found.map(|it| it.outbox.output()).unwrap_or_default()
    }

    /// So many bytes of it were written.
    pub fn consumed(&mut self, link: LinkId, count: usize) {
        if let Some(link) = self.link(link) {
            link.outbox.consumed(count);
        }
    }

    /// Sends a message for the game, of at most 1,024 bytes. It arrives once, if the server confirms messages, on
    /// this connection or a later one; if not, it is lost with the connection.
    ///
    /// What was confirmed is not sent again: a server that restores an earlier state of the room has lost it
    /// together with that time. What was sent under two epochs in vain is given up.
    pub fn message(&mut self, message: &[u8]) -> Result<(), NotSent> {
        if limits::MESSAGE_TO_SERVER_BYTES_MAX < message.len() {
            return Err(NotSent::TooLong(message.len()));
        }
        if self.is_over || self.is_leaving || !self.has_joined {
            return Err(NotSent::NotPlaying);
        }
        if !self.messages.are_confirmed() {
            return self.say(&ToServer::Message(message));
        }
        let number = self.messages.push(message).ok_or(NotSent::Full)?;
        // It is kept: without a connection it waits for the next one.
        if self.messages.is_open() && self.say(&ToServer::Numbered(number, message)).is_ok() {
            self.messages.said();
        }
        Ok(())
    }

    /// Goes for good. The session is over when the server has heard of it and closes the connection, or at
    /// once if there is none.
    pub fn leave(&mut self) {
        self.is_leaving = true;
        self.close_rivals(|_| false);
        if !self.is_over && self.say(&ToServer::Leave).is_err() {
            self.over(Happening::Left);
        }
    }

    fn say(&mut self, frame: &ToServer<'_>) -> Result<(), NotSent> {
        let link = self.main.link.as_mut().filter(|it| it.state() == State::Playing);
        let link = link.ok_or(NotSent::NotPlaying)?;
        let fits = link.outbox.push(limits::OUTBOX_BYTES_MAX, |out| frame.encode(out));
        fits.then_some(()).ok_or(NotSent::Full)
    }

    /// Sends the messages that may not have arrived on an earlier connection.
    fn say_again(&mut self) {
        if let Some(link) = &mut self.main.link {
            for (number, message) in self.messages.iter() {
                // All that is kept fits.
                link.outbox
                    .push(limits::OUTBOX_BYTES_MAX, |out| ToServer::Numbered(number, message).encode(out));
            }
        }
    }

    fn link(&mut self, link: LinkId) -> Option<&mut Link> {
        self.approach(link).and_then(|it| it.link.as_mut())
    }

    /// Gives up a connection.
    fn drop_link(&mut self, link: LinkId, now: Duration) {
        self.happenings.push_back(Happening::Close { link });
        self.lost(link, now);
    }

    fn on_frame(&mut self, link: LinkId, frame: Frame, now: Duration) {
        let is_main = self.main.is(link);
        let is_playing = self.link(link).is_some_and(|it| it.state() == State::Playing);
        match frame {
            Frame::Joined(joined) if !is_playing => self.on_joined(link, joined, now),
            Frame::Refused(refused) => self.on_refused(link, refused, now),
            Frame::Redirect(redirect) if is_playing && is_main => self.on_redirect(redirect, now),
            Frame::Redirect(redirect) if !is_playing => self.on_sent_on(link, redirect, now),
            Frame::Fallbacks(place) if is_playing => {
                if let Some(approach) = self.approach(link) {
                    approach.others = place;
                }
            }
            Frame::Message(message) if is_playing => self.happenings.push_back(Happening::Message(message)),
            Frame::Confirmed(number) if is_playing => {
                if is_main && self.messages.confirm(number) {
                    self.say_again();
                }
            }
            Frame::Ended(result) if is_playing => self.over(Happening::Ended(result)),
            // Nothing of this is said before Joined, and that only once.
            _ => self.drop_link(link, now),
        }
    }

    fn on_joined(&mut self, link: LinkId, joined: Joined, now: Duration) {
        // The server of an earlier epoch does not own the room any more.
        if joined.epoch < self.epoch || !PROTOCOL.contains(&joined.protocol) {
            return self.drop_link(link, now);
        }
        if self.ahead.as_ref().is_some_and(|it| it.approach.is(link))
            && let Some(ahead) = self.ahead.take()
        {
            let before = std::mem::replace(&mut self.main, ahead.approach);
            self.happenings.extend(before.link.map(|it| Happening::Close { link: it.id }));
        }
        self.rival_won(link, now);
        self.close_rivals(|_| false);
        if self.ahead.as_ref().is_some_and(|it| it.epoch <= joined.epoch) {
            // The room has moved, and was found on another way.
            self.close_ahead();
        }
        self.main.found(joined.fallbacks.clone());
        self.silence = Silence::since(now);
        if let Some(link) = &mut self.main.link {
            link.joined();
        }
        self.messages.joined(joined.features & CONFIRMED_MESSAGES != 0, joined.epoch);
        self.epoch = joined.epoch;
        self.inputs.go_on_after(joined.input_ack);
        self.has_joined = true;
        self.lost_since = None;
        self.refused = None;
        self.happenings.push_back(Happening::Joined(joined));
    }

    fn on_refused(&mut self, link: LinkId, refused: Refused, now: Duration) {
        let may_change = match refused.why {
            RefusedWhy::Busy => true,
            // The room is being recovered or moved, and this server does not know yet, or not any more.
            RefusedWhy::NoSuchRoom => self.has_joined,
            // Seats that were restored without their players become free.
            RefusedWhy::Full => self.has_joined && !self.main.is(link),
            _ => false,
        };
        // While there is a room, no other server has the last word.
        let is_only_hope = self.main.is(link) || self.main.link.is_none();
        if may_change || !is_only_hope {
            self.refused =
                (refused.why == RefusedWhy::Full).then_some(refused).or_else(|| self.refused.take());
            self.drop_link(link, now);
        } else if self.main.is(link) || refused.why == RefusedWhy::Over {
            self.over(Happening::Refused(refused));
        } else {
            self.on_no_for_good(link, refused, now);
        }
    }

    /// A server where the room may be will not have us, ever. Others may.
    fn on_no_for_good(&mut self, link: LinkId, refused: Refused, now: Duration) {
        let index = self.rivals.iter().position(|it| it.is(link));
        let has_more = index.and_then(|it| self.rivals.get_mut(it)).is_some_and(Approach::strike);
        self.refused = Some(refused);
        self.drop_link(link, now);
        if let Some(index) = index.filter(|_| !has_more) {
            self.rivals.remove(index);
        }
        if self.rivals.is_empty()
            && let Some(refused) = self.refused.take()
        {
            self.over(Happening::Refused(refused));
        }
    }

    /// A server that was asked for the room knows where it is.
    fn on_sent_on(&mut self, link: LinkId, redirect: Redirect, now: Duration) {
        // Of an owner that has lost the room since.
        if redirect.epoch < self.epoch {
            return self.drop_link(link, now);
        }
        let index = self.rivals.iter().position(|it| it.is(link));
        self.drop_link(link, now);
        if let Some(rival) = index.and_then(|it| self.rivals.get_mut(it)) {
            rival.rest(now);
        }
        if self.is_searching() {
            self.main.go_to(redirect.place, now);
        } else {
            self.race_to(redirect.place, now);
        }
        self.on_timeout(now);
    }

    fn on_redirect(&mut self, redirect: Redirect, now: Duration) {
        // Of an earlier move, or the same once more.
        if redirect.epoch <= self.epoch || self.ahead.as_ref().is_some_and(|it| redirect.epoch <= it.epoch) {
            return;
        }
        self.close_ahead();
        let approach = Approach::new(redirect.place.clone(), self.main.others.clone(), now);
        let until = now.saturating_add(redirect.deadline);
        self.ahead = Some(Ahead { approach, epoch: redirect.epoch, until });
        self.happenings.push_back(Happening::Redirected(redirect));
        self.on_timeout(now);
    }
}

/// A frame, apart from the buffer that it came in.
enum Frame {
    Joined(Joined),
    Refused(Refused),
    Redirect(Redirect),
    Fallbacks(crate::frame::Place),
    Message(Vec<u8>),
    Confirmed(u64),
    Ended(std::collections::BTreeMap<String, String>),
}

fn next_frame(link: &mut Link) -> Result<Option<Frame>, Malformed> {
    loop {
        let Some(frame) = link.inbox.frame(limits::FRAME_TO_PLAYER_BYTES_MAX)? else { return Ok(None) };
        link.inbox.take(&frame);
        if let Some(known) = ToPlayer::parse(link.inbox.get(frame))? {
            return Ok(Some(match known {
                ToPlayer::Joined(it) => Frame::Joined(it),
                ToPlayer::Refused(it) => Frame::Refused(it),
                ToPlayer::Redirect(it) => Frame::Redirect(it),
                ToPlayer::Fallbacks(it) => Frame::Fallbacks(it),
                ToPlayer::Message(it) => Frame::Message(it.to_owned()),
                ToPlayer::Confirmed(it) => Frame::Confirmed(it),
                ToPlayer::Ended(it) => Frame::Ended(it),
            }));
        }
    }
}
