//! Connections that do not say what is to be said, when it is to be said.

use std::{net::SocketAddr, time::Duration};

use gamekeeper_player::{
    frame::{Credentials, Join, Refused, RefusedWhy, Role, ToServer},
    limits, varint,
};
use tokio::time::{Instant, sleep};

use crate::support::{Guest, Said, Scene, code, connect, join, loopback, soon};

/// The codes of the protocol with which a server closes a connection.
const CLOSED: u64 = 0;
const MALFORMED: u64 = 1;
const NO_JOIN: u64 = 2;

/// A connection has so long for its Join, in all, and some more on a busy machine.
const JOIN_WITHIN: Duration = limits::JOIN_WITHIN;
const LATE: Duration = Duration::from_secs(3);

fn open(player: &str) -> Credentials {
    Credentials::Open(player.to_owned())
}

/// Opens no stream.
async fn nothing(to: SocketAddr) {
    let connection = soon("a connection", connect(loopback(0, 4), to)).await.unwrap();
    let begin = Instant::now();
    assert_eq!(code(&connection).await, NO_JOIN);
    in_time("no stream", begin);
}

/// Says this, bit by bit, after so long.
async fn too_little(what: &str, to: SocketAddr, after: Duration, bytes: &[u8]) {
    let mut guest = Guest::come(loopback(0, 5), to).await;
    let begin = Instant::now();
    sleep(after).await;
    for byte in bytes.chunks(1) {
        guest.write(byte).await;
        sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(guest.code().await, NO_JOIN, "{what}");
    in_time(what, begin);
}

/// Says this, which is wrong.
async fn wrong(what: &str, to: SocketAddr, bytes: Vec<u8>) {
    let mut guest = Guest::come(loopback(0, 6), to).await;
    let begin = Instant::now();
    guest.write(&bytes).await;
    assert_malformed(what, &mut guest).await;
    println!("{what}: closed after {} ms", begin.elapsed().as_millis());
}

async fn assert_malformed(what: &str, guest: &mut Guest) {
    let said = guest.next().await;
    let Some(Said::Refused(Refused { why: RefusedWhy::Malformed, message })) = said else {
        panic!("{what}: {said:?}")
    };
    println!("{what}: {message}");
    assert_eq!(guest.code().await, MALFORMED, "{what}");
}

fn in_time(what: &str, begin: Instant) {
    let elapsed = begin.elapsed();
    println!("{what}: closed after {} ms", elapsed.as_millis());
    let early = JOIN_WITHIN.checked_sub(Duration::from_millis(500)).unwrap();
    assert!((early..JOIN_WITHIN + LATE).contains(&elapsed), "{what}: {elapsed:?}");
}

fn frame(length: u64, rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::put(length, &mut bytes);
    bytes.extend(rest);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_is_gone_in_five_seconds() {
    let scene = Scene::open(8).await;
    let to = scene.server.players;
    let zero = Duration::ZERO;
    tokio::join!(
        nothing(to),
        too_little("one byte", to, zero, &[0x30]),
        too_little("one byte after four seconds", to, Duration::from_secs(4), &[0x30]),
        too_little("a Join drop by drop", to, zero, &[0x30, 1, 1, 1, 0, 4, b'd', b'u', b'e', b'l', 0, 0, 3]),
        too_little("a request of HTTP", to, Duration::from_secs(2), b"GET /"),
        too_little("frames of an unknown kind", to, zero, &[1, 0x7f, 1, 0x7f, 1, 0x7f]),
    );
    scene.close("nothing said").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_what_makes_no_sense_is_told_so_and_closed() {
    let scene = Scene::open(4).await;
    let to = scene.server.players;
    let too_long = u64::try_from(limits::FRAME_TO_SERVER_BYTES_MAX).unwrap() + 1;
    let random: Vec<u8> = (0..=255_u8).map(|it| it.wrapping_mul(197) ^ 0x2a).skip(3).collect();
    let second = async {
        let (mut guest, _) = Guest::sit(loopback(0, 7), to, "south", "twice").await;
        guest.say(&ToServer::Join(join("south", open("twice"), 7))).await;
        assert_malformed("a second Join", &mut guest).await;
        let (_, again) = Guest::sit(loopback(0, 7), to, "south", "twice").await;
        assert_eq!(again.player, "twice", "it may come back");
    };
    tokio::join!(
        wrong("random bytes", to, frame(200, &random)),
        wrong("a Join of random bytes", to, frame(32, &[&[1], &random[..31]].concat())),
        wrong("an empty frame", to, frame(0, &[])),
        wrong("a frame that is too long", to, frame(too_long, &random)),
        wrong("a frame that never ends", to, frame(varint::MAX, &random)),
        wrong("a message before a Join", to, frame(4, b"\x02\x02hi")),
        wrong("a Leave before a Join", to, frame(1, &[3])),
        second,
    );
    scene.close("nonsense").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_or_is_refused_does_not_stay_and_leaves_no_name_behind() {
    let scene = Scene::open(5).await;
    let to = scene.server.players;
    let leaves = async {
        let (mut guest, _) = Guest::sit(loopback(0, 7), to, "south", "leaver").await;
        guest.say(&ToServer::Leave).await;
        goes("a Leave", guest).await;
    };
    let refused = async {
        let wanted = join("nowhere", open("lost"), 1);
        let (guest, said) = Guest::ask(loopback(0, 7), to, wanted).await;
        assert_why("a room that is not there", &said, RefusedWhy::NoSuchRoom);
        goes("a refusal", guest).await;
    };
    let watchers = async {
        // Whoever has only watched and is gone keeps no name: others would find the room full one day.
        for secret in 1..=3 {
            let watch = Join { role: Role::Spectator, ..join("west", open("watcher"), secret) };
            let (mut guest, said) = Guest::ask(loopback(0, 7), to, watch).await;
            assert!(matches!(said, Said::Joined(_)), "{said:?}");
            guest.say(&ToServer::Leave).await;
            goes("a spectator's Leave", guest).await;
        }
    };
    let crowd = async {
        // Eighteen seats, thirteen bots.
        let mut seated = Vec::new();
        for number in 0..5 {
            seated.push(Guest::sit(loopback(0, 8), to, "north", &format!("guest-{number}")).await);
        }
        for secret in 1..=3 {
            let (guest, said) = Guest::ask(loopback(0, 8), to, join("north", open("late"), secret)).await;
            assert_why("a full room", &said, RefusedWhy::Full);
            goes("a refusal for want of a seat", guest).await;
        }
    };
    tokio::join!(leaves, refused, watchers, crowd);
    scene.close("farewells").await;
}

fn assert_why(what: &str, said: &Said, why: RefusedWhy) {
    assert!(matches!(said, Said::Refused(it) if it.why == why), "{what}: {said:?}");
}

/// The server closes the connection, although its client does not.
async fn goes(what: &str, guest: Guest) {
    let begin = Instant::now();
    // It reads nothing any more, either.
    assert_eq!(code(&guest.connection).await, CLOSED, "{what}");
    let elapsed = begin.elapsed();
    println!("{what}: closed after {} ms", elapsed.as_millis());
    assert!(elapsed < limits::LAST_WORDS + LATE, "{what}: {elapsed:?}");
}
