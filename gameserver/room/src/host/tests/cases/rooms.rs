//! Open, Close, Drain, Retire, and what rooms do by themselves.

use super::*;

#[test]
fn open_is_idempotent_and_epochs_only_grow() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 5);
    assert_eq!(case.open("duel", 5), ["1: Opened duel@5"]);
    assert_eq!(case.open("duel", 4), ["1: Refused duel@4 Epoch 5"]);
    assert_eq!(case.open("duel", 6), [format!("adopt {number} 6"), "1: Opened duel@6".to_owned()]);
    assert_eq!(case.open("duel", 5), ["1: Refused duel@5 Epoch 6"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 1)), ["1: RoomState duel@6 Playing 1"]);
}

#[test]
fn a_room_that_is_being_opened_answers_the_latest_open() {
    let mut case = Case::greeted(3);
    assert_eq!(case.open("duel", 5), ["make 1 duel@5"]);
    assert_eq!(case.open("duel", 5), NOTHING, "one answer is enough");
    assert_eq!(case.open("duel", 6), ["1: Refused duel@5 Epoch 6"]);
    assert_eq!(case.made(1), ["run 1 duel@6", "1: Opened duel@6"]);
}

#[test]
fn a_game_that_declines_is_refused_and_forgotten() {
    let mut case = Case::greeted(1);
    case.open("duel", 5);
    assert_eq!(case.not_made(1), ["1: Refused duel@5 Parameters"]);
    assert_eq!(case.host.rooms(), 0);
    case.opened("other", 6);
}

#[test]
fn a_server_has_no_more_rooms_than_it_can_host() {
    let mut case = Case::greeted(2);
    let number = case.opened("one", 5);
    assert_eq!(case.open("two", 6), ["make 2 two@6"]);
    assert_eq!(case.open("three", 7), ["1: Refused three@7 Full"]);
    assert_eq!(case.open("one", 8).last().unwrap(), "1: Opened one@8", "it is here already");
    assert_eq!(case.close("one", 8), [format!("drop {number}")]);
    assert_eq!(case.open("three", 9), ["1: Refused three@9 Full"], "not gone yet");
    assert_eq!(case.gone(number), ["1: Closed one@8"]);
    assert_eq!(case.open("three", 10), ["make 3 three@10"]);
}

#[test]
fn close_ends_a_room_in_every_state_and_is_idempotent() {
    let mut case = Case::greeted(9);
    assert_eq!(case.close("never", 5), ["1: Closed never@5"]);

    let live = case.opened("live", 5);
    assert_eq!(case.close("live", 4), ["1: Refused live@4 Epoch 5"]);
    assert_eq!(case.close("live", 5), [format!("drop {live}")]);
    assert_eq!(case.close("live", 5), NOTHING, "one answer, when it is gone");
    assert_eq!(case.close("live", 6), NOTHING);
    assert_eq!(case.gone(live), ["1: Closed live@5", "1: Closed live@6"]);
    assert_eq!(case.close("live", 5), ["1: Closed live@5"]);

    let opening = live + 1;
    case.open("opening", 5);
    assert_eq!(case.close("opening", 5), ["1: Refused opening@5 UnknownRoom"]);
    assert_eq!(case.made(opening), [format!("run {opening} opening@5"), format!("drop {opening}")]);
    assert_eq!(case.gone(opening), ["1: Closed opening@5"]);

    let failing = opening + 1;
    case.open("failing", 5);
    case.close("failing", 7);
    assert_eq!(case.not_made(failing), ["1: Closed failing@7"]);

    case.finished("finished", 5);
    assert_eq!(case.close("finished", 4), ["1: Refused finished@4 Epoch 5"]);
    assert_eq!(case.close("finished", 5), ["1: Closed finished@5"]);
    assert_eq!(case.host.rooms(), 0);
}

#[test]
fn a_room_that_ends_while_it_is_closed_is_closed() {
    let mut case = Case::greeted(9);
    for (name, ended) in [("one", true), ("two", false)] {
        let number = case.opened(name, 5);
        case.close(name, 5);
        assert_eq!(case.changed(number, state(Phase::Playing, 1)), NOTHING);
        let last = if ended { case.changed(number, over(1, "ann")) } else { case.broke(number) };
        assert_eq!(last, [format!("1: Closed {name}@5")]);
        assert_eq!(case.gone(number), NOTHING);
    }
}

#[test]
fn a_closed_room_may_come_back_before_it_is_gone() {
    let mut case = Case::greeted(2);
    let first = case.opened("duel", 5);
    case.close("duel", 5);
    assert_eq!(case.open("duel", 4), ["1: Refused duel@4 Epoch 5"], "its epoch does not fall");
    let second = case.opened("duel", 6);
    assert_ne!(first, second);
    assert_eq!(case.gone(first), ["1: Closed duel@5"]);
    assert_eq!(case.changed(second, state(Phase::Playing, 1)), ["1: RoomState duel@6 Playing 1"]);
}

#[test]
fn a_draining_server_takes_no_new_rooms_and_keeps_its_own() {
    let mut case = Case::greeted(3);
    case.opened("duel", 5);
    assert_eq!(case.ask(Command::Drain(true)), ["1: Draining true"]);
    assert_eq!(case.ask(Command::Drain(true)), ["1: Draining true"]);
    assert_eq!(case.open("other", 6), ["1: Refused other@6 Draining"]);
    assert_eq!(case.open("duel", 7).last().unwrap(), "1: Opened duel@7");
    assert_eq!(case.hello(2, 7)[1], "2: Welcome v1 draining duel@7 Waiting 0");
    assert_eq!(case.ask(Command::Drain(false)), ["2: Draining false"]);
    case.opened("other", 8);
}

#[test]
fn what_is_told_with_every_room_is_told_anew_when_it_has_changed() {
    let mut case = Case::greeted(3);
    case.opened("duel", 5);
    case.opened("final", 6);
    let told = case.on(Event::Restate);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|it| it.starts_with("1: RoomState")), "{told:?}");
}

#[test]
fn a_stopping_server_drains_whatever_the_operator_says() {
    let mut case = Case::greeted(3);
    assert_eq!(case.on(Event::Stopping), ["1: Draining true"]);
    assert_eq!(case.ask(Command::Drain(false)), ["1: Draining true"]);
    assert_eq!(case.open("duel", 5), ["1: Refused duel@5 Draining"]);
}

#[test]
fn a_server_retires_only_without_rooms_and_for_ever() {
    let mut case = Case::greeted(3);
    case.finished("done", 4);
    let live = case.opened("live", 5);
    case.open("opening", 6);
    assert_eq!(case.ask(Command::Retire), ["1: Retired false 3"]);
    case.close("done", 4);
    case.not_made(live + 1);
    case.close("live", 5);
    assert_eq!(case.ask(Command::Retire), ["1: Retired false 1"], "not gone yet");
    case.gone(live);
    assert_eq!(case.ask(Command::Retire), ["1: Retired true 0"]);
    assert_eq!(case.ask(Command::Retire), ["1: Retired true 0"]);
    assert_eq!(case.open("duel", 7), ["1: Refused duel@7 Retired"]);
    assert_eq!(case.ask(Command::Drain(false)), ["1: Draining false"]);
    assert_eq!(case.open("duel", 8), ["1: Refused duel@8 Retired"]);
    assert_eq!(case.close("duel", 8), ["1: Closed duel@8"]);
    assert_eq!(case.hello(2, 9)[1], "2: Welcome v1 retired");
}

#[test]
fn a_result_is_repeated_every_second_until_it_is_closed() {
    let mut case = Case::greeted(3);
    let number = case.finished("duel", 5);
    assert_eq!(case.pass(999), ["nothing due"]);
    assert_eq!(case.pass(1), ["1: Finished duel@5 ann"]);
    assert_eq!(case.pass(1000), ["1: Finished duel@5 ann"]);
    assert_eq!(case.changed(number, over(0, "ben")), NOTHING, "nothing changes it any more");
    assert_eq!(case.open("duel", 6), ["1: Finished duel@6 ann"]);
    assert_eq!(case.pass(1000), ["1: Finished duel@6 ann"]);
    case.close("duel", 6);
    assert_eq!(case.pass(1000), ["nothing due"]);
}

#[test]
fn a_phase_is_told_at_once_and_players_once_a_second() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 5);
    assert_eq!(case.changed(number, state(Phase::Playing, 1)), ["1: RoomState duel@5 Playing 1"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 2)), NOTHING);
    assert_eq!(case.pass(600), ["nothing due"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 3)), NOTHING);
    assert_eq!(case.pass(400), ["1: RoomState duel@5 Playing 3"]);
    assert_eq!(case.pass(5000), ["nothing due"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 4)), ["1: RoomState duel@5 Playing 4"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 5)), NOTHING);
    assert_eq!(case.changed(number, state(Phase::Playing, 4)), NOTHING, "as it was");
    assert_eq!(case.pass(1000), ["nothing due"]);
}

#[test]
fn a_room_that_breaks_is_gone_and_its_fault_told() {
    let mut case = Case::greeted(1);
    let number = case.opened("duel", 5);
    assert_eq!(case.broke(number), [format!("shut {number}"), "1: Fault duel@5 it broke".to_owned()]);
    assert_eq!(case.host.rooms(), 0);
    case.opened("duel", 5);
}

#[test]
fn what_was_not_offered_is_refused_with_the_epoch_that_is_here() {
    let mut case = Case::greeted(3);
    case.opened("duel", 5);
    let unsupported = |name, epoch| Command::Unsupported {
        tenancy: tenancy(name, epoch),
        message: "moves were not offered".to_owned(),
    };
    assert_eq!(case.ask(unsupported("duel", 6)), ["1: Refused duel@6 Unsupported 5"]);
    assert_eq!(case.ask(unsupported("other", 6)), ["1: Refused other@6 Unsupported"]);
}

#[test]
fn closes_of_a_room_that_does_not_go_are_not_collected_for_ever() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 1);
    case.close("duel", 1);
    for epoch in 2..=16 {
        assert_eq!(case.close("duel", epoch), NOTHING);
    }
    assert_eq!(case.close("duel", 17), ["1: Refused duel@17 Unsupported"]);
    assert_eq!(case.close("duel", 16), NOTHING);
    assert_eq!(case.gone(number).len(), 16);
}

#[test]
fn i3_a_room_that_is_not_restored_is_refused_with_the_reason() {
    let mut case = Case::greeted(9);
    for (name, why, refused) in [
        ("torn", NotMade::Checkpoint("it is torn".to_owned()), "Checkpoint"),
        ("taken", NotMade::Fenced { owner: Epoch(9) }, "Fenced 9"),
        ("played", NotMade::OwnerAlive, "OwnerAlive"),
    ] {
        let made = case.open(name, 5);
        let number = made[0].split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(case.not_made_because(number, why), [format!("1: Refused {name}@5 {refused}")]);
    }
}

#[test]
fn a_match_that_is_over_in_the_store_is_not_played_again() {
    let mut case = Case::greeted(9);
    assert_eq!(case.open("duel", 5), ["make 1 duel@5"]);
    let over = NotMade::Over(crate::Ending::new([("winner", "ann")]).unwrap().into());
    assert_eq!(case.not_made_because(1, over), ["1: Finished duel@5 ann"]);
    assert_eq!(case.pass(1000), ["1: Finished duel@5 ann"]);
    assert_eq!(case.close("duel", 5), ["1: Closed duel@5"]);
}

#[test]
fn i1_a_room_that_is_restored_under_a_later_epoch_meanwhile_is_had_from_the_store_under_that() {
    let mut case = Case::greeted(1);
    assert_eq!(case.restore("duel", 5), ["make 1 duel@5"]);
    assert_eq!(case.restore("duel", 5), NOTHING, "it is what is being done");
    assert_eq!(case.restore("duel", 7), ["1: Refused duel@5 Epoch 7"]);
    assert_eq!(case.restore("duel", 9), ["1: Refused duel@7 Epoch 9"]);
    assert_eq!(case.hello(2, 7), ["replace 1", "2: Welcome v1 duel@9 Opening 0", "beat 2"]);
    // Another may have had it between the two: what was restored is not played.
    assert_eq!(case.made(1), ["run 1 duel@5", "drop 1"]);
    assert_eq!(case.gone(1), ["make 2 duel@9"], "and there is no place for both");
    assert_eq!(case.made(2), ["run 2 duel@9", "2: RoomState duel@9 Waiting 0"]);
}

#[test]
fn i1_an_attempt_that_came_to_nothing_says_nothing_of_a_later_epoch() {
    let mut case = Case::greeted(1);
    case.restore("duel", 5);
    case.restore("duel", 7);
    assert_eq!(case.not_made_because(1, NotMade::Fenced { owner: Epoch(6) }), ["make 2 duel@7"]);
    case.restore("duel", 8);
    let over = NotMade::Over(crate::Ending::new([("winner", "ann")]).unwrap().into());
    assert_eq!(case.not_made_because(2, over), ["1: Finished duel@8 ann"], "whoever asks");

    let mut case = Case::greeted(1);
    case.restore("duel", 5);
    case.restore("duel", 7);
    assert_eq!(case.close("duel", 7), ["1: Refused duel@7 UnknownRoom"]);
    assert_eq!(case.made(1), ["run 1 duel@7", "drop 1"]);
    assert_eq!(case.gone(1), ["1: Closed duel@7"]);
}

#[test]
fn i1_a_room_that_is_open_does_not_take_a_later_epoch_that_is_to_be_had_from_the_store() {
    let mut case = Case::greeted(1);
    case.restore("duel", 5);
    case.made(1);
    assert_eq!(case.restore("duel", 5), ["1: Opened duel@5"]);
    assert_eq!(case.restore("duel", 7), ["1: Refused duel@7 Epoch 5"]);
    assert_eq!(
        case.open("duel", 8),
        ["adopt 1 8", "1: Opened duel@8"],
        "who says nothing of the store knows it"
    );
    assert_eq!(case.restore("duel", 7), ["1: Refused duel@7 Epoch 8"]);
}
