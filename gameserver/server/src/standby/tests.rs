//! Both ends over real QUIC, at a players' port.

use std::net::Ipv4Addr;

use bytes::Bytes;
use gamekeeper_control::limits::TOKEN_BYTES;
use gamekeeper_player::admission::Admission;
use gamekeeper_room::{Checkpoint, Epoch, Schema, Tick};
use gamekeeper_store::{
    Sealed,
    envelope::{self, STATE_BYTES_MAX},
};
use tokio::time::{sleep, timeout};

use super::{copies::BYTES_AROUND, *};
use crate::{
    players::{self, Hashes, Host},
    rooms::Rooms,
};

const PATIENCE: Duration = Duration::from_secs(20);

struct Pair {
    receiver: Arc<Receiver>,
    line: Line,
    stop: CancellationToken,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A standby with so much memory, and a way to it.
async fn pair(bytes_max: usize) -> Pair {
    let clock = Clock::start();
    let (receiver, hashes, stop) =
        (Receiver::new(clock, bytes_max), Hashes::default(), CancellationToken::new());
    let host = Host {
        rooms: Rooms::default(),
        admission: Admission::Open,
        clock,
        tick_rate: 30.try_into().unwrap(),
        hashes: hashes.clone(),
        per_address: 4,
        hold: players::Hold::for_at_most(Duration::ZERO, players::Seekers::default()),
        standby: Some(receiver.clone()),
    };
    let gate = players::bind((Ipv4Addr::LOCALHOST, 0).into(), host).unwrap();
    let address = gate.address().unwrap();
    tokio::spawn(gate.run(stop.clone(), || ()));
    let token = Token([7; TOKEN_BYTES]);
    receiver.expect(&[token]);
    let standby = Standby::new(clock);
    standby.mirror(Some(Mirror { address, certificate_hashes: hashes.get(), token }));
    let mut line = standby.line();
    tokio::spawn(standby.run(gamekeeper_client::endpoint().unwrap(), stop.clone()));
    let reached = timeout(PATIENCE, line.wait_for(Option::is_some)).await;
    let line = reached.expect("it is reached").unwrap().clone().unwrap();
    Pair { receiver, line, stop }
}

/// An envelope around so many bytes that cannot be packed.
fn copy(uid: &str, tick: u64, length: usize) -> Bytes {
    let mut noise = 1_u64;
    let state = (0..length).map(|_| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    });
    let checkpoint =
        Checkpoint { schema: Schema(0), tick: Tick(tick), epoch: Epoch(5), state: state.collect() };
    let (uid, build) = (uid.to_owned(), String::new());
    let sealed = Sealed { uid, epoch: Epoch(5), build, captured_at: Duration::ZERO, checkpoint };
    let mut envelope = Vec::new();
    envelope::encode(&sealed, &mut envelope).unwrap();
    envelope.into()
}

async fn send(pair: &Pair, copy: &Bytes) -> Sent {
    timeout(PATIENCE, pair.line.clone().send(copy.clone())).await.expect("an answer").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_copies_arrive_many_at_once() {
    let pair = pair(copies::BYTES_MAX).await;
    let copies: Vec<Bytes> = (0..20).map(|it| copy(&format!("uid-{it}"), 1, STATE_BYTES_MAX)).collect();
    let sends = copies.iter().map(|it| tokio::spawn(pair.line.clone().send(it.clone())));
    for send in sends.collect::<Vec<_>>() {
        assert_eq!(timeout(PATIENCE, send).await.unwrap().unwrap().unwrap(), Sent::Kept);
    }
    for (number, copy) in copies.iter().enumerate() {
        assert_eq!(pair.receiver.find(&format!("uid-{number}")).unwrap().envelope, copy);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_without_memory_says_so_and_takes_others_again_when_it_has_some() {
    let pair = pair(2 * BYTES_AROUND + 10_000).await;
    let (small, other) = (copy("small", 1, 6000), copy("other", 1, 6000));
    assert_eq!(send(&pair, &small).await, Sent::Kept);
    let large = copy("large", 1, STATE_BYTES_MAX);
    for _ in 0..10 {
        assert_eq!(send(&pair, &other).await, Sent::Full);
        assert_eq!(send(&pair, &large).await, Sent::Full);
    }
    assert_eq!(pair.receiver.rooms(), 1);
    pair.line.clone().end("small", Epoch(5)).await.unwrap();
    assert_eq!(pair.receiver.rooms(), 0);
    assert_eq!(send(&pair, &other).await, Sent::Kept, "nothing of what was refused is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_copy_ends_the_connection() {
    let pair = pair(copies::BYTES_MAX).await;
    let sent = timeout(PATIENCE, pair.line.clone().send(Bytes::from_static(b"no envelope"))).await;
    assert!(matches!(sent, Ok(Err(_))), "{sent:?}");
    while pair.receiver.rooms() != 0 {
        sleep(Duration::from_millis(5)).await;
    }
}
