//! The lane of snapshots.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    datagram::{Part, Snapshot},
    limits,
    snapshots::{NotSent, Receiver, Sender},
};

/// A state in which little changes from tick to tick.
pub(super) fn state(tick: u64, length: usize) -> Vec<u8> {
    let mut state: Vec<u8> = (0..=250).cycle().take(length).collect();
    for (at, byte) in tick.to_be_bytes().into_iter().enumerate() {
        let at = (at * 31 + usize::try_from(tick % 17).unwrap()) % length.max(1);
        state[at..].first_mut().into_iter().for_each(|it| *it ^= byte);
    }
    state
}

fn encoded(sender: &mut Sender, tick: u64, state: &[u8], budget: usize) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    sender.encode(tick, state, budget, 0, |it| datagrams.push(it.to_vec())).unwrap();
    assert!(datagrams.iter().all(|it| it.len() <= budget));
    datagrams
}

#[test]
fn the_newest_acknowledged_snapshot_is_the_baseline() {
    let (mut sender, mut receiver) = (Sender::default(), Receiver::default());
    let full = encoded(&mut sender, 1, &state(1, 900), 1200);
    assert!(receiver.datagram(&full[0]).unwrap().is_some());
    sender.acknowledge(receiver.ack());
    for tick in 2..=5 {
        let delta = encoded(&mut sender, tick, &state(tick, 900), 1200);
        assert_eq!(Snapshot::parse(&delta[0]).unwrap().unwrap().distance, tick - 1);
        assert!(delta[0].len() < 60, "{}", delta[0].len());
        assert_eq!(receiver.datagram(&delta[0]).unwrap().unwrap().state, state(tick, 900));
    }
    sender.acknowledge(99);
    let delta = encoded(&mut sender, 6, &state(6, 900), 1200);
    assert_eq!(Snapshot::parse(&delta[0]).unwrap().unwrap().distance, 5, "99 was never sent");
    assert_eq!(receiver.counts().shown, 5);
}

#[test]
fn a_baseline_that_is_too_old_is_not_used() {
    let mut sender = Sender::default();
    encoded(&mut sender, 1, &state(1, 100), 1200);
    sender.acknowledge(1);
    for tick in 2..2 + limits::BASELINES_MAX as u64 {
        assert!(sender.has_baseline());
        encoded(&mut sender, tick, &state(tick, 100), 1200);
    }
    assert!(!sender.has_baseline());
    sender.acknowledge(40);
    assert!(sender.has_baseline());
    let far = encoded(&mut sender, 40 + limits::DISTANCE_MAX + 1, &state(1, 100), 1200);
    assert_eq!(Snapshot::parse(&far[0]).unwrap().unwrap().distance, 0);
}

#[test]
fn the_longest_snapshot_fits_the_smallest_datagrams_in_any_order() {
    let (mut sender, mut receiver) = (Sender::default(), Receiver::default());
    let mut rng = StdRng::seed_from_u64(3);
    let noise: Vec<u8> = (0..limits::SNAPSHOT_BYTES_MAX).map(|_| rng.random()).collect();
    let mut datagrams = encoded(&mut sender, 1, &noise, limits::DATAGRAM_BYTES_MIN);
    assert!((30..=limits::PARTS_MAX).contains(&datagrams.len()));
    datagrams.reverse();
    let last = datagrams.pop().unwrap();
    for datagram in &datagrams {
        assert_eq!(receiver.datagram(datagram).unwrap(), None);
        assert_eq!(receiver.datagram(datagram).unwrap(), None);
    }
    assert_eq!(receiver.datagram(&last).unwrap().unwrap().state, noise);
    assert_eq!(receiver.counts().repeated, datagrams.len() as u64);
    assert_eq!(receiver.datagram(&last).unwrap(), None);
}

#[test]
fn parts_of_two_snapshots_may_come_mixed() {
    let (mut sender, mut receiver) = (Sender::default(), Receiver::default());
    let first = encoded(&mut sender, 1, &state(1, 3000), 1100);
    let second = encoded(&mut sender, 2, &state(2, 3000), 1100);
    let third = encoded(&mut sender, 3, &state(3, 3000), 1100);
    for datagram in [&first[0], &second[0], &first[1]] {
        assert_eq!(receiver.datagram(datagram).unwrap(), None);
    }
    assert_eq!(receiver.datagram(&first[2]).unwrap().unwrap().tick, 1);
    assert_eq!(receiver.datagram(&third[0]).unwrap(), None);
    assert_eq!(receiver.datagram(&third[1]).unwrap(), None);
    assert_eq!(receiver.datagram(&third[2]).unwrap().unwrap().state, state(3, 3000));
    assert_eq!(receiver.datagram(&second[1]).unwrap(), None);
    let counts = receiver.counts();
    assert_eq!((counts.shown, counts.skipped_ticks, counts.stale), (2, 1, 1));
}

#[test]
fn a_snapshot_without_its_baseline_is_not_shown() {
    let mut receiver = Receiver::default();
    let mut out = Vec::new();
    Snapshot { tick: 9, distance: 4, input_ack: 3, part: Part::WHOLE, body: &[0] }.encode(&mut out);
    assert_eq!(receiver.datagram(&out), Ok(None));
    assert_eq!((receiver.counts().without_baseline, receiver.ack(), receiver.input_ack()), (1, 0, 3));
}

#[test]
fn what_cannot_be_sent_is_said() {
    let mut sender = Sender::default();
    let mut send = |tick, length, budget| sender.encode(tick, &vec![7; length], budget, 0, |_| {});
    assert_eq!(send(0, 1, 1200), Err(NotSent::NotNewer { tick: 0, newest: 0 }));
    assert_eq!(send(1, 32 * 1024 + 1, 1200), Err(NotSent::TooLong(32 * 1024 + 1)));
    assert_eq!(send(1, 4000, 100), Err(NotSent::TooManyParts { budget: 100 }));
    assert_eq!(send(1, 1, 10), Err(NotSent::TooManyParts { budget: 10 }));
    assert_eq!(send(1, 4000, 1200), Ok(()));
    assert_eq!(send(1, 4000, 1200), Err(NotSent::NotNewer { tick: 1, newest: 1 }));
}
