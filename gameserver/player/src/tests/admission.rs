//! Who is let in, and who is not.

use jiff::Timestamp;

use super::{
    examples, secret,
    tickets::{at, ticket},
};
use crate::{
    admission::{Admission, Guest, Guests},
    frame::{Credentials, Join, RefusedWhy, Role},
    limits,
    ticket::{SecretKey, Verifier},
};

const NOW: i64 = 1;

fn open(player: &str, number: u8) -> Join {
    Join { credentials: Credentials::Open(player.into()), secret: secret(number), ..examples::join() }
}

fn by_ticket(token: &str, number: u8) -> Join {
    Join { credentials: Credentials::Ticket(token.into()), secret: secret(number), ..examples::join() }
}

fn door() -> (Admission, SecretKey) {
    let key = SecretKey::generate().unwrap();
    (Admission::Ticket(Verifier::new(key.public().unwrap())), key)
}

fn now() -> Timestamp {
    at(NOW)
}

#[test]
fn a_name_belongs_to_the_client_that_came_first() {
    let mut guests = Guests::default();
    let mut admit = |join: &Join| guests.admit(&Admission::Open, join, "u-1", now());
    assert_eq!(admit(&open("ann", 1)), Ok("ann".into()));
    assert_eq!(admit(&open("ann", 1)), Ok("ann".into()), "again");
    assert_eq!(admit(&open("ann", 2)), Err(RefusedWhy::NameTaken));
    assert_eq!(admit(&open("bob", 2)), Ok("bob".into()));
    let watching = Join { role: Role::Spectator, ..open("ann", 3) };
    assert_eq!(admit(&watching), Ok("ann".into()), "spectators have names of their own");
    assert_eq!(admit(&by_ticket("v4.public.x", 1)), Err(RefusedWhy::NotAdmitted));
    guests.forget(Role::Player, "ann");
    assert_eq!(guests.admit(&Admission::Open, &open("ann", 2), "u-1", now()), Ok("ann".into()));
}

#[test]
fn a_ticket_is_for_one_client() {
    let ((admission, key), mut guests) = (door(), Guests::default());
    let token = ticket().issue(&key).unwrap();
    let mut admit = |join: &Join, seconds| guests.admit(&admission, join, "u-1", at(seconds));
    assert_eq!(admit(&open("ann", 1), NOW), Err(RefusedWhy::NotAdmitted));
    assert_eq!(admit(&by_ticket(&token, 1), NOW), Ok("ann".into()));
    assert_eq!(admit(&by_ticket(&token, 2), NOW), Err(RefusedWhy::TicketUsed));
    assert_eq!(admit(&by_ticket(&token, 1), 3600), Ok("ann".into()), "the seat outlives the ticket");
    assert_eq!(admit(&by_ticket(&token, 2), 3600), Err(RefusedWhy::TicketUsed));
}

#[test]
fn bad_tickets_are_told_apart() {
    let ((admission, key), mut guests) = (door(), Guests::default());
    let (_, other) = door();
    let token = ticket().issue(&key).unwrap();
    for (token, room, seconds, why) in [
        (token.as_str(), "u-2", NOW, RefusedWhy::TicketForAnotherRoom),
        (token.as_str(), "u-1", 60, RefusedWhy::TicketExpired),
        (token.as_str(), "u-1", -60, RefusedWhy::TicketExpired),
        (ticket().issue(&other).unwrap().as_str(), "u-1", NOW, RefusedWhy::NotAdmitted),
        ("nonsense", "u-1", NOW, RefusedWhy::NotAdmitted),
    ] {
        assert_eq!(guests.admit(&admission, &by_ticket(token, 1), room, at(seconds)), Err(why));
    }
    assert_eq!(guests.iter().count(), 0, "nothing is kept for strangers");
}

#[test]
fn p8_nobody_waits_for_a_room_without_a_ticket_where_one_is_asked_for() {
    let ((admission, key), (_, other)) = (door(), door());
    let token = |key: &SecretKey| ticket().issue(key).unwrap();
    for (admission, join, expected) in [
        (&admission, by_ticket(&token(&key), 1), Ok(())),
        (&admission, Join { room: "by-name".into(), ..by_ticket(&token(&key), 1) }, Ok(())),
        (&admission, by_ticket(&token(&other), 1), Err(RefusedWhy::NotAdmitted)),
        (&admission, by_ticket("nonsense", 1), Err(RefusedWhy::NotAdmitted)),
        (&admission, open("ann", 1), Err(RefusedWhy::NotAdmitted)),
        (&Admission::Open, open("ann", 1), Ok(())),
        (&Admission::Open, by_ticket("nonsense", 1), Err(RefusedWhy::NotAdmitted)),
    ] {
        assert_eq!(admission.may_wait(&join), expected, "{join:?}");
    }
}

#[test]
fn guests_go_with_their_room() {
    let ((admission, key), mut here, mut there) = (door(), Guests::default(), Guests::default());
    let token = ticket().issue(&key).unwrap();
    here.admit(&admission, &by_ticket(&token, 1), "u-1", at(NOW)).unwrap();
    here.iter().for_each(|it| there.insert(it).unwrap());
    assert_eq!(there.admit(&admission, &by_ticket(&token, 1), "u-1", at(3600)), Ok("ann".into()));
    assert_eq!(there.admit(&admission, &by_ticket(&token, 2), "u-1", at(NOW)), Err(RefusedWhy::TicketUsed));
}

#[test]
fn a_room_knows_so_many_guests() {
    let mut guests = Guests::default();
    let guest = |number: usize| Guest { role: Role::Player, player: number.to_string(), secret: secret(1) };
    (0..limits::GUESTS_MAX).for_each(|it| guests.insert(guest(it)).unwrap());
    assert_eq!(guests.insert(guest(limits::GUESTS_MAX)), Err(RefusedWhy::Full));
    assert_eq!(guests.insert(guest(0)), Ok(()));
    assert_eq!(guests.admit(&Admission::Open, &open("ann", 1), "u-1", now()), Err(RefusedWhy::Full));
    assert!(guests.is_full(Role::Player) && !guests.is_full(Role::Spectator));
    guests.retain(Role::Player, |name| name == "7");
    assert_eq!(guests.iter().map(|it| it.player).collect::<Vec<_>>(), ["7"]);
    assert_eq!(guests.admit(&Admission::Open, &open("ann", 1), "u-1", now()), Ok("ann".into()));
}
