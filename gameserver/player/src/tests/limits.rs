//! Every limit holds, and just up to itself.

use super::{examples, secret};
use crate::{
    Malformed,
    frame::{Credentials, Endpoint, Join, Place, Refused, RefusedWhy, ToPlayer, ToServer},
    limits,
    session::agree,
};

fn body(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    let (header, _) = crate::frame::first(&bytes, usize::MAX).unwrap().unwrap();
    bytes.split_off(header)
}

fn to_server(frame: &ToServer<'_>) -> Result<(), Malformed> {
    ToServer::parse(&body(|out| frame.encode(out))).map(drop)
}

fn to_player(frame: &ToPlayer<'_>) -> Result<(), Malformed> {
    ToPlayer::parse(&body(|out| frame.encode(out))).map(drop)
}

fn is_limit(limit: usize, mut check: impl FnMut(usize) -> Result<(), Malformed>) {
    assert_eq!(check(limit), Ok(()), "{limit}");
    assert!(
        matches!(check(limit + 1), Err(Malformed::TooLong { .. } | Malformed::TooMany { .. })),
        "{limit}"
    );
}

#[test]
fn those_of_what_a_client_says() {
    let join = |change: &dyn Fn(&mut Join)| {
        let mut join = examples::join();
        change(&mut join);
        to_server(&ToServer::Join(join))
    };
    is_limit(limits::ROOM_BYTES_MAX, |it| join(&|join| join.room = "r".repeat(it)));
    let open = |it| Credentials::Open("p".repeat(it));
    is_limit(limits::PLAYER_BYTES_MAX, |it| join(&|join| join.credentials = open(it)));
    let ticket = |it| Credentials::Ticket("t".repeat(it));
    is_limit(limits::TICKET_BYTES_MAX, |it| join(&|join| join.credentials = ticket(it)));
    assert_eq!(join(&|join| join.room.clear()), Err(Malformed::Empty { field: "Join.room" }));
    assert_eq!(join(&|it| it.credentials = open(0)), Err(Malformed::Empty { field: "Join.player" }));
    assert_eq!(
        join(&|it| it.first_input = 0),
        Err(Malformed::BadValue { field: "Join.first_input", value: 0 })
    );
    is_limit(limits::MESSAGE_TO_SERVER_BYTES_MAX, |it| to_server(&ToServer::Message(&vec![0; it])));
}

#[test]
fn those_of_what_a_player_is_told() {
    let endpoint = |length: usize| Endpoint { address: "a".repeat(length), port: 1 };
    let place = |endpoints, hashes| {
        to_player(&ToPlayer::Fallbacks(Place { endpoints, certificate_hashes: vec![[0; 32]; hashes] }))
    };
    is_limit(limits::ENDPOINTS_MAX, |it| place(vec![endpoint(1); it], 0));
    is_limit(limits::HOST_BYTES_MAX, |it| place(vec![endpoint(it)], 0));
    is_limit(limits::CERTIFICATE_HASHES_MAX, |it| place(vec![], it));
    is_limit(limits::MESSAGE_TO_PLAYER_BYTES_MAX, |it| to_player(&ToPlayer::Message(&vec![0; it])));
    let ended = |count: usize, length: usize| {
        let mut result: std::collections::BTreeMap<_, _> =
            (0..count).map(|it| (format!("{it:02}"), String::new())).collect();
        result.insert("00".into(), "v".repeat(length));
        to_player(&ToPlayer::Ended(result))
    };
    is_limit(limits::RESULT_ENTRIES_MAX, |it| ended(it, 0));
    is_limit(limits::RESULT_BYTES_MAX, |it| ended(3, it - 6));
    let mut nowhere = examples::redirect();
    nowhere.place.endpoints.clear();
    assert_eq!(
        to_player(&ToPlayer::Redirect(nowhere)),
        Err(Malformed::Empty { field: "Redirect.endpoints" })
    );
    let mut slow = examples::redirect();
    slow.deadline = limits::MOVE_DEADLINE_MAX;
    assert_eq!(to_player(&ToPlayer::Redirect(slow.clone())), Ok(()));
    slow.deadline += std::time::Duration::from_millis(1);
    assert!(to_player(&ToPlayer::Redirect(slow)).is_err());
}

#[test]
fn texts_for_people_are_cut() {
    let refused = Refused { why: RefusedWhy::Busy, message: "ö".repeat(600) };
    let bytes = body(|out| ToPlayer::Refused(refused).encode(out));
    let Ok(Some(ToPlayer::Refused(cut))) = ToPlayer::parse(&bytes) else { panic!("not a refusal") };
    assert_eq!(cut.message, "ö".repeat(512));
}

#[test]
fn the_highest_common_version_is_agreed_on() {
    assert_eq!(agree(&(1..=1)), Some(1));
    assert_eq!(agree(&(0..=7)), Some(1));
    #[expect(clippy::reversed_empty_ranges, reason = "what a client may send")]
    for nothing in [0..=0, 2..=7, 2..=1, 1..=0] {
        assert_eq!(agree(&nothing), None);
    }
}

#[test]
fn secrets_are_compared_and_not_shown() {
    assert_eq!(secret(1), secret(1));
    let mut other = secret(1);
    other.0[31] ^= 0x80;
    assert_ne!(secret(1), other);
    assert_eq!(format!("{other:?}"), "Secret");
}
