//! The lane of inputs.

use proptest::{collection::vec, prelude::*};

use crate::{
    datagram::Input,
    inputs::{Receiver, Sender},
    limits,
};

const AHEAD_MAX: u64 = limits::INPUT_AHEAD_MAX as u64;
const LOST_AFTER: u64 = limits::INPUT_LOST_AFTER as u64;

fn receive(receiver: &mut Receiver, datagram: &[u8], delivered: &mut Vec<u64>) {
    let input = Input::parse(datagram).unwrap().unwrap();
    for (number, bytes) in (input.first..).zip(input.inputs) {
        receiver.receive(number, bytes, |number, bytes| {
            assert_eq!(bytes, number.to_be_bytes());
            delivered.push(number);
        });
    }
}

#[test]
fn what_is_missing_is_waited_for_and_then_given_up() {
    let mut receiver = Receiver::after(0);
    let mut delivered = Vec::new();
    for number in 2..=LOST_AFTER {
        receiver.receive(number, &[], |it, _| delivered.push(it));
    }
    assert_eq!((delivered.as_slice(), receiver.acknowledged()), ([].as_slice(), 0));
    receiver.receive(LOST_AFTER + 1, &[], |it, _| delivered.push(it));
    assert_eq!(delivered, (2..=LOST_AFTER + 1).collect::<Vec<_>>());
    assert_eq!(receiver.counts().lost, 1);
    receiver.receive(1, &[], |_, _| panic!("too late"));
}

#[test]
fn what_is_far_ahead_is_dropped() {
    let mut receiver = Receiver::after(10);
    receiver.receive(11 + AHEAD_MAX + 1, &[], |_, _| panic!("from the future"));
    assert_eq!((receiver.acknowledged(), receiver.counts().too_early), (10, 1));
    receiver.receive(u64::MAX, &[], |_, _| panic!("from the future"));
    let mut delivered = Vec::new();
    receiver.receive(11 + AHEAD_MAX, &[], |it, _| delivered.push(it));
    assert_eq!(receiver.counts().lost, AHEAD_MAX - LOST_AFTER + 1);
    assert!(delivered.is_empty());
}

#[test]
fn a_datagram_has_the_newest_inputs_that_fit() {
    let mut sender = Sender::default();
    for number in 0..100u8 {
        sender.push(&[number; 100]).unwrap();
    }
    assert_eq!((sender.first(), sender.lost()), (41, 40));
    let mut out = Vec::new();
    for (budget, expected) in [(1200, 11), (9000, 60), (150, 1), (100, 0)] {
        sender.encode(5, budget, &mut out);
        assert!(out.len() <= budget);
        let input = Input::parse(&out).unwrap().unwrap();
        assert_eq!((input.ack, input.first), (5, 101 - expected));
        assert_eq!(input.inputs.count() as u64, expected);
    }
    sender.acknowledge(98);
    sender.encode(0, 1200, &mut out);
    assert_eq!(Input::parse(&out).unwrap().unwrap().first, 99);
    sender.acknowledge(u64::MAX);
    assert!(sender.is_empty());
    assert_eq!(sender.push(&[0; 1025]).map_err(|it| it.0), Err(1025));
    assert_eq!(sender.push(&[]), Ok(101));
}

proptest! {
    /// Datagrams are lost, doubled and mixed, and nothing is delivered twice or out of order.
    #[test]
    fn inputs_are_delivered_once_and_in_order(order in vec((0..200usize, any::<bool>()), 0..400)) {
        let mut datagrams = Vec::new();
        let mut sender = Sender::default();
        for number in 1..=200u64 {
            sender.push(&number.to_be_bytes()).unwrap();
            let mut out = Vec::new();
            sender.encode(0, 1200, &mut out);
            datagrams.push(out);
        }
        let (mut receiver, mut delivered) = (Receiver::after(0), Vec::new());
        for (step, (noise, is_mixed)) in order.iter().enumerate() {
            let which = if *is_mixed { *noise } else { (step / 2).min(199) };
            receive(&mut receiver, &datagrams[which], &mut delivered);
        }
        prop_assert!(delivered.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(receiver.counts().delivered, delivered.len() as u64);
        prop_assert_eq!(receiver.acknowledged(), receiver.counts().delivered + receiver.counts().lost);
    }
}
