//! Both ends of one connection, without a network between them.

use std::time::Duration;

use super::{examples, secret};
use crate::{
    frame::{Credentials, Joined, Place, Refused, RefusedWhy, Role},
    limits,
    session::{
        Violation,
        client::{self, Identity, LinkId, State},
        server::{self, Admitted},
    },
};

/// A client and a server that hear each other at once.
pub(super) struct Pair {
    pub(super) client: client::Session,
    pub(super) server: server::Session,
    pub(super) link: LinkId,
    pub(super) now: Duration,
}

pub(super) fn identity() -> Identity {
    Identity {
        room: "duel".into(),
        role: Role::Player,
        credentials: Credentials::Open("ann".into()),
        secret: secret(7),
    }
}

pub(super) fn admitted() -> Admitted {
    Admitted {
        seat: 3,
        player: "ann".into(),
        epoch: 9,
        tick: 900,
        tick_rate: 30,
        input_ack: 0,
        message_ack: 0,
        fallbacks: Place::default(),
    }
}

impl Pair {
    /// Connected; nothing has been said.
    pub(super) fn connected(identity: Identity) -> Self {
        let now = Duration::from_secs(1);
        let mut client = client::Session::new(identity, examples::place(), now);
        let Some(client::Happening::Connect { link, .. }) = client.poll() else { panic!("no attempt") };
        client.connected(link, now);
        Self { client, server: server::Session::new(now), link, now }
    }

    /// In the room.
    pub(super) fn playing() -> Self {
        let mut pair = Self::connected(identity());
        pair.carry_up().unwrap();
        assert!(matches!(pair.server.poll(pair.now), Ok(Some(server::Happening::Join(_)))));
        pair.server.admit(admitted(), pair.now).unwrap();
        pair.carry_down();
        assert!(matches!(pair.client.poll(), Some(client::Happening::Joined(Joined { seat: 3, .. }))));
        pair
    }

    pub(super) fn carry_up(&mut self) -> Result<(), Violation> {
        let bytes = self.client.stream_output(self.link).to_vec();
        self.client.consumed(self.link, bytes.len());
        // Byte by byte, which is the worst that a stream does.
        bytes.iter().try_for_each(|it| self.server.on_stream(&[*it], self.now))
    }

    pub(super) fn carry_down(&mut self) {
        let bytes = self.server.stream_output().to_vec();
        self.server.consumed(bytes.len());
        bytes.iter().for_each(|it| self.client.on_stream(self.link, &[*it], self.now));
    }
}

#[test]
fn a_client_joins_talks_and_leaves() {
    let mut pair = Pair::playing();
    assert_eq!(pair.client.state(), State::Playing);
    pair.client.message(b"hello").unwrap();
    pair.client.leave();
    pair.carry_up().unwrap();
    assert_eq!(pair.server.poll(pair.now), Ok(Some(server::Happening::Numbered(1, b"hello"))));
    assert!(pair.server.stream_output().is_empty(), "nobody has said that it is heard");
    pair.server.confirm(1, pair.now).unwrap();
    assert_eq!(pair.server.poll(pair.now), Ok(Some(server::Happening::Leave)));
    assert_eq!(pair.server.poll(pair.now), Ok(None));
    assert!(pair.server.is_over() && !pair.server.is_finished(pair.now), "the message is confirmed");
    pair.carry_down();
    assert!(pair.server.is_finished(pair.now));
    pair.client.lost(pair.link, pair.now);
    assert_eq!(pair.client.poll(), Some(client::Happening::Left));
    assert_eq!((pair.client.poll(), pair.client.state()), (None, State::Over));
}

#[test]
fn who_leaves_while_the_connection_is_lost_is_gone_at_once() {
    let mut pair = Pair::playing();
    pair.client.lost(pair.link, pair.now);
    pair.client.leave();
    assert_eq!(pair.client.poll(), Some(client::Happening::Lost));
    assert_eq!(pair.client.poll(), Some(client::Happening::Left));
    assert_eq!((pair.client.poll(), pair.client.next_timeout()), (None, None));
}

#[test]
fn who_has_nowhere_to_go_gives_up_without_haste() {
    let mut client = client::Session::new(identity(), Place::default(), Duration::ZERO);
    let mut steps = 0;
    while let Some(next) = client.next_timeout() {
        client.on_timeout(next);
        steps += 1;
    }
    assert_eq!(client.poll(), Some(client::Happening::GaveUp));
    assert!(steps <= 16, "{steps}");
}

#[test]
fn what_a_client_is_told_comes_in_order() {
    let mut pair = Pair::playing();
    pair.server.message(b"one", pair.now).unwrap();
    pair.server.fallbacks(examples::place(), pair.now).unwrap();
    pair.server.end([("winner".into(), "ann".into())].into(), pair.now).unwrap();
    assert!(pair.server.is_over() && !pair.server.is_finished(pair.now));
    pair.carry_down();
    assert!(pair.server.is_finished(pair.now));
    assert_eq!(pair.client.poll(), Some(client::Happening::Message(b"one".to_vec())));
    assert_eq!(pair.client.poll(), Some(client::Happening::Close { link: pair.link }));
    let result = [("winner".to_owned(), "ann".to_owned())].into();
    assert_eq!(pair.client.poll(), Some(client::Happening::Ended(result)));
    assert_eq!((pair.client.state(), pair.client.next_timeout()), (State::Over, None));
}

#[test]
fn a_refused_client_does_not_come_again_unless_that_may_help() {
    for (why, state) in [
        (RefusedWhy::Full, State::Over),
        (RefusedWhy::NoSuchRoom, State::Over),
        (RefusedWhy::Unknown(77), State::Over),
        (RefusedWhy::Busy, State::Lost),
    ] {
        let mut pair = Pair::connected(identity());
        pair.carry_up().unwrap();
        assert!(pair.server.poll(pair.now).unwrap().is_some());
        pair.server.refuse(why, "no", pair.now);
        pair.carry_down();
        assert_eq!(pair.client.state(), state, "{why:?}");
        assert_eq!(pair.client.poll(), Some(client::Happening::Close { link: pair.link }));
        let refused = client::Happening::Refused(Refused { why, message: "no".into() });
        assert_eq!(pair.client.poll(), (state == State::Over).then_some(refused));
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let mut pair = Pair::connected(identity());
    let timeout = pair.server.next_timeout().unwrap();
    assert_eq!(timeout, pair.now + limits::JOIN_WITHIN);
    assert_eq!(pair.server.on_timeout(pair.now), Ok(()));
    assert_eq!(pair.server.on_timeout(timeout), Err(Violation::NoJoin));
    assert!(pair.server.is_finished(timeout));
}

#[test]
fn a_client_of_another_version_is_told_so() {
    let mut pair = Pair::connected(identity());
    let mut bytes = Vec::new();
    let join = crate::frame::Join { protocol: 2..=3, ..examples::join() };
    crate::frame::ToServer::Join(join).encode(&mut bytes);
    pair.server.on_stream(&bytes, pair.now).unwrap();
    assert_eq!(pair.server.poll(pair.now), Ok(None));
    assert!(pair.server.is_over());
    pair.carry_down();
    let happened: Vec<_> = std::iter::from_fn(|| pair.client.poll()).collect();
    assert!(matches!(
        happened.last(),
        Some(client::Happening::Refused(Refused { why: RefusedWhy::ProtocolVersion, .. }))
    ));
}

#[test]
fn what_has_no_place_ends_the_session() {
    let mut early = Pair::connected(identity());
    early.server.on_stream(&[4, 2, 2, b'h', b'i'], early.now).unwrap();
    assert_eq!(early.server.poll(early.now), Err(Violation::Unexpected("anything but Join")));
    let mut twice = Pair::playing();
    let mut bytes = Vec::new();
    crate::frame::ToServer::Join(examples::join()).encode(&mut bytes);
    twice.server.on_stream(&bytes, twice.now).unwrap();
    assert_eq!(twice.server.poll(twice.now), Err(Violation::Unexpected("a second Join")));
    assert!(twice.server.is_over());
}

#[test]
fn a_lost_client_backs_off_and_gives_up() {
    let mut pair = Pair::playing();
    pair.client.lost(pair.link, pair.now);
    assert_eq!(pair.client.poll(), Some(client::Happening::Lost));
    let (started, mut pauses) = (pair.now, Vec::new());
    let mut last = pair.now;
    while let Some(next) = pair.client.next_timeout() {
        pair.now = next;
        pair.client.on_timeout(next);
        match pair.client.poll() {
            Some(client::Happening::Connect { link, .. }) => {
                pauses.push(next.as_millis() - last.as_millis());
                pair.client.lost(link, next);
                last = next;
            }
            other => assert_eq!(other, Some(client::Happening::GaveUp)),
        }
    }
    assert_eq!(pauses[..8], [50, 100, 200, 400, 500, 500, 500, 500]);
    assert_eq!(pair.now, started + limits::GIVE_UP_AFTER);
    assert_eq!(pair.client.state(), State::Over);
}

#[test]
fn the_fallback_is_tried_beside_the_place_where_the_room_was() {
    let mut pair = Pair::playing();
    let other = crate::frame::Endpoint { address: "192.0.2.8".into(), port: 1 };
    pair.server.fallbacks(Place { endpoints: vec![other], certificate_hashes: vec![] }, pair.now).unwrap();
    pair.carry_down();
    pair.client.lost(pair.link, pair.now);
    let mut tried = Vec::new();
    while tried.len() < 6 {
        pair.now = pair.client.next_timeout().unwrap();
        pair.client.on_timeout(pair.now);
        while let Some(it) = pair.client.poll() {
            if let client::Happening::Connect { link, endpoint, certificate_hashes } = it {
                tried.push((endpoint.port, certificate_hashes.len()));
                pair.client.lost(link, pair.now);
            }
        }
    }
    assert_eq!(tried, [(1, 0), (7777, 1), (1, 0), (7777, 1), (1, 0), (7777, 1)]);
}

#[test]
fn a_server_of_an_earlier_epoch_is_not_believed() {
    let mut pair = Pair::playing();
    pair.client.lost(pair.link, pair.now);
    pair.now += Duration::from_secs(1);
    pair.client.on_timeout(pair.now);
    let link = std::iter::from_fn(|| pair.client.poll()).find_map(|it| match it {
        client::Happening::Connect { link, .. } => Some(link),
        _ => None,
    });
    (pair.link, pair.server) = (link.unwrap(), server::Session::new(pair.now));
    pair.client.connected(pair.link, pair.now);
    pair.carry_up().unwrap();
    assert!(pair.server.poll(pair.now).unwrap().is_some());
    pair.server.admit(Admitted { epoch: 8, ..admitted() }, pair.now).unwrap();
    pair.carry_down();
    assert_eq!(pair.client.poll(), Some(client::Happening::Close { link: pair.link }));
    assert_eq!(pair.client.state(), State::Lost);
}
