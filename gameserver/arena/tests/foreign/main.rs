//! A player's program that is not ours: the bot in `e2e/foreign/player-bot`, in Python with aioquic, was written from the documents
//! alone. It plays on `arena server` with a ticket, loses its connection, comes back and is scored.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "helpers of tests are tests")]

mod arena;
mod operator;
mod python;

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::{arena::Arena, operator::Operator, python::Python};

/// Everything that is awaited comes within this time, on a busy machine too, or never.
const PATIENCE: Duration = Duration::from_mins(1);

/// Longer than the match of a test.
const PLAYS_SECONDS: &str = "50";

/// Waits for something, and says what it was if it does not come.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(it) => it,
        Err(late) => panic!("never came ({late}): {what}"),
    }
}

fn count(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_written_from_the_documents_joins_with_a_ticket_moves_and_is_scored() {
    let python = Python::ready();
    let arena = Arena::with_tickets().await;
    let mut operator = Operator::greet(arena.control).await;
    let certificate = operator.open(&[("map", "harbour"), ("seconds", "10")]).await;

    let [ann, ben] = ["ann", "ben"].map(|it| arena.ticket("uid-1", it));
    // Both are there to the end; the second one is lost in the middle, without a word.
    let ann = python.play(&arena, &certificate, &ann, &[]);
    let ben = python.play(&arena, &certificate, &ben, &["--break-after", "4"]);
    let all = Box::pin(async { tokio::join!(ann, ben, operator.finished()) });
    let (ann, ben, finished) = soon("the end of the match", all).await;

    for (name, played) in [("ann", &ann), ("ben", &ben)] {
        let report = &played.report;
        assert!(played.success, "{name}: {report} {}", played.stderr);
        assert_eq!(
            (&report["joined"], &report["moved"], &report["ended"]),
            (&true.into(), &true.into(), &true.into()),
            "{report}"
        );
        assert_eq!((&report["player"], &report["wrong"]), (&name.into(), &Value::Null), "{report}");
        assert_eq!(report["result"], serde_json::to_value(&finished).unwrap(), "what the operator is told");
        let scored = format!("{name} {}", count(report, "score"));
        assert!(finished["scores"].split(", ").any(|it| it == scored), "{scored} in {finished:?}");
        // Ten seconds are three hundred ticks; a busy machine may lose some.
        assert!(200 < count(report, "snapshots") && 200 < count(report, "inputs_acknowledged"), "{report}");
    }
    assert_eq!((count(&ann.report, "connections"), count(&ben.report, "connections")), (1, 2));
    assert!(count(&ann.report, "full_snapshots") < 30, "the others are differences: {}", ann.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_ticket_for_the_room_is_told_why() {
    let python = Python::ready();
    let arena = Arena::with_tickets().await;
    let mut operator = Operator::greet(arena.control).await;
    let certificate = operator.open(&[]).await;
    for (ticket, why) in
        [(arena.ticket("uid-2", "ann"), "refused: 5 "), ("v4.public.x".to_owned(), "refused: 3 ")]
    {
        let played = soon("a refusal", python.play(&arena, &certificate, &ticket, &[])).await;
        let report = &played.report;
        assert!(!played.success && report["joined"] == false, "{report}");
        assert!(report["why"].as_str().unwrap().starts_with(why), "{report}");
    }
}

#[test]
fn the_bots_own_tests_pass() {
    Python::ready().test();
}
