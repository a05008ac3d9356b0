//! Players with a seat, and clients that are broken or mean.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use bytes::Bytes;
use gamekeeper_player::{
    datagram::Snapshot,
    frame::{Credentials, Join, Refused, RefusedWhy, ToServer},
    limits, session, varint,
};
use quinn::Connection;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Guest, Said, Scene, code, input, join, loopback, soon};

const MALFORMED: u64 = 1;
const FLOOD: u64 = 3;
const REPLACED: u64 = 6;

/// An input of the arena: nothing is pressed.
const IDLE: &[u8] = &[0, 0, 0];

/// What is shown next.
async fn shown(connection: &Connection) -> (u64, u64, u64) {
    let datagram = soon("a snapshot", connection.read_datagram()).await.expect("it is still in");
    let snapshot = Snapshot::parse(&datagram).unwrap().expect("a snapshot");
    (snapshot.tick, snapshot.distance, snapshot.input_ack)
}

/// Which inputs are acknowledged, once all that was sent up to now is there. Acknowledges what it sees.
async fn acknowledged(connection: &Connection) -> u64 {
    let until = Instant::now() + Duration::from_millis(700);
    let mut newest = (0, 0, 0);
    while let Ok(next) = tokio::time::timeout_at(until, shown(connection)).await {
        newest = newest.max(next);
        let _ = connection.send_datagram(input(next.0, varint::MAX, &[]).into());
    }
    newest.2
}

fn send(connection: &Connection, datagram: Vec<u8>) {
    connection.send_datagram(Bytes::from(datagram)).expect("it is still in");
}

/// Inputs of other times change nothing.
async fn out_of_time(to: SocketAddr) {
    let (guest, _) = Guest::sit(loopback(0, 4), to, "north", "time").await;
    let player = &guest.connection;
    send(player, input(0, 1, &[IDLE; 3]));
    assert_eq!(acknowledged(player).await, 3);
    let tick = shown(player).await.0;
    for first in [4 + 257, 1000, 1 << 32, varint::MAX - 60, varint::MAX] {
        send(player, input(tick, first, &[IDLE; 60]));
    }
    for ack in [tick + 1, tick + 1000, varint::MAX] {
        send(player, input(ack, 1, &[IDLE; 3]));
    }
    assert_eq!(acknowledged(player).await, 3, "inputs of the future and of the past");
    send(player, input(tick, 4, &[IDLE]));
    assert_eq!(acknowledged(player).await, 4, "the one that is due");
    println!("inputs out of time: ignored");
}

/// Above the budget is dropped, and nobody is thrown out for it.
async fn too_many(to: SocketAddr) {
    // Each datagram's input is as far ahead as it may be just once: the first that is dropped is the last that
    // counts, and how many were read is known from that.
    const STEP: u64 = 200;
    const SENT: u64 = 1500;
    let (guest, _) = Guest::sit(loopback(0, 5), to, "north", "many").await;
    let (player, begin) = (&guest.connection, Instant::now());
    for number in 0..SENT {
        send(player, input(0, number * STEP + 1, &[IDLE]));
        // So much as the server's QUIC keeps for us to look at.
        if number % 200 == 199 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let read = acknowledged(player).await / STEP + 1;
    println!("a flood of {SENT} datagrams in {seconds:.2} s: {read} were read before the first was dropped");
    assert!((limits::DATAGRAMS_BURST / 2..2 * limits::DATAGRAMS_BURST).contains(&read), "{read}");
    sleep(Duration::from_millis(500)).await;
    let next = acknowledged(player).await + 1;
    send(player, input(0, next, &[IDLE]));
    assert_eq!(acknowledged(player).await, next, "it is heard again");
}

/// Ten times the budget is the end.
async fn far_too_many(to: SocketAddr) {
    let (mut guest, _) = Guest::sit(loopback(0, 6), to, "east", "flood").await;
    let (begin, mut sent) = (Instant::now(), 0);
    let player = guest.connection.clone();
    while player.close_reason().is_none() && begin.elapsed() < Duration::from_secs(5) {
        for _ in 0..200 {
            sent += u64::from(player.send_datagram(input(0, 1, &[IDLE]).into()).is_ok());
        }
        sleep(Duration::from_millis(10)).await;
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("a flood of {sent} datagrams: over after {seconds:.2} s");
    assert_eq!(guest.code().await, FLOOD);
    assert!(limits::FLOOD_FACTOR * limits::DATAGRAMS_BURST < sent);
    let (_, again) = Guest::sit(loopback(0, 6), to, "east", "flood").await;
    assert_eq!(again.player, "flood", "it may come back");
}

/// Each is told what is wrong, and may come back to its seat.
async fn wrong(to: SocketAddr) {
    let long = [0; limits::INPUT_BYTES_MAX + 1];
    let many = [IDLE; limits::INPUTS_PER_DATAGRAM_MAX + 1];
    let mut seats = BTreeSet::new();
    for (what, datagram) in [
        ("an input that is too long", input(0, 1, &[&long])),
        ("too many inputs", input(0, 1, &many)),
        ("an input without a number", b"\x21\x00\x00\x01\x01\x00".to_vec()),
        ("a datagram that is cut short", b"\x21\x00\x01\x02\x03\x00\x00\x00\x03".to_vec()),
        ("a count from nowhere", b"\x21\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()),
        ("an empty datagram", Vec::new()),
    ] {
        let (mut guest, joined) = Guest::sit(loopback(0, 7), to, "west", "wrong").await;
        seats.insert(joined.seat);
        send(&guest.connection, datagram);
        let said = guest.next().await;
        let Some(Said::Refused(Refused { why: RefusedWhy::Malformed, message })) = said else {
            panic!("{what}: {said:?}")
        };
        println!("{what}: {message}");
        assert_eq!(guest.code().await, MALFORMED, "{what}");
    }
    assert_eq!(seats.len(), 1, "the seat is kept");
    let (guest, _) = Guest::sit(loopback(0, 7), to, "west", "wrong").await;
    for kind in [0x00, 0x20, 0x31, 0xff] {
        send(&guest.connection, vec![kind; 1000]);
    }
    acknowledged(&guest.connection).await;
    assert!(guest.connection.close_reason().is_none(), "unknown kinds are ignored");
}

/// Full snapshots cost more than others: there are few of them.
async fn acknowledges_nothing(to: SocketAddr) {
    let (guest, _) = Guest::sit(loopback(0, 8), to, "south", "deaf").await;
    let (begin, mut full) = (Instant::now(), BTreeSet::new());
    while begin.elapsed() < Duration::from_secs(4) {
        let Ok(next) = timeout(Duration::from_secs(1), shown(&guest.connection)).await else { continue };
        assert_eq!(next.1, 0, "a difference from what it does not have");
        full.insert(next.0);
    }
    let most = limits::FULL_SNAPSHOTS_BURST + limits::FULL_SNAPSHOTS_PER_SECOND * 5;
    println!("who acknowledges nothing gets {} full snapshots in 4 s", full.len());
    assert!((20..=most).contains(&(full.len() as u64)), "{}", full.len());
}

/// Whoever comes again takes the place of its own connection.
async fn again_and_again(to: SocketAddr) {
    let mut before: Option<Guest> = None;
    for _ in 0..60 {
        let (guest, joined) = Guest::sit(loopback(0, 9), to, "north", "again").await;
        assert_eq!(joined.player, "again");
        if let Some(before) = before.replace(guest) {
            assert_eq!(code(&before.connection).await, REPLACED);
        }
    }
    println!("60 connections of one player, one after the other: each closed by the next");
}

/// What a player said once is known when it comes again, and it is told so.
async fn says_it_once(to: SocketAddr) {
    let join = join("south", Credentials::Open("talks".to_owned()), 7);
    let join = Join { features: session::CONFIRMED_MESSAGES, ..join };
    for (known, number) in [(0, 1), (1, 2), (2, 2), (2, 1), (2, 9), (9, 10)] {
        let (mut guest, answer) = Guest::ask(loopback(0, 10), to, join.clone()).await;
        assert!(matches!(answer, Said::Joined(_)), "{answer:?}");
        assert_eq!(guest.next().await, Some(Said::Confirmed(known)));
        guest.say(&ToServer::Numbered(number, b"hi")).await;
        assert_eq!(guest.next().await, Some(Said::Confirmed(known.max(number))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_of_other_times_and_above_the_budget_are_dropped() {
    let scene = Scene::open(7).await;
    let to = scene.server.players;
    tokio::join!(out_of_time(to), too_many(to), acknowledges_nothing(to), says_it_once(to));
    scene.close("inputs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_broken_datagrams_and_newer_connections_end_one_connection_and_nothing_else() {
    let scene = Scene::open(6).await;
    let to = scene.server.players;
    tokio::join!(far_too_many(to), wrong(to), again_and_again(to));
    scene.close("floods").await;
}
