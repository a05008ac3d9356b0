//! The way to a room: where to try, and when.

use std::time::Duration;

use super::{LinkId, link::Link};
use crate::{
    frame::{Endpoint, Place},
    limits,
};

/// Attempts at the endpoints of a room, one at a time.
#[derive(Debug)]
pub(super) struct Approach {
    /// Where the room was, or was said to be.
    pub(super) home: Place,
    /// Where it may be if it is not there.
    pub(super) others: Place,
    pub(super) link: Option<Link>,
    attempts: u32,
    /// When the last attempt began.
    begun: Duration,
    /// The longest pause between two attempts.
    pause_max: Duration,
    /// When to try next, if there is no link.
    retry_at: Duration,
}

impl Approach {
    pub(super) fn new(home: Place, others: Place, now: Duration) -> Self {
        let pause_max = limits::RECONNECT_MAX;
        Self { home, others, link: None, attempts: 0, begun: now, pause_max, retry_at: now }
    }

    /// Of who was in the room and looks for it: from `begin` on, with short pauses.
    pub(super) fn rival(place: Place, begin: Duration) -> Self {
        Self { pause_max: limits::RACE_AGAIN_MAX, ..Self::new(place, Place::default(), begin) }
    }

    pub(super) fn is(&self, link: LinkId) -> bool {
        self.link.as_ref().is_some_and(|it| it.id == link)
    }

    /// The room was found where the link leads. That is where to look for it first when it is lost.
    pub(super) fn found(&mut self, others: Place) {
        self.others = others;
        self.attempts = 0;
        let Some(at) = self.link.as_ref().map(|it| it.at.clone()) else { return };
        let index = self.home.endpoints.iter().position(|it| Some(it) == at.endpoints.first());
        match index {
            Some(index) => self.home.endpoints.swap(0, index),
            None => {
                let before = std::mem::replace(&mut self.home, at);
                add(&mut self.others, before);
            }
        }
    }

    /// The link is no more. The pause counts from when it began: who was made to wait for an answer has waited already.
    pub(super) fn failed(&mut self, now: Duration) {
        self.link = None;
        let doubled = limits::RECONNECT_MIN.saturating_mul(1 << self.attempts.min(16));
        let paced = self.begun.saturating_add(doubled.min(self.pause_max));
        self.retry_at = paced.max(now.saturating_add(limits::RECONNECT_MIN));
    }

    /// The room is said to be at `place`: that is tried next.
    pub(super) fn go_to(&mut self, place: Place, now: Duration) {
        let before = std::mem::replace(&mut self.home, place);
        self.others.endpoints.retain(|it| !self.home.endpoints.contains(it));
        add(&mut self.others, before);
        self.attempts = 0;
        self.hasten(now);
    }

    /// The room is not here, and it is known where: whoever asks again keeps servers busy that have other players to take.
    pub(super) fn rest(&mut self, now: Duration) {
        self.retry_at = self.retry_at.max(now.saturating_add(limits::RECONNECT_MAX));
    }

    /// There is a reason to try again. Not at once: two servers may each think that the room is at the other.
    pub(super) fn hasten(&mut self, now: Duration) {
        self.retry_at = self.retry_at.min(now.saturating_add(limits::RECONNECT_MIN));
    }

    /// The link leads to a server that is asked by another one, until `until`. By the next address, if there is one, it may
    /// be another server.
    pub(super) fn park(&mut self, until: Duration, now: Duration) {
        self.link = None;
        let next = now.saturating_add(limits::RECONNECT_MIN);
        self.retry_at = if self.home.endpoints.len() == 1 { until.max(next) } else { next };
    }

    /// Whoever is where the link leads has said no for good. Whether there is anything left to try.
    pub(super) fn strike(&mut self) -> bool {
        let at = self.link.as_ref().and_then(Link::endpoint).cloned();
        self.home.endpoints.retain(|it| Some(it) != at.as_ref());
        !self.home.endpoints.is_empty()
    }

    /// Begins the next attempt, if it is time.
    pub(super) fn attempt(&mut self, id: LinkId, now: Duration) -> Option<(Endpoint, Place)> {
        if self.link.is_some() || now < self.retry_at {
            return None;
        }
        let attempt = usize::try_from(self.attempts).unwrap_or(usize::MAX);
        let patience = limits::CONNECT_WITHIN_MIN.saturating_mul(1 << self.attempts.min(16));
        let connect_by = now.saturating_add(patience.min(limits::CONNECT_WITHIN_MAX));
        self.attempts = self.attempts.saturating_add(1);
        self.begun = now;
        let (home, others) = (self.home.endpoints.len(), self.others.endpoints.len());
        let at_first = home.max(limits::ATTEMPTS_AT_FIRST as usize);
        let (place, index) = match attempt.checked_sub(at_first) {
            None => (&self.home, attempt.checked_rem(home)),
            Some(later) => match later.checked_rem(home + others) {
                Some(index) if index < others => (&self.others, Some(index)),
                index => (&self.home, index.map(|it| it - others)),
            },
        };
        // Without a place to go there is nothing to try, until the session gives up.
        self.retry_at = now.saturating_add(limits::RECONNECT_MAX);
        let endpoint = place.endpoints.get(index?)?.clone();
        let certificate_hashes = place.certificate_hashes.clone();
        let at = Place { endpoints: vec![endpoint.clone()], certificate_hashes };
        self.link = Some(Link::new(id, at.clone(), connect_by, now));
        Some((endpoint, at))
    }

    /// When something is to be done.
    pub(super) fn next_timeout(&self) -> Duration {
        self.link.as_ref().map_or(self.retry_at, Link::next_timeout)
    }
}

/// Makes one place of two.
fn add(to: &mut Place, more: Place) {
    let is_new = |it: &Endpoint| !to.endpoints.contains(it);
    // As many as a place has: servers that send on to ever other places do not fill the memory.
    let room = limits::ENDPOINTS_MAX.saturating_sub(to.endpoints.len());
    let endpoints: Vec<_> = more.endpoints.into_iter().filter(is_new).take(room).collect();
    to.endpoints.extend(endpoints);
    let is_new = |it: &[u8; limits::CERTIFICATE_HASH_BYTES]| !to.certificate_hashes.contains(it);
    let room = (2 * limits::CERTIFICATE_HASHES_MAX).saturating_sub(to.certificate_hashes.len());
    let hashes: Vec<_> = more.certificate_hashes.into_iter().filter(is_new).take(room).collect();
    to.certificate_hashes.extend(hashes);
}
