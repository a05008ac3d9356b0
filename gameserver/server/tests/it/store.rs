//! A server whose store is slow or gone, and one that nobody hears.

use std::time::Duration;

use gamekeeper_control::ToOperator;
use gamekeeper_room::Tick;

use crate::support::{Operator, Redis, TestServer, say, soon};

const FENCE: Duration = Duration::from_millis(500);

async fn server() -> (Redis, TestServer, Operator) {
    let redis = Redis::start(&[]).await;
    let server = TestServer::with_store(&redis, FENCE).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    (redis, server, operator)
}

async fn failed(operator: &mut Operator) -> String {
    let failed = |it: &ToOperator| match it {
        ToOperator::CheckpointFailed { message, .. } => Some(message.clone()),
        ToOperator::Fault(fault) => panic!("{fault:?}"),
        _ => None,
    };
    operator.until("news of the store", failed).await
}

/// Waits until it does not tick any more.
async fn frozen(server: &TestServer) -> Tick {
    let room = server.room("duel");
    let frozen = async {
        loop {
            let before = room.tick();
            // Many ticks.
            tokio::time::sleep(Duration::from_millis(300)).await;
            if room.tick() == before {
                return before;
            }
        }
    };
    soon("a room that stands still", frozen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_without_the_store_the_match_runs_on_and_the_operator_is_told() {
    let (redis, server, mut operator) = server().await;
    operator.echoes = true;
    let first = |it: &ToOperator| {
        matches!(it, ToOperator::RoomState(it) if it.checkpoint_tick.is_some()).then_some(())
    };
    operator.until("a checkpoint", first).await;
    redis.signal("STOP");
    let why = failed(&mut operator).await;
    assert!(why.contains("store"), "{why}");
    let before = server.room("duel").tick();
    for _ in 0..80 {
        operator.beat().await;
    }
    assert!(before.0 + 30 < server.room("duel").tick().0, "it ticks, four fences long");
    let (mut later, _) = Operator::greet(server.address, 2).await;
    later.echoes = true;
    assert_eq!(failed(&mut later).await, why, "a new stream is told again");
    redis.signal("CONT");
    assert_eq!(failed(&mut later).await, "", "and that it is well again");
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_a_room_that_is_too_large_is_not_saved_and_runs_on() {
    let (_redis, server, mut operator) = server().await;
    operator.echoes = true;
    server.play("duel", "ann", say::GROW);
    let why = failed(&mut operator).await;
    assert!(why.contains("cannot be saved") && why.contains("bytes"), "{why}");
    let before = server.room("duel").tick();
    for _ in 0..40 {
        operator.beat().await;
    }
    assert!(before < server.room("duel").tick(), "it ticks, although nothing of it is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_server_that_nobody_hears_freezes_until_one_does() {
    let (redis, server, mut operator) = server().await;
    // No echoes: the store alone keeps it going.
    server.ticks("duel", 60).await;
    redis.signal("STOP");
    frozen(&server).await;
    redis.signal("CONT");
    server.ticks("duel", 10).await;
    redis.signal("STOP");
    frozen(&server).await;
    operator.echoes = true;
    let listening = async {
        loop {
            operator.beat().await;
        }
    };
    tokio::select! {
        () = listening => unreachable!("it never ends"),
        () = server.ticks("duel", 10) => (),
    }
    redis.signal("CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_server_is_connected_to_its_store_before_it_has_a_room() {
    let mut redis = Redis::start(&[]).await;
    redis.kill();
    let _server = TestServer::with_store(&redis, FENCE).await;
    redis.restart().await;
    let connected = async {
        // Who asks is one of them.
        while redis.cli(&["CLIENT", "LIST"]).lines().count() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("its connection", connected).await;
}
