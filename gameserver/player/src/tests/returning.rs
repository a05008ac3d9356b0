//! What a client does by itself when it comes back, or follows its room.

use std::time::Duration;

use super::{
    examples,
    sessions::{Pair, admitted, identity},
};
use crate::{
    datagram::Input,
    frame::{Joined, Redirect, ToPlayer, ToServer},
    limits,
    session::{
        FEATURES,
        client::{Happening, LinkId, NotSent, State},
        server::{self, Admitted},
    },
};

/// The connections that are to be made now, with their ports.
fn attempts(pair: &mut Pair) -> Vec<(LinkId, u16)> {
    let happened = std::iter::from_fn(|| pair.client.poll());
    let attempt = |it| match it {
        Happening::Connect { link, endpoint, .. } => Some((link, endpoint.port)),
        _ => None,
    };
    happened.filter_map(attempt).collect()
}

fn redirected(pair: &mut Pair, epoch: u64) {
    let mut redirect = Redirect { epoch, ..examples::redirect() };
    redirect.place.endpoints[0].port = 8888;
    pair.server.redirect(redirect, pair.now).unwrap();
    pair.carry_down();
}

fn wait(pair: &mut Pair) {
    // What is due is sent first, or there would be nothing else to wait for.
    pair.client.datagram(1200, pair.now, &mut Vec::new());
    pair.now = pair.client.next_timeout().unwrap();
    // A server that plays is heard all the time.
    pair.client.heard(pair.link, Duration::ZERO, pair.now);
    pair.client.on_timeout(pair.now);
}

#[test]
fn what_the_server_knows_is_not_sent_again() {
    let mut pair = Pair::playing();
    (1..=5).for_each(|it| assert_eq!(pair.client.input(&[it]), Ok(it.into())));
    pair.client.lost(pair.link, pair.now);
    wait(&mut pair);
    pair.link = attempts(&mut pair)[0].0;
    pair.client.connected(pair.link, pair.now);
    pair.server = server::Session::new(pair.now);
    pair.carry_up().unwrap();
    let Ok(Some(server::Happening::Join(join))) = pair.server.poll(pair.now) else { panic!("no Join") };
    assert_eq!(join.first_input, 1);
    pair.server.admit(Admitted { input_ack: 3, ..admitted() }, pair.now).unwrap();
    pair.carry_down();
    let mut datagram = Vec::new();
    assert_eq!(pair.client.datagram(1200, pair.now, &mut datagram), Some(pair.link));
    let input = Input::parse(&datagram).unwrap().unwrap();
    assert_eq!((input.first, input.inputs.collect::<Vec<_>>()), (4, vec![[4].as_slice(), &[5]]));
}

#[test]
fn an_old_redirect_is_not_followed() {
    let mut pair = Pair::playing();
    let known = admitted().epoch;
    for (epoch, expected) in [(known - 1, 0), (known, 0), (known + 2, 1), (known + 2, 0), (known + 1, 0)] {
        redirected(&mut pair, epoch);
        assert_eq!(attempts(&mut pair).len(), expected, "{epoch}");
    }
    redirected(&mut pair, known + 3);
    assert_eq!(attempts(&mut pair).len(), 1, "a newer move takes the place of an older one");
    assert_eq!(pair.client.state(), State::Playing);
}

#[test]
fn a_connection_to_where_the_room_goes_is_tried_until_the_deadline() {
    let mut pair = Pair::playing();
    redirected(&mut pair, admitted().epoch + 1);
    let (deadline, mut tried) = (pair.now + examples::redirect().deadline, 0);
    while pair.now < deadline {
        for (link, port) in attempts(&mut pair) {
            assert_eq!(port, 8888);
            pair.client.lost(link, pair.now);
            tried += 1;
        }
        wait(&mut pair);
    }
    assert!(pair.now < deadline + limits::LOOK_EVERY);
    // At once, after 100 ms, and 200 ms after that.
    assert_eq!((tried, pair.client.state()), (3, State::Playing));
}

#[test]
fn when_the_old_server_is_lost_in_a_move_the_new_one_is_home() {
    let mut pair = Pair::playing();
    redirected(&mut pair, admitted().epoch + 1);
    let (ahead, _) = attempts(&mut pair)[0];
    pair.client.connected(ahead, pair.now);
    pair.client.lost(pair.link, pair.now);
    // The attempt that was under way goes on, and the old place is tried beside it.
    assert_eq!(pair.client.state(), State::Joining);
    pair.client.lost(ahead, pair.now);
    let mut ports = Vec::new();
    while ports.len() < 4 {
        wait(&mut pair);
        for (link, port) in attempts(&mut pair) {
            ports.push(port);
            pair.client.lost(link, pair.now);
        }
    }
    assert_eq!(ports, [7777, 8888, 7777, 8888]);
}

#[test]
fn messages_are_kept_until_they_are_confirmed_and_no_longer() {
    let mut pair = Pair::playing();
    for number in 0..limits::MESSAGES_KEPT_MAX {
        assert_eq!(pair.client.message(&[0]), Ok(()), "{number}");
    }
    assert_eq!(pair.client.message(&[0]), Err(NotSent::Full));
    pair.carry_up().unwrap();
    // The server reads as many as its budget allows, and the rest later.
    let mut read = 0;
    while read < limits::MESSAGES_KEPT_MAX as u64 {
        while let Some(happening) = pair.server.poll(pair.now).unwrap() {
            read += 1;
            assert_eq!(happening, server::Happening::Numbered(read, &[0]));
        }
        pair.now += Duration::from_millis(100);
    }
    pair.carry_down();
    assert_eq!(pair.client.message(&[0]), Err(NotSent::Full), "read is not heard");
    pair.server.confirm(read, pair.now).unwrap();
    pair.carry_down();
    assert_eq!(pair.client.message(&[0]), Ok(()));
    // What is confirmed already is not confirmed again.
    pair.server.confirm(read, pair.now).unwrap();
    assert!(pair.server.stream_output().is_empty());
}

#[test]
fn a_message_that_was_said_under_two_epochs_in_vain_is_given_up() {
    let mut pair = Pair::playing();
    let says = |pair: &mut Pair| {
        let output = pair.client.stream_output(pair.link).to_vec();
        pair.client.consumed(pair.link, output.len());
        let mut numbers = Vec::new();
        let mut rest = &output[..];
        while let [length, frame @ ..] = rest {
            let (frame, behind) = frame.split_at(usize::from(*length));
            if let Some(ToServer::Numbered(number, _)) = ToServer::parse(frame).unwrap() {
                numbers.push(number);
            }
            rest = behind;
        }
        numbers
    };
    // Its server is lost, and another one has the room; or the path is lost, and the same one has it.
    let comes_again = |pair: &mut Pair, epoch: u64| {
        pair.client.lost(pair.link, pair.now);
        loop {
            wait(pair);
            if let Some((link, _)) = attempts(pair).first().copied() {
                pair.link = link;
                break;
            }
        }
        pair.client.connected(pair.link, pair.now);
        let mut bytes = Vec::new();
        ToPlayer::Joined(Joined { epoch, features: FEATURES, ..examples::joined() }).encode(&mut bytes);
        ToPlayer::Confirmed(0).encode(&mut bytes);
        says(pair);
        pair.client.on_stream(pair.link, &bytes, pair.now);
        says(pair)
    };
    pair.client.message(b"breaks it").unwrap();
    assert_eq!(says(&mut pair), [1]);
    assert_eq!(comes_again(&mut pair, 9), [1], "the same epoch");
    pair.client.message(b"harmless").unwrap();
    assert_eq!(says(&mut pair), [2]);
    pair.client.lost(pair.link, pair.now);
    pair.client.message(b"said to nobody").unwrap();
    assert_eq!(comes_again(&mut pair, 10), [1, 2, 3]);
    assert_eq!(comes_again(&mut pair, 10), [1, 2, 3]);
    assert_eq!(comes_again(&mut pair, 11), [3], "two were enough");
    pair.client.message(b"next").unwrap();
    assert_eq!(says(&mut pair), [4]);
}

#[test]
fn messages_of_a_program_that_was_started_anew_are_heard() {
    let mut pair = Pair::connected(identity());
    pair.carry_up().unwrap();
    assert!(pair.server.poll(pair.now).unwrap().is_some());
    // It said twelve in its earlier life.
    pair.server.admit(Admitted { message_ack: 12, ..admitted() }, pair.now).unwrap();
    pair.carry_down();
    pair.client.message(b"here again").unwrap();
    pair.carry_up().unwrap();
    assert_eq!(pair.server.poll(pair.now), Ok(Some(server::Happening::Numbered(13, b"here again"))));
}

#[test]
fn where_nobody_confirms_messages_they_are_said_as_before_and_not_again() {
    let mut pair = Pair::connected(identity());
    // A server of an earlier release.
    let mut bytes = Vec::new();
    ToPlayer::Joined(Joined { features: 0, ..examples::joined() }).encode(&mut bytes);
    pair.client.on_stream(pair.link, &bytes, pair.now);
    let said = pair.client.stream_output(pair.link).len();
    pair.client.consumed(pair.link, said);
    pair.client.message(b"hi").unwrap();
    let mut expected = Vec::new();
    ToServer::Message(b"hi").encode(&mut expected);
    assert_eq!(pair.client.stream_output(pair.link), expected);
    pair.client.lost(pair.link, pair.now);
    assert_eq!(pair.client.message(b"hi"), Err(NotSent::NotPlaying));
}

#[test]
fn the_last_word_of_an_old_connection_does_not_call_off_the_new_one() {
    let mut pair = Pair::playing();
    let until = |pair: &mut Pair, is_so: &dyn Fn(&Pair) -> bool| {
        while !is_so(pair) {
            pair.client.datagram(1200, pair.now, &mut Vec::new());
            pair.now = pair.client.next_timeout().unwrap();
            pair.client.on_timeout(pair.now);
        }
    };
    let suspected = pair.now + limits::SILENCE_MIN;
    until(&mut pair, &|it| suspected <= it.now);
    let (rival, port) = attempts(&mut pair)[0];
    assert_eq!(port, 7777);
    pair.client.connected(rival, pair.now);
    until(&mut pair, &|it| !it.client.stream_output(rival).is_empty());
    assert_eq!(pair.now, suspected + limits::SETTLE_FOR, "it waits for the old one to speak");
    // Such as that the same player has come by another connection.
    pair.client.heard(pair.link, Duration::ZERO, pair.now);
    assert_eq!(pair.client.poll(), None);
    pair.client.lost(pair.link, pair.now);
    let mut bytes = Vec::new();
    ToPlayer::Joined(examples::joined()).encode(&mut bytes);
    pair.client.on_stream(rival, &bytes, pair.now);
    assert_eq!(pair.client.poll(), Some(Happening::Lost));
    assert_eq!(pair.client.poll(), Some(Happening::Joined(examples::joined())));
    assert_eq!((pair.client.poll(), pair.client.main()), (None, Some(rival)));
}
