//! What a session does by itself, when it is time.

use std::time::Duration;

use super::{Happening, LinkId, Session, approach::Approach};
use crate::limits;

impl Session {
    /// When to call [`on_timeout`](Self::on_timeout) and [`datagram`](Self::datagram).
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let datagram = self.main.link.as_ref().and_then(|it| it.datagram_at(!self.inputs.is_empty()));
        let give_up = self.lost_since.map(|it| it.saturating_add(limits::GIVE_UP_AFTER));
        let ahead = self.ahead.as_ref().map(|it| it.until.min(it.approach.next_timeout()));
        let times = [datagram, give_up, ahead, Some(self.main.next_timeout())];
        times.into_iter().flatten().min().filter(|it| *it < Duration::MAX)
    }

    /// It is as late as [`next_timeout`](Self::next_timeout) said.
    pub fn on_timeout(&mut self, now: Duration) {
        if self.is_over {
            return;
        }
        if self.lost_since.is_some_and(|it| it.saturating_add(limits::GIVE_UP_AFTER) <= now) {
            self.over(Happening::GaveUp);
            return;
        }
        if self.main.link.as_ref().is_some_and(|it| it.answer_by() <= now) {
            self.close_main(now);
        }
        if let Some(ahead) = &mut self.ahead {
            if ahead.until <= now {
                // The room did not move, or is found there when it is lost here.
                self.close_ahead();
            } else if ahead.approach.link.as_ref().is_some_and(|it| it.answer_by() <= now) {
                close(&mut ahead.approach, &mut self.happenings);
                ahead.approach.failed(now);
            }
        }
        let approaches = [Some(&mut self.main), self.ahead.as_mut().map(|it| &mut it.approach)];
        for approach in approaches.into_iter().flatten() {
            let link = LinkId(self.links);
            if let Some((endpoint, place)) = approach.attempt(link, now) {
                self.links = self.links.wrapping_add(1);
                let certificate_hashes = place.certificate_hashes.clone();
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
        // The server that moves a room was lost in the middle: the room is where it was to go, or comes back.
        if let Some(ahead) = self.ahead.take() {
            let before = std::mem::replace(&mut self.main, ahead.approach);
            self.main.others.endpoints.extend(before.home.endpoints);
            self.main.others.certificate_hashes.extend(before.home.certificate_hashes);
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
