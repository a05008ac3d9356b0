//! Whatever a server sends: no panic, and the session either plays on or comes to an end.

#![no_main]

use std::time::Duration;

use gamekeeper_player::{
    frame::{Credentials, Endpoint, Place, Role, Secret},
    session::client::{Happening, Identity, LinkId, Session},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut now = Duration::ZERO;
    let identity = Identity {
        room: "duel".into(),
        role: Role::Player,
        credentials: Credentials::Open("ann".into()),
        secret: Secret([7; 32]),
    };
    let endpoints = vec![Endpoint { address: "server".into(), port: 1 }];
    let mut session = Session::new(identity, Place { endpoints, ..Place::default() }, now);
    let (mut link, mut rest, mut out) = (LinkId(0), bytes, Vec::new());
    while let [what, length, more @ ..] = rest {
        let (piece, behind) = more.split_at(usize::from(*length).min(more.len()));
        rest = behind;
        now += Duration::from_millis(u64::from(*what));
        match what % 8 {
            0 | 1 => drop(session.on_datagram(link, piece, now).map(|it| it.tick)),
            2 => session.on_timeout(now),
            3 => session.lost(link, now),
            4 => drop(session.input(piece)),
            5 => drop(session.datagram(1200, now, &mut out)),
            _ => session.on_stream(link, piece, now),
        }
        while let Some(happening) = session.poll() {
            if let Happening::Connect { link: next, .. } = happening {
                link = next;
                session.connected(link, now);
            }
        }
    }
});
