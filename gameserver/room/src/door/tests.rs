//! Who gets which seat, and what a tick hears.

use super::*;

fn player(name: &str) -> PlayerName {
    PlayerName::new(name).unwrap()
}

fn door(seats: u32) -> Door {
    Door::new(NonZeroU32::new(seats))
}

/// What the next tick is told, in short.
fn tick(door: &mut Door, inbound: &mut Inbound) -> String {
    door.take(inbound);
    let arrived = inbound.arrived.iter().map(|(seat, player)| format!("+{}{player}", seat.0));
    let left = inbound.left.iter().map(|seat| format!("-{}", seat.0));
    let inputs =
        inbound.inputs.iter().map(|(seat, it)| format!("{}:{}", seat.0, String::from_utf8_lossy(it)));
    arrived.chain(left).chain(inputs).collect::<Vec<_>>().join(" ")
}

#[test]
fn seats_are_given_in_order_and_come_back_to_their_players() {
    let (mut door, mut inbound) = (door(2), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    let ben = door.join(&player("ben")).unwrap();
    assert_eq!((ann.seat(), ben.seat()), (Seat(0), Seat(1)));
    assert_eq!(door.join(&player("cid")), Err(NotSeated::Full));
    assert_eq!(tick(&mut door, &mut inbound), "+0ann +1ben");
    door.leave(ann);
    assert_eq!(tick(&mut door, &mut inbound), "-0");
    assert_eq!(door.join(&player("cid")), Err(NotSeated::Full), "the seat waits for ann");
    assert_eq!(door.join(&player("ann")).unwrap().seat(), Seat(0));
    assert_eq!(tick(&mut door, &mut inbound), "+0ann");
}

#[test]
fn a_freed_seat_is_anybodys() {
    let (mut door, mut inbound) = (door(1), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    tick(&mut door, &mut inbound);
    door.leave(ann);
    assert_eq!(tick(&mut door, &mut inbound), "-0");
    inbound.freed.push(Seat(0));
    assert_eq!(tick(&mut door, &mut inbound), "");
    assert_eq!(door.join(&player("ben")).unwrap().seat(), Seat(0));
    assert_eq!(tick(&mut door, &mut inbound), "+0ben");
}

#[test]
fn who_comes_back_before_the_seat_is_freed_keeps_it() {
    let (mut door, mut inbound) = (door(1), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    tick(&mut door, &mut inbound);
    door.leave(ann);
    tick(&mut door, &mut inbound);
    inbound.freed.push(Seat(0));
    door.join(&player("ann")).unwrap();
    assert_eq!(tick(&mut door, &mut inbound), "+0ann");
    assert_eq!(door.join(&player("ben")), Err(NotSeated::Full));
}

#[test]
fn coming_and_going_between_two_ticks_is_seen_once_or_not_at_all() {
    let (mut door, mut inbound) = (door(4), Inbound::default());
    for _ in 0..1000 {
        let ann = door.join(&player("ann")).unwrap();
        door.input(ann, b"x").unwrap();
        door.leave(ann);
    }
    assert_eq!(tick(&mut door, &mut inbound), "", "the game never saw her");
    let ann = door.join(&player("ann")).unwrap();
    assert_eq!(tick(&mut door, &mut inbound), "+0ann");
    door.leave(ann);
    door.join(&player("ann")).unwrap();
    assert_eq!(tick(&mut door, &mut inbound), "", "she never was away");
}

#[test]
fn whoever_comes_and_goes_between_two_ticks_keeps_no_seat() {
    let (mut door, mut inbound) = (door(2), Inbound::default());
    for name in ["ann", "ben"] {
        let presence = door.join(&player(name)).unwrap();
        door.leave(presence);
    }
    assert_eq!(door.join(&player("cid")), Err(NotSeated::Full));
    assert_eq!(tick(&mut door, &mut inbound), "");
    assert!(!door.knows("ann"));
    door.join(&player("cid")).unwrap();
    assert!(door.knows("cid"));
    assert_eq!(tick(&mut door, &mut inbound), "+0cid");
}

#[test]
fn the_newer_arrival_of_a_player_counts() {
    let (mut door, mut inbound) = (door(4), Inbound::default());
    let old = door.join(&player("ann")).unwrap();
    let new = door.join(&player("ann")).unwrap();
    assert_eq!(old.seat(), new.seat());
    assert_eq!(door.input(old, b"old"), Err(NotHeard::Replaced));
    door.input(new, b"new").unwrap();
    door.leave(old);
    assert_eq!(tick(&mut door, &mut inbound), "+0ann 0:new");
    door.leave(new);
    assert_eq!(door.input(new, b"new"), Err(NotHeard::Replaced));
    assert_eq!(tick(&mut door, &mut inbound), "-0");
}

#[test]
fn inputs_come_in_order_and_the_oldest_are_dropped() {
    let (mut door, mut inbound) = (door(4), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    let ben = door.join(&player("ben")).unwrap();
    for input in ["a", "b"] {
        door.input(ben, input.as_bytes()).unwrap();
    }
    for number in 0..=INPUTS_MAX {
        door.input(ann, number.to_string().as_bytes()).unwrap();
    }
    let heard = tick(&mut door, &mut inbound);
    assert!(heard.starts_with("+0ann +1ben 0:1 0:2 "), "{heard}");
    assert!(heard.ends_with(" 0:32 1:a 1:b"), "{heard}");
    assert_eq!(tick(&mut door, &mut inbound), "", "heard once");
    assert!(door.input(ann, &[0; INPUT_BYTES_MAX]).is_ok());
    assert_eq!(door.input(ann, &[0; 1025]), Err(NotHeard::TooLong(1025)));
}

#[test]
fn the_last_words_of_who_leaves_are_heard() {
    let (mut door, mut inbound) = (door(4), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    tick(&mut door, &mut inbound);
    door.input(ann, b"bye").unwrap();
    door.leave(ann);
    assert_eq!(tick(&mut door, &mut inbound), "-0 0:bye");
}

#[test]
fn nobody_passes_a_door_that_is_shut() {
    let (mut door, mut inbound) = (door(4), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    door.shut();
    assert_eq!(door.join(&player("ann")), Err(NotSeated::Gone));
    assert_eq!(door.input(ann, b"x"), Err(NotHeard::Gone));
    door.leave(ann);
    assert_eq!(tick(&mut door, &mut inbound), "");
}

#[test]
fn a_room_has_at_most_1024_seats() {
    for mut door in [door(5000), Door::new(None)] {
        for number in 0..SEATS_MAX {
            door.join(&player(&number.to_string())).unwrap();
        }
        assert_eq!(door.join(&player("one more")), Err(NotSeated::Full));
    }
}

#[test]
fn a_player_who_comes_again_goes_on_after_what_was_heard_and_the_old_connection_adds_nothing() {
    let mut door = Door::new(None);
    let ann = PlayerName::new("ann").unwrap();
    let old = door.join(&ann).unwrap();
    door.numbered_input(old, 7, b"left").unwrap();
    let new = door.join(&ann).unwrap();
    assert_eq!(door.numbered_input(old, 8, b"right"), Err(NotHeard::Replaced));
    assert_eq!(door.last_number(new), 7);
    door.numbered_input(new, 8, b"right").unwrap();
    assert_eq!(door.last_number(new), 8);
}

#[test]
fn p4_who_sat_there_when_the_room_was_lost_still_does() {
    let (mut before, mut inbound) = (door(3), Inbound::default());
    let ann = before.join(&player("ann")).unwrap();
    let ben = before.join(&player("ben")).unwrap();
    before.numbered_input(ann, 7, b"up").unwrap();
    before.leave(ben);
    tick(&mut before, &mut inbound);
    before.numbered_input(ann, 8, b"down").unwrap();
    before.join(&player("cid")).unwrap();
    let saved: Vec<Occupant> = before.occupants().collect();
    let occupant = |seat, name: &str, is_there, last_number| Occupant {
        last_message: 0,
        seat: Seat(seat),
        player: player(name),
        is_there,
        last_number,
    };
    // Ben came and went between two ticks, cid came after the last one; of neither has the game heard.
    assert_eq!(saved, [occupant(0, "ann", true, 7)]);

    let occupants = [saved[0].clone(), occupant(1, "ben", true, 3), occupant(2, "dan", false, 0)];
    let mut after = Door::restored(NonZeroU32::new(3), occupants);
    assert_eq!(tick(&mut after, &mut inbound), "", "nobody has left, and nobody has come");
    assert_eq!(after.join(&player("eve")), Err(NotSeated::Full));
    let ann = after.join(&player("ann")).unwrap();
    assert_eq!((ann.seat(), after.last_number(ann)), (Seat(0), 7));
    assert_eq!(tick(&mut after, &mut inbound), "", "she has never been away");
    after.dismiss();
    assert_eq!(tick(&mut after, &mut inbound), "-1", "ben has not come back");
    after.join(&player("dan")).unwrap();
    after.dismiss();
    assert_eq!(tick(&mut after, &mut inbound), "+2dan", "who comes later is not dismissed");
}

#[test]
fn p4_messages_are_heard_once_in_order_and_saved_as_heard_when_a_tick_has_taken_them() {
    let (mut door, mut inbound) = (door(2), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    for number in 1..=MESSAGES_WAIT_MAX as u64 {
        door.message(ann, number, number.to_string().as_bytes()).unwrap();
    }
    assert_eq!(door.message(ann, 99, b"more"), Err(NotHeard::Busy), "none is dropped for it");
    assert_eq!(door.message(ann, 99, &[0; INPUT_BYTES_MAX + 1]), Err(NotHeard::TooLong(1025)));
    let acknowledged = |door: &Door| door.occupants().next().map(|it| it.last_message);
    let mut heard_by_now = Vec::new();
    assert_eq!(acknowledged(&door), None);
    door.ticked(&mut heard_by_now);
    assert_eq!(heard_by_now, [], "no tick has taken them");
    door.take(&mut inbound);
    assert_eq!(door.heard_message(ann), 0, "the tick is not done");
    door.ticked(&mut heard_by_now);
    assert_eq!(heard_by_now, [Heard { seat: Seat(0), number: MESSAGES_WAIT_MAX as u64 }]);
    assert_eq!(door.heard_message(ann), MESSAGES_WAIT_MAX as u64);
    door.ticked(&mut heard_by_now);
    assert_eq!(heard_by_now, [], "once");
    assert!(!inbound.is_empty());
    let heard: Vec<_> =
        inbound.messages.iter().map(|(_, it)| String::from_utf8_lossy(it).into_owned()).collect();
    assert_eq!(heard, (1..=MESSAGES_WAIT_MAX).map(|it| it.to_string()).collect::<Vec<_>>());
    assert_eq!(acknowledged(&door), Some(MESSAGES_WAIT_MAX as u64));
    door.message(ann, 33, b"next").unwrap();
    door.message(ann, 33, b"next, by another connection").unwrap();
    door.message(ann, 32, b"late").unwrap();
    assert_eq!(acknowledged(&door), Some(MESSAGES_WAIT_MAX as u64), "it waits");
    door.take(&mut inbound);
    assert_eq!(inbound.messages, [(Seat(0), b"next".to_vec())]);
    // Whom the game does not see just now is not heard until it is back, and says again what was not heard.
    door.leave(ann);
    door.take(&mut inbound);
    let ann = door.join(&player("ann")).unwrap();
    door.message(ann, 34, b"hello").unwrap();
    door.message(ann, 0, b"without a number").unwrap();
    door.leave(ann);
    door.take(&mut inbound);
    assert_eq!((inbound.messages.len(), acknowledged(&door)), (0, Some(33)));
    let again = door.join(&player("ann")).unwrap();
    assert_eq!(door.message(ann, 35, b"late"), Err(NotHeard::Replaced));
    // Or something else under that number, if its program was started anew.
    door.message(again, 34, b"here again").unwrap();
    door.take(&mut inbound);
    let expected = [(Seat(0), b"without a number".to_vec()), (Seat(0), b"here again".to_vec())];
    assert_eq!(inbound.messages, expected);
    door.shut();
    assert_eq!(door.message(again, 35, b"late"), Err(NotHeard::Gone));
}

#[test]
fn p4_who_speaks_and_goes_between_two_ticks_says_it_again_and_is_heard() {
    let (mut door, mut inbound) = (door(1), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    door.message(ann, 1, b"hello").unwrap();
    door.leave(ann);
    door.take(&mut inbound);
    assert!(inbound.is_empty());
    let ann = door.join(&player("ann")).unwrap();
    assert_eq!(door.heard_message(ann), 0);
    door.message(ann, 1, b"hello").unwrap();
    door.take(&mut inbound);
    assert_eq!(inbound.messages, [(Seat(0), b"hello".to_vec())]);
}

#[test]
fn p4_who_gave_up_the_seat_and_comes_again_is_not_heard_twice() {
    let (mut door, mut inbound) = (door(1), Inbound::default());
    let mut comes_and_goes = |door: &mut Door, name: &str, says: u64| {
        let here = door.join(&player(name)).unwrap();
        door.message(here, says, b"hello").unwrap();
        door.take(&mut inbound);
        let count = inbound.messages.len();
        door.leave(here);
        door.take(&mut inbound);
        inbound.freed = inbound.left.clone();
        door.take(&mut inbound);
        count
    };
    assert_eq!(comes_and_goes(&mut door, "ann", 5), 1);
    assert_eq!(comes_and_goes(&mut door, "ben", 1), 1, "the seat is free");
    assert_eq!(comes_and_goes(&mut door, "ann", 5), 0, "she did not hear that she was heard");
    assert_eq!(comes_and_goes(&mut door, "ann", 6), 1);
    let too_short = door.join(&player("ann")).unwrap();
    door.leave(too_short);
    door.take(&mut Inbound::default());
    assert_eq!(comes_and_goes(&mut door, "ann", 6), 0, "a visit between two ticks changes nothing");
    // So many are remembered.
    for number in 0..FREED_MAX {
        comes_and_goes(&mut door, &number.to_string(), 1);
    }
    assert_eq!(comes_and_goes(&mut door, "ann", 6), 1);
    assert_eq!(door.freed.len(), FREED_MAX);
}

#[test]
fn p4_what_was_heard_before_the_room_was_restored_is_not_heard_again() {
    let occupant =
        Occupant { seat: Seat(0), player: player("ann"), is_there: true, last_number: 0, last_message: 4 };
    let (mut door, mut inbound) = (Door::restored(NonZeroU32::new(1), [occupant]), Inbound::default());
    let ann = door.join(&player("ann")).unwrap();
    assert_eq!(door.heard_message(ann), 4);
    door.message(ann, 4, b"old").unwrap();
    door.message(ann, 5, b"new").unwrap();
    door.message(ann, 0, b"without a number").unwrap();
    door.take(&mut inbound);
    let expected = [(Seat(0), b"new".to_vec()), (Seat(0), b"without a number".to_vec())];
    assert_eq!(inbound.messages, expected);
    assert_eq!(door.occupants().next().map(|it| it.last_message), Some(5));
}

#[test]
fn two_on_one_seat_or_one_on_two_are_not_restored() {
    let occupant = |seat, name: &str| Occupant {
        last_message: 0,
        seat: Seat(seat),
        player: player(name),
        is_there: true,
        last_number: 0,
    };
    let occupants = [occupant(0, "ann"), occupant(0, "ben"), occupant(1, "ann"), occupant(9, "cid")];
    let door = Door::restored(NonZeroU32::new(2), occupants);
    assert_eq!(door.occupants().collect::<Vec<_>>(), [occupant(0, "ann")]);
}
