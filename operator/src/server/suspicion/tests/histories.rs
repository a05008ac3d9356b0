//! Seeded histories of a small cluster whose servers die, hang and are cut off, and of an operator that stands still.

use std::{collections::BTreeSet, env, panic, thread};

use super::world::World;

/// Histories per run.
const HISTORIES: u64 = 100_000;

/// All that must have happened in some history, or the histories prove nothing.
const EXPECTED: [&str; 24] = [
    "suspected: Quiet",
    "suspected: Broke",
    "suspected: Unheard",
    "Quiet: Proven",
    "Quiet: Hang",
    "Quiet: Presumed",
    "Broke: Proven",
    "Broke: Hang",
    "Broke: Presumed",
    "Unheard: Proven",
    "Unheard: Hang",
    "Unheard: Presumed",
    "Hang, then Proven",
    "Presumed, then Proven",
    "a witness reached a server",
    "a node answered for its server",
    "a lost server came back",
    "the operator stood still",
    "the operator was cut off",
    "a beat ended a suspicion",
    "several servers were suspected at once",
    "something refused although the process lives",
    "a witness was asked",
    "a server was greeted anew",
];

#[test]
fn p3_i5_i6_hold_in_every_history() {
    // From another seed, and more or fewer: SEED=42 HISTORIES=1 cargo test -p gamekeeper-operator suspicion
    let number = |name: &str| env::var(name).ok().and_then(|it| it.parse().ok());
    let (first, count) = (number("SEED").unwrap_or(0), number("HISTORIES").unwrap_or(HISTORIES));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let of_thread = |offset: u64| {
        let (mut seen, mut events) = (BTreeSet::new(), 0);
        for seed in (first + offset..first + count).step_by(threads) {
            let history = panic::catch_unwind(|| World::run(seed)).unwrap_or_else(|why| {
                println!("replay it: SEED={seed} HISTORIES=1 cargo test -p gamekeeper-operator suspicion");
                panic::resume_unwind(why)
            });
            events += history.events;
            seen.extend(history.seen);
        }
        (seen, events)
    };
    let sums: Vec<(BTreeSet<String>, usize)> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads as u64).map(|it| scope.spawn(move || of_thread(it))).collect();
        running.into_iter().map(|it| it.join().unwrap_or_else(|why| panic::resume_unwind(why))).collect()
    });
    let events: usize = sums.iter().map(|it| it.1).sum();
    let seen: BTreeSet<String> = sums.into_iter().flat_map(|it| it.0).collect();
    println!("{count} histories, {events} events");
    let missing: Vec<_> = EXPECTED.iter().filter(|it| !seen.contains(**it)).collect();
    assert!(count < HISTORIES || missing.is_empty(), "never happened: {missing:?}");
}
