//! The bytes on the wire, so that whoever changes a field hears of it here and not from a player.

use super::{examples, examples::spelled_out, hex};
use crate::{
    datagram::Input,
    delta,
    frame::{ToPlayer, ToServer},
};

/// Cuts a frame's length off.
fn body(frame: &[u8]) -> &[u8] {
    let (header, length) = crate::frame::first(frame, frame.len()).unwrap().unwrap();
    assert_eq!(header + length, frame.len());
    &frame[header..]
}

#[test]
fn each_frame_to_a_server_has_its_bytes_for_ever() {
    for (frame, golden) in examples::to_server() {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(hex(&bytes), spelled_out(golden), "{frame:?}");
        assert_eq!(ToServer::parse(body(&bytes)), Ok(Some(frame)));
    }
}

#[test]
fn each_frame_to_a_player_has_its_bytes_for_ever() {
    for (frame, golden) in examples::to_player() {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(hex(&bytes), spelled_out(golden), "{frame:?}");
        assert_eq!(ToPlayer::parse(body(&bytes)), Ok(Some(frame)));
    }
}

#[test]
fn each_datagram_has_its_bytes_for_ever() {
    let mut bytes = Vec::new();
    for (ack, first, inputs, golden) in examples::inputs() {
        Input::encode(ack, first, inputs.iter().copied(), &mut bytes);
        assert_eq!(hex(&bytes), spelled_out(golden));
        let input = Input::parse(&bytes).unwrap().unwrap();
        assert_eq!((input.ack, input.first, input.inputs.collect::<Vec<_>>()), (ack, first, inputs.to_vec()));
    }
    for (snapshot, golden) in examples::snapshots() {
        snapshot.encode(&mut bytes);
        assert_eq!(hex(&bytes), spelled_out(golden));
        assert_eq!(crate::datagram::Snapshot::parse(&bytes), Ok(Some(snapshot)));
    }
}

#[test]
fn the_bodies_of_the_examples_are_what_their_snapshots_make() {
    let (old, new) = (b"hello world", b"hello, you!");
    let bodies: Vec<_> = examples::snapshots().into_iter().map(|(it, _)| it.body.to_vec()).collect();
    let made = |baseline: &[u8], state: &[u8]| {
        let mut body = Vec::new();
        delta::encode(baseline, state, &mut body);
        body
    };
    assert_eq!(made(&[], old), bodies[0]);
    assert_eq!(made(old, new), bodies[1]);
}
