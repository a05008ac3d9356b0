//! Which stream counts, and what it hears.

use super::*;

#[test]
fn a_lower_term_is_refused_and_a_higher_or_the_same_one_replaces_the_stream() {
    let mut case = Case::greeted(3);
    assert_eq!(case.hello(2, 6), ["2: HelloRefused Term 7", "end 2"]);
    assert_eq!(case.hello(3, 7), ["replace 1", "3: Welcome v1", "beat 3"]);
    assert_eq!(case.hello(4, 9), ["replace 3", "4: Welcome v1", "beat 4"]);
    assert_eq!(case.hello(5, 8), ["5: HelloRefused Term 9", "end 5"]);
    case.on(Event::StreamEnded(StreamId(4)));
    assert_eq!(case.hello(6, 8), ["6: HelloRefused Term 9", "end 6"], "a term outlives its stream");
    assert_eq!(case.hello(7, 9), ["7: Welcome v1", "beat 7"]);
}

#[test]
fn a_stream_that_does_not_count_has_no_effect() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 5);
    case.hello(2, 8);
    for command in [
        Command::Open(order("other", 6)),
        Command::Close(tenancy("duel", 9)),
        Command::Drain(true),
        Command::Retire,
        Command::Unsupported { tenancy: tenancy("duel", 9), message: "no".to_owned() },
    ] {
        assert_eq!(case.on(Event::Asked(StreamId(1), command.clone())), NOTHING, "{command:?}");
        assert_eq!(case.on(Event::Asked(StreamId(77), command.clone())), NOTHING, "{command:?}");
    }
    case.on(Event::StreamEnded(StreamId(1)));
    let state = case.changed(number, state(Phase::Playing, 2));
    assert_eq!(state, ["2: RoomState duel@5 Playing 2"], "the end of an old stream is no news");
}

#[test]
fn an_operator_of_another_protocol_is_refused_and_its_term_not_noted() {
    let mut case = Case::greeted(3);
    let hello = |term| Event::Greeted {
        stream: StreamId(2),
        term,
        protocol: None,
        heartbeat: Duration::from_secs(1),
    };
    assert_eq!(case.on(hello(8)), ["2: HelloRefused Protocol 7", "end 2"]);
    assert_eq!(case.open("duel", 5), ["make 1 duel@5"], "the stream before goes on");
}

#[test]
fn a_garbled_stream_ends_and_is_told_so() {
    let mut case = Case::greeted(3);
    assert_eq!(case.on(Event::Garbled(StreamId(2))), ["2: HelloRefused Malformed 7", "end 2"]);
    assert_eq!(case.on(Event::Garbled(StreamId(1))), ["1: HelloRefused Malformed 7", "end 1"]);
    assert_eq!(case.on(Event::Asked(StreamId(1), Command::Drain(true))), NOTHING);
    assert_eq!(Case::new(1).on(Event::Garbled(StreamId(1))), ["1: HelloRefused Malformed 0", "end 1"]);
}

#[test]
fn a_welcome_says_all_and_owes_nothing_of_what_the_stream_before_asked() {
    let mut case = Case::greeted(9);
    let live = case.opened("live", 5);
    case.changed(live, state(Phase::Playing, 1));
    case.changed(live, state(Phase::Playing, 2));
    case.finished("done", 6);
    case.open("opening", 7);
    case.open("declined", 8);
    let leaving = case.opened("leaving", 9);
    case.close("leaving", 9);
    let all = "live@5 Playing 2 done@6 Finished 3 opening@7 Opening 0 declined@8 Opening 0";
    assert_eq!(
        case.hello(2, 7),
        ["replace 1".to_owned(), format!("2: Welcome v1 {all}"), "beat 2".to_owned()]
    );
    assert_eq!(case.gone(leaving), NOTHING, "whoever asked is not there any more");
    assert_eq!(
        case.made(live + 2),
        [format!("run {} opening@7", live + 2), "2: RoomState opening@7 Waiting 0".to_owned()]
    );
    assert_eq!(case.not_made(live + 3), ["2: Fault declined@8 no such map"]);
    assert_eq!(case.pass(1000), ["2: Finished done@6 ann"], "players were told by the welcome");
}

#[test]
fn rooms_go_on_while_nobody_listens() {
    let mut case = Case::greeted(9);
    let live = case.opened("live", 5);
    let broken = case.opened("broken", 6);
    let leaving = case.opened("leaving", 7);
    case.finished("done", 8);
    case.close("leaving", 7);
    case.on(Event::StreamEnded(StreamId(1)));
    assert_eq!(case.pass(5000), ["nothing due"]);
    assert_eq!(case.changed(live, state(Phase::Playing, 4)), NOTHING);
    assert_eq!(case.broke(broken), [format!("shut {broken}")]);
    assert_eq!(case.gone(leaving), NOTHING);
    assert_eq!(case.on(Event::Stopping), NOTHING);
    assert_eq!(case.hello(2, 7), ["2: Welcome v1 draining live@5 Playing 4 done@8 Finished 3", "beat 2"]);
}

#[test]
fn what_is_known_of_the_store_is_told_once_and_again_on_every_new_stream() {
    let mut case = Case::greeted(9);
    let duel = case.opened("duel", 5);
    assert_eq!(case.saving(duel, Saving::Begun(Tick(7))), ["1: RoomState duel@5 Waiting 0 saved 7"]);
    let failing = Saving::Failing("it is slow".to_owned());
    assert_eq!(case.saving(duel, failing), ["1: CheckpointFailed duel@5 it is slow"]);
    assert_eq!(
        case.hello(2, 7),
        [
            "replace 1",
            "2: Welcome v1 duel@5 Waiting 0",
            "beat 2",
            "2: CheckpointFailed duel@5 it is slow",
            "2: RoomState duel@5 Waiting 0 saved 7",
        ]
    );
    assert_eq!(case.saving(duel, Saving::Recovered), ["2: CheckpointFailed duel@5 "]);
    assert_eq!(case.saving(duel, Saving::Recovered), NOTHING, "it was said");
    assert_eq!(case.hello(3, 7).last().unwrap(), "3: RoomState duel@5 Waiting 0 saved 7");
}
