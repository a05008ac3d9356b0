//! Tickets that are good for others, or for nobody.

use std::{net::SocketAddr, time::Duration};

use gamekeeper_player::{
    frame::{Credentials, RefusedWhy},
    ticket::{SecretKey, Ticket},
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::support::{Guest, Said, Scene, join, loopback};

/// For the next ten minutes.
pub(crate) fn good(room: &str, player: &str) -> Ticket {
    lasting(room, player, SignedDuration::ZERO, SignedDuration::from_mins(10))
}

fn lasting(room: &str, player: &str, from: SignedDuration, lifetime: SignedDuration) -> Ticket {
    #[allow(clippy::disallowed_methods, reason = "the server in the other process has no other clock")]
    let issued_at = Timestamp::now() + from;
    let (room, player) = (room.to_owned(), player.to_owned());
    Ticket { room, player, issued_at, expires_at: issued_at + lifetime }
}

/// With a ticket and a secret: why not, or the seat.
async fn come(to: SocketAddr, ticket: &str, secret: u8) -> Result<(Guest, u32), RefusedWhy> {
    let wanted = join("north", Credentials::Ticket(ticket.to_owned()), secret);
    match Guest::ask(loopback(0, 4), to, wanted).await {
        (guest, Said::Joined(joined)) => Ok((guest, joined.seat)),
        (_, Said::Refused(refused)) => Err(refused.why),
        (_, other) => panic!("{other:?}"),
    }
}

async fn refused(to: SocketAddr, ticket: &str) -> Option<RefusedWhy> {
    come(to, ticket, 1).await.err()
}

/// Each wrong ticket, and why it is refused.
async fn wrong(to: SocketAddr, key: &SecretKey) {
    let (north, minutes) = ("uid-of-north", SignedDuration::from_mins);
    let ann = good(north, "ann").issue(key).unwrap();
    let (head, signature) = ann.split_at(ann.len() - 4);
    let changed = format!("{head}{}", if signature == "AAAA" { "BBBB" } else { "AAAA" });
    let stranger = SecretKey::generate().unwrap();
    for (what, ticket, why) in [
        ("another room", good("uid-of-east", "ann").issue(key), RefusedWhy::TicketForAnotherRoom),
        ("expired", lasting(north, "ann", minutes(-20), minutes(10)).issue(key), RefusedWhy::TicketExpired),
        (
            "of tomorrow",
            lasting(north, "ann", minutes(20), minutes(10)).issue(key),
            RefusedWhy::TicketExpired,
        ),
        ("forged", good(north, "ann").issue(&stranger), RefusedWhy::NotAdmitted),
        ("changed", Ok(changed), RefusedWhy::NotAdmitted),
        ("cut short", Ok(ann[..ann.len() / 2].to_owned()), RefusedWhy::NotAdmitted),
        ("not a ticket", Ok("v4.public.".repeat(200)), RefusedWhy::NotAdmitted),
    ] {
        let found = refused(to, &ticket.unwrap()).await;
        println!("a ticket that is {what}: {found:?}");
        assert_eq!(found, Some(why), "{what}");
    }
    let by_name = join("north", Credentials::Open("ann".to_owned()), 1);
    let (_, said) = Guest::ask(loopback(0, 4), to, by_name).await;
    assert!(matches!(&said, Said::Refused(it) if it.why == RefusedWhy::NotAdmitted), "{said:?}");
    come(to, &ann, 1).await.expect("a good ticket is good, whatever was tried before");
}

/// A ticket lets one client in, and that one for as long as the match.
async fn twice(to: SocketAddr, key: &SecretKey) {
    let ben = good("uid-of-north", "ben").issue(key).unwrap();
    let (_ben, seat) = come(to, &ben, 2).await.unwrap();
    assert_eq!(come(to, &ben, 3).await.err(), Some(RefusedWhy::TicketUsed));
    let second = good("uid-of-north", "ben").issue(key).unwrap();
    assert_eq!(
        come(to, &second, 3).await.err(),
        Some(RefusedWhy::TicketUsed),
        "another one for the same player"
    );
    assert_eq!(come(to, &ben, 2).await.unwrap().1, seat);
}

/// The seat outlives the ticket.
async fn expires(to: SocketAddr, key: &SecretKey) {
    let ticket = |player| {
        let (from, lifetime) = (SignedDuration::ZERO, SignedDuration::from_secs(2));
        lasting("uid-of-north", player, from, lifetime).issue(key).unwrap()
    };
    let (cid, dan) = (ticket("cid"), ticket("dan"));
    let (guest, seat) = come(to, &cid, 4).await.unwrap();
    // Long enough for the game to see it, or it would be as if it had never come.
    sleep(Duration::from_millis(300)).await;
    guest.connection.close(0_u32.into(), b"");
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(come(to, &dan, 4).await.err(), Some(RefusedWhy::TicketExpired), "it never came in time");
    assert_eq!(come(to, &cid, 4).await.expect("it has its seat").1, seat);
    assert_eq!(come(to, &cid, 5).await.err(), Some(RefusedWhy::TicketUsed));
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_of_others_let_nobody_in_and_a_good_one_does() {
    let key = SecretKey::generate().unwrap();
    let scene = Scene::with_tickets(8, &key).await;
    let to = scene.server.players;
    tokio::join!(wrong(to, &key), twice(to, &key), expires(to, &key));
    scene.close("tickets").await;
}
