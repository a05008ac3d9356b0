//! What later releases may send.

use super::{examples, hex, sessions::Pair, unhex};
use crate::{
    datagram::{Input, Snapshot},
    frame::{Refused, RefusedWhy, ToPlayer, ToServer},
    session::{client, server},
};

#[test]
fn frames_and_datagrams_of_unknown_types_are_skipped() {
    assert_eq!(ToServer::parse(&[0x7f, 1, 2]), Ok(None));
    assert_eq!(ToPlayer::parse(&[0x7f, 1, 2]), Ok(None));
    assert_eq!(Input::parse(&[0x7f, 1, 2]), Ok(None));
    assert_eq!(Snapshot::parse(&[0x7f, 1, 2]), Ok(None));
    let mut pair = Pair::playing();
    pair.server.on_stream(&unhex("03 7f 0102 04 02 02 6869"), pair.now).unwrap();
    assert_eq!(pair.server.poll(pair.now), Ok(Some(server::Happening::Message(b"hi"))));
    pair.client.on_stream(pair.link, &unhex("03 7f 0102 04 15 02 6869"), pair.now);
    assert_eq!(pair.client.poll(), Some(client::Happening::Message(b"hi".to_vec())));
}

#[test]
fn bytes_behind_the_last_field_are_ignored() {
    for (frame, _) in examples::to_server() {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let header = if bytes[0] >= 0x40 { 2 } else { 1 };
        let mut body = bytes.split_off(header);
        body.extend([1, 2, 3]);
        assert_eq!(ToServer::parse(&body), Ok(Some(frame)), "{}", hex(&body));
    }
    for (frame, _) in examples::to_player() {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let header = if bytes[0] >= 0x40 { 2 } else { 1 };
        let mut body = bytes.split_off(header);
        body.extend([1, 2, 3]);
        assert_eq!(ToPlayer::parse(&body), Ok(Some(frame)), "{}", hex(&body));
    }
    let bytes = unhex("21 01 07 01 01 05 ffff");
    let input = Input::parse(&bytes).unwrap().unwrap();
    assert_eq!(input.inputs.collect::<Vec<_>>(), [[5]]);
}

#[test]
fn a_reason_that_is_not_known_still_says_no() {
    let refused = Refused { why: RefusedWhy::Unknown(99), message: String::new() };
    assert_eq!(ToPlayer::parse(&unhex("12 4063 00")), Ok(Some(ToPlayer::Refused(refused))));
}
