//! Tickets and their keys.

use std::time::Duration;

use jiff::Timestamp;
use pasetors::version4::PublicToken;

use crate::{
    limits,
    ticket::{BadTicket, NotIssued, PublicKey, SecretKey, Ticket, Verifier},
};

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(super) fn ticket() -> Ticket {
    Ticket { room: "u-1".into(), player: "ann".into(), issued_at: at(0), expires_at: at(60) }
}

fn pair() -> (SecretKey, Verifier) {
    let key = SecretKey::generate().unwrap();
    let verifier = Verifier::new(key.public().unwrap());
    (key, verifier)
}

/// Signed by us, with whatever in it.
fn signed(key: &SecretKey, claims: &str) -> String {
    let key = pasetors::keys::AsymmetricSecretKey::try_from(key.expose().as_str()).unwrap();
    PublicToken::sign(&key, claims.as_bytes(), None, None).unwrap()
}

#[test]
fn a_ticket_is_good_until_it_ends() {
    let (key, verifier) = pair();
    let token = ticket().issue(&key).unwrap();
    assert!(token.starts_with("v4.public."));
    for (seconds, expected) in [
        (-31, Err(BadTicket::NotYetValid)),
        (-30, Ok(ticket())),
        (0, Ok(ticket())),
        (59, Ok(ticket())),
        (60, Err(BadTicket::Expired)),
    ] {
        assert_eq!(verifier.verify(&token, "u-1", at(seconds)), expected, "{seconds}");
    }
    assert_eq!(verifier.read(&token, "u-1"), Ok(ticket()));
}

#[test]
fn a_ticket_for_another_room_or_by_somebody_else_is_not_taken() {
    let (key, verifier) = pair();
    let (other_key, _) = pair();
    let token = ticket().issue(&key).unwrap();
    assert_eq!(verifier.verify(&token, "u-2", at(1)), Err(BadTicket::OtherRoom));
    let forged = ticket().issue(&other_key).unwrap();
    assert_eq!(verifier.verify(&forged, "u-1", at(1)), Err(BadTicket::Forged));
}

#[test]
fn a_changed_ticket_is_not_taken() {
    let (key, verifier) = pair();
    let token = ticket().issue(&key).unwrap();
    for at_byte in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let bad = verifier.verify(&changed, "u-1", at(1));
        assert!(matches!(bad, Err(BadTicket::Forged | BadTicket::Malformed)), "{at_byte}: {bad:?}");
    }
    for nonsense in ["", "v4.public.", "v4.public.AAAA", "v2.public.AAAA", "v4.local.AAAA", &"v".repeat(3000)]
    {
        assert_eq!(verifier.verify(nonsense, "u-1", at(1)), Err(BadTicket::Malformed), "{nonsense}");
    }
    let footer = format!("{token}.AAAA");
    assert_eq!(verifier.verify(&footer, "u-1", at(1)), Err(BadTicket::Malformed));
}

#[test]
fn claims_are_read_as_a_matchmaker_in_another_language_writes_them() {
    let (key, verifier) = pair();
    let read = |claims: &str| verifier.read(&signed(&key, claims), "u-1");
    let times = r#""iat":"2027-01-15T08:00:00+00:00","exp":"2027-01-15T09:01:00+01:00""#;
    let more = format!(r#"{{"room":"u-1","player":"ann",{times},"jti":"7","rank":3}}"#);
    assert_eq!(read(&more), Ok(ticket()));
    for claims in [
        format!(r#"{{"room":"u-1",{times}}}"#),
        format!(r#"{{"room":"u-1","player":"",{times}}}"#),
        format!(r#"{{"room":"u-1","player":"{}",{times}}}"#, "p".repeat(129)),
        r#"{"room":"u-1","player":"ann","exp":"2027-01-15T09:01:00Z"}"#.to_owned(),
        r#"{"room":"u-1","player":"ann","iat":1,"exp":2}"#.to_owned(),
        "[]".to_owned(),
    ] {
        assert_eq!(read(&claims), Err(BadTicket::Malformed), "{claims}");
    }
    let week = r#"{"room":"u-1","player":"ann","iat":"2027-01-15T08:00:00Z","exp":"2027-01-22T08:00:00Z"}"#;
    assert_eq!(read(week), Err(BadTicket::TooLongLived));
}

#[test]
fn what_nobody_would_take_is_not_issued() {
    let (key, _) = pair();
    let issue = |change: &dyn Fn(&mut Ticket)| {
        let mut ticket = ticket();
        change(&mut ticket);
        ticket.issue(&key).map(drop)
    };
    let day = limits::TICKET_LIFETIME_MAX;
    assert_eq!(issue(&|it| it.room.clear()), Err(NotIssued::Names));
    assert_eq!(issue(&|it| it.player = "p".repeat(129)), Err(NotIssued::Names));
    assert_eq!(issue(&|it| it.expires_at = at(0)), Err(NotIssued::Lifetime));
    assert_eq!(issue(&|it| it.expires_at = at(-1)), Err(NotIssued::Lifetime));
    assert_eq!(issue(&|it| it.expires_at = at(0) + day), Ok(()));
    let longer = day + Duration::from_nanos(1);
    assert_eq!(issue(&|it| it.expires_at = at(0) + longer), Err(NotIssued::Lifetime));
    let longest = Ticket { room: "r".repeat(253), player: "\u{1}".repeat(128), ..ticket() };
    assert!(longest.issue(&key).unwrap().len() <= limits::TICKET_BYTES_MAX);
}

#[test]
fn keys_are_text_and_secret_ones_do_not_show() {
    let (key, _) = pair();
    let (secret, public) = (key.expose(), key.public().unwrap().to_string());
    assert!(secret.starts_with("k4.secret.") && public.starts_with("k4.public."));
    assert_eq!(secret.parse::<SecretKey>().unwrap().expose(), secret);
    assert_eq!(format!("{public}\n").parse::<PublicKey>().unwrap().to_string(), public);
    assert_eq!(format!("{key:?}"), "SecretKey");
    for wrong in [public.as_str(), "", "k4.secret.", "k4.secret.AAAA"] {
        let bad = wrong.parse::<SecretKey>().map(drop).unwrap_err();
        assert_eq!(bad.to_string(), "this is not a key that begins with k4.secret.");
    }
    assert!(secret.parse::<PublicKey>().is_err());
}
