//! Seeded histories: in every one of them the rules hold, and in the end everybody has an answer.

use std::{env, panic};

use super::simulation::{Seen, Simulation};

/// Histories per run, and steps in each.
const HISTORIES: u64 = 3_000;
const STEPS: usize = 400;

/// All that must have happened in some history.
const EXPECTED: [&str; 33] = [
    "all rooms were to be told anew",
    "a draining server refused",
    "a full server refused",
    "a game declined",
    "a garbled stream was refused",
    "a higher term",
    "a lower epoch was refused",
    "an open room was not to be had from the store",
    "a lower term was refused",
    "a match was finished",
    "a retired server refused",
    "a room broke",
    "a room changed",
    "a room has a checkpoint",
    "a room was closed",
    "a room was closed before it was open",
    "a room was dropped",
    "a room was not restored",
    "a room was opened",
    "a room went on under a higher epoch",
    "a server retired",
    "a server was full",
    "a server with rooms did not retire",
    "a store failed",
    "a store recovered",
    "a stream that does not count asked",
    "a welcome with a finished room",
    "a welcome with a live room",
    "a welcome with a room that is being opened",
    "another protocol was refused",
    "the process was told to stop",
    "the same term again",
    "the stream that counts ended",
];

fn history(seed: u64) -> Seen {
    let mut world = Simulation::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
    world.seen()
}

#[test]
fn the_rules_of_a_host_hold_in_every_history() {
    // From another seed, and more or fewer: SEED=42 HISTORIES=1 cargo test -p gamekeeper-room histories
    let number = |name: &str| env::var(name).ok().and_then(|it| it.parse().ok());
    let (first, count) = (number("SEED").unwrap_or(0), number("HISTORIES").unwrap_or(HISTORIES));
    let mut seen = Seen::new();
    for seed in first..first + count {
        match panic::catch_unwind(|| history(seed)) {
            Ok(it) => seen.extend(it),
            Err(why) => {
                println!("replay it: SEED={seed} HISTORIES=1 cargo test -p gamekeeper-room histories");
                panic::resume_unwind(why);
            }
        }
    }
    let missing: Vec<_> = EXPECTED.iter().filter(|it| !seen.contains(*it)).collect();
    assert!(count < HISTORIES || missing.is_empty(), "never happened: {missing:?}");
}
