//! When the server is silent or lost: attempts side by side at all places where the room may be. The first that
//! lets the player in wins.

use std::time::Duration;

use super::{Approach, Happening, Session, State, link::Link};
use crate::{
    frame::{Endpoint, Place},
    limits,
};

impl Session {
    /// Something came from the server of a connection, whatever it was. `round_trip`: how long QUIC says the path is.
    ///
    /// What a session is given, it has heard. This is for what QUIC keeps to itself, such as acknowledgements:
    /// to be called before [`on_timeout`](Self::on_timeout) if anything came since the last time.
    pub fn heard(&mut self, link: super::LinkId, round_trip: Duration, now: Duration) {
        if self.main.is(link) {
            self.silence.measured(round_trip);
            self.hear(now);
        }
    }

    /// The connection in use lives.
    pub(super) fn hear(&mut self, now: Duration) {
        if !self.silence.heard(now) {
            return;
        }
        self.false_alarms.add(now);
        // Who has said Join may have the seat already, and this may be the old connection's last word. It stays
        // until it has its answer.
        self.close_rivals(|it| it.link.as_ref().is_some_and(|it| it.state() == State::Joining));
    }

    /// Looks for a sign of life, if it is time.
    pub(super) fn listen(&mut self, now: Duration) {
        if self.look_at().is_none_or(|it| now < it) {
            return;
        }
        self.silence.looked(now);
        if !self.silence.is_suspect && self.silence.is_too_long(self.false_alarms.count(now)) {
            self.silence.is_suspect = true;
            self.begin_race(now, now.saturating_add(limits::RIVAL_EVERY));
        }
    }

    /// When to look. Who goes does not come back, so it does not matter then.
    pub(super) fn look_at(&self) -> Option<Duration> {
        let is_playing = self.main.link.as_ref().is_some_and(|it| it.state() == State::Playing);
        (is_playing && !self.is_leaving).then(|| self.silence.look_at())
    }

    /// Whether attempts that fail are made again.
    fn is_racing(&self) -> bool {
        self.silence.is_suspect || (self.has_joined && self.main.link.is_none())
    }

    /// Whether the room is looked for at one place after the other: that is who was never in.
    pub(super) fn is_searching(&self) -> bool {
        !self.has_joined
    }

    /// Begins attempts at all places that are not tried yet: where the room was from `at_home` on, elsewhere from
    /// `elsewhere` on.
    pub(super) fn begin_race(&mut self, at_home: Duration, elsewhere: Duration) {
        let ahead = self.ahead.as_ref().map(|it| &it.approach);
        let tried: Vec<_> =
            self.rivals.iter().chain(ahead).flat_map(|it| it.home.endpoints.clone()).collect();
        // One at a time where the room was: by two addresses a player would take its own seat.
        let home = lanes(&self.main.home, 1, &tried);
        let tried = [tried, self.main.home.endpoints.clone()].concat();
        let others = lanes(&self.main.others, limits::RIVALS_ELSEWHERE_MAX, &tried);
        self.rivals.extend(home.into_iter().map(|it| Approach::rival(it, at_home)));
        let mut begin = elsewhere;
        for place in others {
            self.rivals.push(Approach::rival(place, begin));
            begin = begin.saturating_add(limits::RIVAL_EVERY);
        }
    }

    /// The room is said to be at `place`: it is tried there too, at once.
    pub(super) fn race_to(&mut self, place: Place, now: Duration) {
        // While the room is played, nobody looks for it.
        if !self.is_racing() {
            return;
        }
        let is_there = |it: &Approach| it.home.endpoints.iter().any(|it| place.endpoints.contains(it));
        let mut is_tried = false;
        for rival in self.rivals.iter_mut().filter(|it| is_there(it)) {
            rival.hasten(now);
            is_tried = true;
        }
        if !is_tried && self.rivals.len() < limits::RIVALS_MAX {
            self.rivals.push(Approach::rival(place, now));
        }
    }

    /// By when the server of this connection answers another of our connections. Two that ask one server for one seat
    /// would take it from each other.
    pub(super) fn asked_until(&self, link: super::LinkId) -> Option<Duration> {
        let ahead = self.ahead.as_ref().map(|it| &it.approach);
        let links = self.rivals.iter().chain(ahead).filter_map(|it| it.link.as_ref());
        let server = links.clone().find(|it| it.id == link)?.server?;
        let is_asked =
            |it: &&Link| it.id != link && it.server == Some(server) && it.state() == State::Joining;
        links.filter(is_asked).map(Link::answer_by).max()
    }

    /// The connection in use was closed for another one of the same player.
    ///
    /// If that is one of ours, it will say so. If not, somebody else has our secret: whoever came back then would be
    /// thrown out again, and so on for ever.
    pub fn replaced(&mut self, link: super::LinkId, now: Duration) {
        let of_ours = self
            .asked_elsewhere
            .filter(|(it, at)| *it != link && now <= at.saturating_add(limits::REPLACED_WITHIN));
        let is_playing =
            self.main.link.as_ref().is_some_and(|it| it.id == link && it.state() == State::Playing);
        if is_playing && of_ours.is_none() && !self.is_leaving {
            self.main.link = None;
            self.over(Happening::Replaced);
        } else {
            self.lost(link, now);
        }
    }

    /// One of the attempts came to nothing.
    pub(super) fn rival_failed(&mut self, link: super::LinkId, now: Duration) {
        if let Some(rival) = self.rivals.iter_mut().find(|it| it.is(link)) {
            rival.failed(now);
        }
        if !self.is_racing() {
            self.rivals.retain(|it| it.link.is_some());
        }
    }

    /// Whether a connection that was just made may not be needed: the server lives, and the old connection with
    /// it, if it only stood still.
    pub(super) fn is_to_settle(&self, link: super::LinkId) -> bool {
        let is_home = |it: &Endpoint| self.main.home.endpoints.contains(it);
        let server = self.main.link.as_ref().and_then(|it| it.server);
        let mut rivals = self.rivals.iter().filter_map(|it| it.link.as_ref());
        let leads_home = rivals.any(|it| {
            it.id == link
                && (it.endpoint().is_some_and(is_home) || (it.server.is_some() && it.server == server))
        });
        self.silence.is_suspect && leads_home
    }

    /// Says Join on the connections that have waited for it long enough, or for nothing.
    pub(super) fn join_settled(&mut self, now: Duration) {
        let is_lost = self.main.link.is_none();
        let links = self.rivals.iter().filter_map(|it| it.link.as_ref());
        let due = links.filter(|it| it.is_settled(now) || (is_lost && it.is_settling())).map(|it| it.id);
        for link in due.collect::<Vec<_>>() {
            self.join(link, now);
        }
    }

    /// A rival got in: it takes the place of the connection in use.
    pub(super) fn rival_won(&mut self, link: super::LinkId, now: Duration) {
        let Some(index) = self.rivals.iter().position(|it| it.is(link)) else { return };
        let rival = self.rivals.swap_remove(index);
        let before = std::mem::replace(&mut self.main.link, rival.link);
        if let Some(before) = before {
            if self.main.link.as_ref().map(|it| &it.at) == Some(&before.at) {
                // The same server: it lives, only the path or its time was lost.
                self.false_alarms.add(now);
            }
            self.happenings.push_back(Happening::Close { link: before.id });
            self.happenings.push_back(Happening::Lost);
        }
    }

    /// Closes attempts, all but those that stay.
    pub(super) fn close_rivals(&mut self, stays: impl Fn(&Approach) -> bool) {
        let (stay, go) = std::mem::take(&mut self.rivals).into_iter().partition(stays);
        self.rivals = stay;
        let go: Vec<Approach> = go;
        self.happenings
            .extend(go.into_iter().filter_map(|it| it.link).map(|it| Happening::Close { link: it.id }));
    }
}

/// Deals the endpoints of a place to attempts that are made side by side.
fn lanes(place: &Place, lanes_max: usize, tried: &[Endpoint]) -> Vec<Place> {
    let endpoints: Vec<_> = place.endpoints.iter().filter(|it| !tried.contains(it)).cloned().collect();
    let count = endpoints.len().min(lanes_max);
    let lane = |first: usize| Place {
        endpoints: endpoints.iter().skip(first).step_by(count).cloned().collect(),
        certificate_hashes: place.certificate_hashes.clone(),
    };
    (0..count).map(lane).collect()
}
