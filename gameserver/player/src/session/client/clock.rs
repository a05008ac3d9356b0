//! What a session does by itself, when it is time.

use std::time::Duration;

use super::{Happening, LinkId, Session, approach::Approach};
use crate::{frame::Place, limits};

impl Session {
    /// When to call [`on_timeout`](Self::on_timeout) and [`datagram`](Self::datagram).
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let datagram = self.main.link.as_ref().and_then(|it| it.datagram_at(!self.inputs.is_empty()));
        let give_up = self.lost_since.map(|it| it.saturating_add(limits::GIVE_UP_AFTER));
        let ahead = self.ahead.as_ref().map(|it| it.until.min(it.approach.next_timeout()));
        let main = (self.main.link.is_some() || self.is_searching()).then(|| self.main.next_timeout());
        let rivals = self.rivals.iter().map(Approach::next_timeout).min();
        let times = [datagram, give_up, ahead, main, rivals, self.look_at()];
        times.into_iter().flatten().min().filter(|it| *it < Duration::MAX)
    }

    /// It is as late as [`next_timeout`](Self::next_timeout) said.
    pub fn on_timeout(&mut self, now: Duration) {
        if self.is_over {
            return;
        }
        if self.lost_since.is_some_and(|it| it.saturating_add(limits::GIVE_UP_AFTER) <= now) {
            let last = self.refused.take().map_or(Happening::GaveUp, Happening::Refused);
            return self.over(last);
        }
        self.listen(now);
        self.give_up_the_late(now);
        self.join_settled(now);
        self.attempt(now);
    }

    /// Closes the connections on which the answer should be there by now.
    fn give_up_the_late(&mut self, now: Duration) {
        let is_late = |it: &Approach| it.link.as_ref().is_some_and(|it| it.answer_by() <= now);
        if is_late(&self.main) {
            self.close_main(now);
        }
        if let Some(ahead) = &mut self.ahead {
            if ahead.until <= now {
                // The room did not move, or is found there when it is lost here.
                self.close_ahead();
            } else if is_late(&ahead.approach) {
                close(&mut ahead.approach, &mut self.happenings);
                ahead.approach.failed(now);
            }
        }
        let late: Vec<_> =
            self.rivals.iter().filter(|it| is_late(it)).filter_map(|it| it.link.as_ref()).collect();
        for link in late.into_iter().map(|it| it.id).collect::<Vec<_>>() {
            self.happenings.push_back(Happening::Close { link });
            self.rival_failed(link, now);
        }
    }

    /// Begins the attempts that are due.
    fn attempt(&mut self, now: Duration) {
        let main = self.is_searching().then_some(&mut self.main);
        let ahead = self.ahead.as_mut().map(|it| &mut it.approach);
        for approach in main.into_iter().chain(ahead).chain(&mut self.rivals) {
            let link = LinkId(self.links);
            if let Some((endpoint, place)) = approach.attempt(link, now) {
                self.links = self.links.wrapping_add(1);
                let certificate_hashes = place.certificate_hashes;
                self.happenings.push_back(Happening::Connect { link, endpoint, certificate_hashes });
            }
        }
    }

    /// The connection in use is of no use.
    pub(super) fn close_main(&mut self, now: Duration) {
        close(&mut self.main, &mut self.happenings);
        self.main_failed(now);
    }

    /// The connection in use is no more.
    pub(super) fn main_failed(&mut self, now: Duration) {
        if self.is_over {
            return;
        }
        self.main.failed(now);
        if self.is_leaving {
            return self.over(Happening::Left);
        }
        if self.lost_since.is_none() {
            self.lost_since = Some(now);
            self.happenings.push_back(Happening::Lost);
        }
        self.silence.is_suspect = false;
        // The server that moves a room was lost in the middle: the room is where it was to go, or comes back.
        if let Some(mut ahead) = self.ahead.take() {
            // Others have attempts of their own.
            ahead.approach.others = Place::default();
            self.rivals.push(ahead.approach);
        }
        if self.has_joined {
            // Where it was lost it is not there again at once.
            self.begin_race(now.saturating_add(limits::RECONNECT_MIN), now);
            self.join_settled(now);
        }
    }

    pub(super) fn close_ahead(&mut self) {
        if let Some(mut ahead) = self.ahead.take() {
            close(&mut ahead.approach, &mut self.happenings);
        }
    }

    /// Nothing more happens but this.
    pub(super) fn over(&mut self, last: Happening) {
        self.close_ahead();
        self.close_rivals(|_| false);
        close(&mut self.main, &mut self.happenings);
        self.is_over = true;
        self.happenings.push_back(last);
    }
}

fn close(approach: &mut Approach, happenings: &mut std::collections::VecDeque<Happening>) {
    if let Some(link) = approach.link.take() {
        happenings.push_back(Happening::Close { link: link.id });
    }
}
