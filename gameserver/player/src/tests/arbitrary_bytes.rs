//! Whatever bytes come: no panic, no memory beyond the limits.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::{examples, sessions::Pair};
use crate::{
    datagram::{Input, Snapshot},
    frame::{ToPlayer, ToServer},
    session::server,
    snapshots,
};

/// A valid frame or datagram with some of its bytes changed, or only noise.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let mut valid: Vec<Vec<u8>> = Vec::new();
    for (frame, _) in examples::to_server() {
        valid.push(Vec::new());
        frame.encode(valid.last_mut().unwrap());
    }
    for (frame, _) in examples::to_player() {
        valid.push(Vec::new());
        frame.encode(valid.last_mut().unwrap());
    }
    for (snapshot, _) in examples::snapshots() {
        valid.push(Vec::new());
        snapshot.encode(valid.last_mut().unwrap());
    }
    let changed = (0..valid.len(), vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(
        move |(which, changes)| {
            let mut bytes = valid[which].clone();
            changes.into_iter().for_each(|(at, byte)| *at.get_mut(&mut bytes) = byte);
            bytes
        },
    );
    prop_oneof![changed, vec(any::<u8>(), 0..60)]
}

proptest! {
    #[test]
    fn parsers_take_anything(bytes in bytes()) {
        for bytes in [&bytes[..], bytes.get(1..).unwrap_or_default()] {
            let _ = ToServer::parse(bytes);
            let _ = ToPlayer::parse(bytes);
            let _ = Input::parse(bytes).map(|it| it.map(|it| it.inputs.count()));
            let _ = Snapshot::parse(bytes);
        }
    }

    #[test]
    fn a_receiver_of_snapshots_takes_anything(datagrams in vec(bytes(), 0..20)) {
        let mut receiver = snapshots::Receiver::default();
        for datagram in datagrams {
            let _ = receiver.datagram(&datagram);
        }
    }

    #[test]
    fn a_new_session_takes_anything(pieces in vec((bytes(), any::<bool>()), 0..20)) {
        let now = Duration::from_secs(1);
        let mut session = server::Session::new(now);
        for (bytes, is_datagram) in pieces {
            let _ = match is_datagram {
                true => session.on_datagram(&bytes, now, |_, _| {}),
                false => session.on_stream(&bytes, now),
            };
            while let Ok(Some(_)) = session.poll(now) {}
        }
    }

    #[test]
    fn sessions_that_play_take_anything(pieces in vec((bytes(), any::<bool>(), any::<bool>()), 0..20)) {
        let mut pair = Pair::playing();
        for (bytes, is_datagram, is_to_server) in pieces {
            match (is_to_server, is_datagram) {
                (true, true) => drop(pair.server.on_datagram(&bytes, pair.now, |_, _| {})),
                (true, false) => drop(pair.server.on_stream(&bytes, pair.now)),
                (false, true) => drop(pair.client.on_datagram(pair.link, &bytes, pair.now).map(|it| it.tick)),
                (false, false) => pair.client.on_stream(pair.link, &bytes, pair.now),
            }
            while let Ok(Some(_)) = pair.server.poll(pair.now) {}
            while pair.client.poll().is_some() {}
        }
    }
}
