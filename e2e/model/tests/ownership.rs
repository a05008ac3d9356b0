//! What holds in every history within the bounds, and that a broken rule is found.

#![allow(clippy::panic, clippy::print_stdout, reason = "tests, with their helpers")]

use std::env;

use gamekeeper_model::{
    bounds::{Bounds, Rule},
    search::search,
    walks::walk,
};

const CALM: Bounds = Bounds::CALM;

/// All of it is searched, and nothing is wrong.
fn holds(what: &str, bounds: Bounds) {
    let found = search(bounds, Rule::Kept);
    println!("{what}: {found}");
    assert!(found.broken.is_none() && found.is_complete, "{what}: {found}");
}

/// The promise that is broken with this rule is found. With the rule kept, it holds within the same bounds: other tests search them.
fn is_needed(rule: Rule, promise: &str, bounds: Bounds) {
    let found = search(bounds, rule);
    println!("{rule:?}: {found}");
    let Some((broken, _)) = &found.broken else { panic!("{rule:?} is not found: {found}") };
    assert_eq!(broken.promise, promise, "{broken}");
}

/// More than can be searched: all that may go wrong, at once.
const ALL: Bounds = Bounds {
    rooms: 2,
    crashes: 2,
    messages: 2,
    pauses: 2,
    cuts: 1,
    partings: 1,
    alarms: 1,
    ends: 1,
    steps: 8,
    ..CALM
};

/// From another seed, and more or fewer: `SEED=42 WALKS=100000 cargo test -p gamekeeper-model random`.
fn holds_on_random_ways(what: &str, bounds: Bounds) {
    let number = |name: &str| env::var(name).ok().and_then(|it| it.parse().ok());
    let (seed, walks) = (number("SEED").unwrap_or_default(), number("WALKS").unwrap_or(3_000));
    let walks = u32::try_from(walks).unwrap_or(u32::MAX);
    println!("{what}: SEED={seed} WALKS={walks}");
    let walked = walk(bounds, Rule::Kept, walks, seed);
    println!("{what}: {walked}");
    assert!(walked.broken.is_none(), "{what}: {walked}");
}

#[test]
fn i1_i2_i3_i4_i7_p6_p7_hold_on_random_ways_where_all_goes_wrong_at_once() {
    holds_on_random_ways("all at once", ALL);
    holds_on_random_ways("all at once, and others see through", Bounds { is_reached: true, ..ALL });
    let only = Bounds { cuts: 0, partings: 0, alarms: 0, ends: 0, ..ALL };
    holds_on_random_ways("crashes, messages and pauses", only);
}

#[test]
fn i1_i2_i7_broken_rules_are_found_on_random_ways() {
    for rule in [
        Rule::NoCompareAndSet,
        Rule::EqualEpochs,
        Rule::RepeatedTerm,
        Rule::UnheardIsAbsent,
        Rule::NoFreeze,
        Rule::NoQuestion,
        Rule::NoFence,
        Rule::UnansweredIsRefused,
        Rule::NoSilence,
    ] {
        let walked = walk(ALL, rule, 20_000, 0);
        println!("{rule:?}: {walked}");
        assert!(walked.broken.is_some(), "{rule:?} is not found: {walked}");
    }
}

#[test]
fn i1_i2_i4_p6_p7_hold_when_two_processes_die() {
    holds("two crashes", Bounds { crashes: 2, steps: 5, ..CALM });
    holds("two crashes and a message", Bounds { crashes: 2, messages: 1, steps: 2, ..CALM });
    holds("two crashes, two rooms", Bounds { rooms: 2, crashes: 2, steps: 3, ..CALM });
}

#[test]
fn i1_i7_p6_p7_hold_when_a_process_stands_still() {
    holds("a pause", Bounds { pauses: 1, steps: 5, ..CALM });
    holds("a pause, two rooms", Bounds { rooms: 2, pauses: 1, steps: 4, ..CALM });
    holds("a pause and a crash", Bounds { servers: 2, pauses: 1, crashes: 1, steps: 2, ..CALM });
    holds("a pause and a message", Bounds { pauses: 1, messages: 1, steps: 3, ..CALM });
}

#[test]
fn i1_i7_p6_p7_hold_when_a_server_is_cut_off() {
    holds("a cut and a crash", Bounds { cuts: 1, crashes: 1, steps: 4, ..CALM });
    holds("a cut and two messages", Bounds { cuts: 1, messages: 2, steps: 3, ..CALM });
    holds("a cut and mistakes", Bounds { cuts: 1, alarms: 1, deletions: 1, steps: 4, ..CALM });
}

#[test]
fn i1_i7_i8_p6_p7_hold_when_others_reach_who_is_cut_off() {
    holds(
        "a cut that others see through, and a crash",
        Bounds { cuts: 1, is_reached: true, crashes: 1, steps: 4, ..CALM },
    );
    holds("operators out of reach, and a crash", Bounds { partings: 1, crashes: 1, steps: 4, ..CALM });
    holds("both kinds of it", Bounds { cuts: 1, partings: 1, is_reached: true, steps: 4, ..CALM });
    holds("operators out of reach, and a message", Bounds { partings: 1, messages: 1, steps: 3, ..CALM });
}

#[test]
fn i7_i8_a_take_that_does_not_ask_whether_the_owner_is_silent_is_found() {
    is_needed(Rule::NoSilence, "I7", Bounds { partings: 1, steps: 5, ..CALM });
}

#[test]
fn i1_i4_p6_p7_hold_when_messages_are_lost_late_or_doubled() {
    holds("two messages and a crash", Bounds { messages: 2, crashes: 1, steps: 2, ..CALM });
    holds("two messages, from nothing", Bounds { messages: 2, steps: 2, is_fresh: true, ..CALM });
}

#[test]
fn i1_i7_hold_when_a_server_is_cut_off_for_long() {
    holds("a cut", Bounds { cuts: 1, steps: 5, ..CALM });
    holds("a cut that others see through", Bounds { partings: 1, steps: 5, ..CALM });
}

#[test]
fn i3_p7_a_match_that_is_over_is_not_played_again() {
    holds("an end and a crash", Bounds { ends: 1, crashes: 1, steps: 4, ..CALM });
    holds("an end and a pause", Bounds { ends: 1, pauses: 1, steps: 3, ..CALM });
}

#[test]
fn i1_an_owner_that_activates_without_the_compare_and_set_is_found() {
    is_needed(Rule::NoCompareAndSet, "I1", Bounds { cuts: 1, steps: 5, ..CALM });
}

#[test]
fn i2_equal_epochs_are_found() {
    is_needed(Rule::EqualEpochs, "I2", Bounds { cuts: 1, steps: 5, ..CALM });
}

#[test]
fn i2_a_term_that_repeats_is_found() {
    is_needed(Rule::RepeatedTerm, "I2", Bounds { crashes: 2, steps: 5, ..CALM });
}

#[test]
fn i5_servers_that_are_taken_for_empty_before_they_are_heard_are_found() {
    is_needed(Rule::UnheardIsAbsent, "I1", Bounds { crashes: 1, steps: 5, ..CALM });
}

#[test]
fn i7_an_owner_that_does_not_freeze_is_found() {
    is_needed(Rule::NoFreeze, "I1", Bounds { cuts: 1, steps: 5, ..CALM });
}

#[test]
fn i7_an_owner_that_stood_still_and_does_not_ask_is_found() {
    is_needed(Rule::NoQuestion, "I1", Bounds { pauses: 1, steps: 5, ..CALM });
}

#[test]
fn i7_a_new_owner_that_does_not_wait_is_found() {
    is_needed(Rule::NoFence, "I1", Bounds { cuts: 1, steps: 5, ..CALM });
}

#[test]
fn i1_an_open_that_was_not_answered_and_is_forgotten_is_found() {
    is_needed(Rule::UnansweredIsRefused, "I1", Bounds { cuts: 1, crashes: 1, steps: 4, ..CALM });
}

#[test]
fn p6_a_later_owner_that_is_closed_while_a_status_may_tell_of_it_is_found() {
    is_needed(Rule::PublishedWins, "P6", Bounds { cuts: 1, crashes: 1, steps: 4, ..CALM });
}
