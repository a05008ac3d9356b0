//! What a player can cost us.

use std::time::Duration;

use super::sessions::{Pair, identity};
use crate::{
    datagram::{Input, Snapshot},
    frame::{Role, ToServer},
    limits,
    session::{
        Violation,
        client::{Identity, NotSent},
        server::{Happening, NotSaid},
    },
};

const SECOND: Duration = Duration::from_secs(1);

fn input(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Input::encode(0, number, [[1].as_slice()].into_iter(), &mut out);
    out
}

#[test]
fn datagrams_above_the_budget_are_dropped_and_a_flood_ends_the_session() {
    let mut pair = Pair::playing();
    let mut delivered = 0;
    for number in 1..=limits::DATAGRAMS_BURST + 50 {
        pair.server.on_datagram(&input(number), pair.now, |_, _| delivered += 1).unwrap();
    }
    assert_eq!((delivered, pair.server.counts().above_budget), (limits::DATAGRAMS_BURST, 50));
    let flood = (0..20 * limits::DATAGRAMS_BURST)
        .find_map(|_| pair.server.on_datagram(&input(1), pair.now, |_, _| {}).err());
    assert_eq!(flood, Some(Violation::Flood));
    assert!(pair.server.is_over());
}

#[test]
fn twice_the_budget_for_an_hour_is_half_dropped_and_no_flood() {
    let mut pair = Pair::playing();
    for step in 0..2 * 240 * 60u64 {
        let now = pair.now + Duration::from_micros(step * 1_000_000 / 480);
        pair.server.on_datagram(&input(1), now, |_, _| {}).unwrap();
    }
    let dropped = pair.server.counts().above_budget;
    assert!((240 * 58..=240 * 60).contains(&dropped), "{dropped}");
}

#[test]
fn frames_above_the_budget_wait_and_the_client_waits_with_them() {
    let mut pair = Pair::playing();
    let mut frame = Vec::new();
    ToServer::Message(&[7; 1000]).encode(&mut frame);
    let (mut sent, mut heard, mut until) = (0u32, 0u32, pair.now + 10 * SECOND);
    // Ten seconds of a client that writes as fast as it may.
    while pair.now < until {
        while frame.len() <= pair.server.stream_room() {
            pair.server.on_stream(&frame, pair.now).unwrap();
            sent += 1;
        }
        while let Some(happening) = pair.server.poll(pair.now).unwrap() {
            assert!(matches!(happening, Happening::Message(it) if it == [7; 1000]));
            heard += 1;
        }
        pair.now = pair.server.next_timeout().unwrap_or_default().max(pair.now + Duration::from_micros(1));
    }
    let bytes = u64::from(heard) * frame.len() as u64;
    assert!(bytes <= limits::STREAM_BYTES_BURST + 11 * limits::STREAM_BYTES_PER_SECOND, "{bytes}");
    assert!(bytes >= 9 * limits::STREAM_BYTES_PER_SECOND, "{bytes}");
    // When it stops, all is heard.
    until = pair.now + SECOND;
    while pair.server.poll(until).unwrap().is_some() {
        heard += 1;
    }
    assert_eq!(heard, sent);
}

#[test]
fn who_writes_more_than_there_is_room_for_is_disconnected() {
    let mut pair = Pair::playing();
    let room = pair.server.stream_room();
    assert_eq!(pair.server.on_stream(&vec![0x7f; room], pair.now), Ok(()));
    assert_eq!(pair.server.on_stream(&[0], pair.now), Err(Violation::Flood));
}

#[test]
fn a_client_that_never_reads_is_disconnected() {
    let mut pair = Pair::playing();
    let said = (0..10).find_map(|_| pair.server.message(&[0; 16 * 1024], pair.now).err());
    assert_eq!(said, Some(NotSaid::NotReading));
    assert!(pair.server.is_over());
    assert!(pair.server.stream_output().len() <= limits::OUTBOX_BYTES_MAX);
    assert!(!pair.server.is_finished(pair.now) && pair.server.is_finished(pair.now + limits::LAST_WORDS));
}

#[test]
fn a_client_that_never_acknowledges_gets_few_snapshots_and_full_ones() {
    let mut pair = Pair::playing();
    let (mut sent, mut state) = (0, vec![1; 3000]);
    for tick in 1..=600u64 {
        let now = pair.now + SECOND / 60 * u32::try_from(tick).unwrap();
        state[0] = u8::try_from(tick % 200).unwrap();
        let mut datagrams = 0;
        let is_sent = pair.server.snapshot(tick, &state, 1200, now, |datagram| {
            assert_eq!(Snapshot::parse(datagram).unwrap().unwrap().distance, 0);
            datagrams += 1;
        });
        sent += u64::from(is_sent.unwrap());
        assert_eq!(datagrams, if is_sent.unwrap() { 3 } else { 0 });
    }
    let allowed = limits::FULL_SNAPSHOTS_BURST + 10 * limits::FULL_SNAPSHOTS_PER_SECOND;
    assert!((allowed - 1..=allowed).contains(&sent), "{sent}");
}

#[test]
fn spectators_only_watch() {
    let mut pair = Pair::connected(Identity { role: Role::Spectator, ..identity() });
    pair.carry_up().unwrap();
    assert!(pair.server.poll(pair.now).unwrap().is_some());
    pair.server.admit(super::sessions::admitted(), pair.now).unwrap();
    pair.carry_down();
    assert_eq!(pair.client.input(&[1]), Err(NotSent::Spectator));
    pair.server.on_datagram(&input(1), pair.now, |_, _| panic!("an input of a spectator")).unwrap();
    assert_eq!(pair.server.counts().ignored, 1);
}
