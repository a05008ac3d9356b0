//! What one end writes, the other reads.

use proptest::{collection::vec, prelude::*};

use super::generate;
use crate::{
    datagram::{Input, Part, Snapshot},
    frame::{RefusedWhy, ToPlayer, ToServer},
    limits,
};

fn check_to_server(frame: &ToServer<'_>) {
    let mut bytes = vec![9];
    frame.encode(&mut bytes);
    let (header, length) =
        crate::frame::first(&bytes[1..], limits::FRAME_TO_SERVER_BYTES_MAX).unwrap().unwrap();
    assert_eq!(1 + header + length, bytes.len());
    assert_eq!(ToServer::parse(&bytes[1 + header..]).unwrap().as_ref(), Some(frame));
    // Whatever is cut off is missed.
    for cut in 1 + header..bytes.len() {
        assert!(ToServer::parse(&bytes[1 + header..cut]).is_err());
    }
}

fn check_to_player(frame: &ToPlayer<'_>) {
    let mut bytes = vec![9];
    frame.encode(&mut bytes);
    let (header, length) =
        crate::frame::first(&bytes[1..], limits::FRAME_TO_PLAYER_BYTES_MAX).unwrap().unwrap();
    assert_eq!(1 + header + length, bytes.len());
    assert_eq!(ToPlayer::parse(&bytes[1 + header..]).unwrap().as_ref(), Some(frame));
    for cut in 1 + header..bytes.len() {
        assert!(ToPlayer::parse(&bytes[1 + header..cut]).is_err());
    }
}

#[test]
fn every_reason_keeps_its_number() {
    for code in 0..40 {
        assert_eq!(RefusedWhy::from_code(code).code(), code);
        let is_known = !matches!(RefusedWhy::from_code(code), RefusedWhy::Unknown(_));
        assert_eq!(is_known, (1..=11).contains(&code));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn frames_to_a_server(join in generate::join(), number in 1..1u64 << 62, message in vec(any::<u8>(), 0..=1024)) {
        check_to_server(&ToServer::Join(join));
        check_to_server(&ToServer::Message(&message));
        check_to_server(&ToServer::Numbered(number, &message));
    }

    #[test]
    fn frames_to_a_player(
        joined in generate::joined(),
        refused in generate::refused(),
        redirect in generate::redirect(),
        place in generate::place(),
        number in 0..1u64 << 62,
        message in vec(any::<u8>(), 0..=2000),
        result in proptest::collection::btree_map("[a-z]{1,9}", ".{0,9}", 0..=64),
    ) {
        check_to_player(&ToPlayer::Joined(joined));
        check_to_player(&ToPlayer::Refused(refused));
        check_to_player(&ToPlayer::Redirect(redirect));
        check_to_player(&ToPlayer::Fallbacks(place));
        check_to_player(&ToPlayer::Message(&message));
        check_to_player(&ToPlayer::Ended(result));
        check_to_player(&ToPlayer::Confirmed(number));
    }

    #[test]
    fn inputs(ack in 0..1u64 << 62, first in 1..1u64 << 62, inputs in vec(vec(any::<u8>(), 0..80), 0..=16)) {
        let mut bytes = Vec::new();
        Input::encode(ack, first, inputs.iter().map(Vec::as_slice), &mut bytes);
        let read = Input::parse(&bytes).unwrap().unwrap();
        prop_assert_eq!((read.ack, read.first), (ack, first));
        prop_assert_eq!(read.inputs.map(<[u8]>::to_vec).collect::<Vec<_>>(), inputs);
        for cut in 0..bytes.len() {
            prop_assert!(Input::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn snapshots(tick in 1..1u64 << 62, back: u64, input_ack in 0..1u64 << 62, index: u8, count in 1..=32u8, body: Vec<u8>) {
        let part = Part { index: index % count, count };
        let snapshot = Snapshot { tick, distance: back % tick, input_ack, part, body: &body };
        let mut bytes = Vec::new();
        snapshot.encode(&mut bytes);
        prop_assert_eq!(Snapshot::parse(&bytes), Ok(Some(snapshot)));
    }
}
