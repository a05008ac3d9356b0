//! The end of the process.

use std::time::Duration;

use gamekeeper_control::{RefusedWhy, ToOperator};
use gamekeeper_server::Stopped;
use tonic::Code;

use crate::support::{Operator, TestServer, close, open, say, tenancy};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_server_stops_at_once() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    server.stop.cancel();
    assert_eq!(operator.end().await, Code::Ok);
    assert_eq!(server.stopped().await, Stopped::Empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_rooms_drains_and_stops_when_the_last_one_is_closed() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    server.stop.cancel();
    assert_eq!(operator.answer().await, ToOperator::Draining(true));
    match operator.ask(open("other", 6)).await {
        ToOperator::Refused(refused) => assert_eq!(refused.why, RefusedWhy::Draining),
        other => panic!("not refused: {other:?}"),
    }
    server.ticks("duel", 10).await;
    server.play("duel", "ann", say::END);
    operator.until("the end", |it| matches!(it, ToOperator::Finished { .. }).then_some(())).await;
    // Its result is not written down before it is closed.
    operator.until("the end, again", |it| matches!(it, ToOperator::Finished { .. }).then_some(())).await;
    let (mut operator, welcome) = Operator::greet(server.address, 2).await;
    assert!(welcome.is_draining);
    assert_eq!(operator.ask(close("duel", 5)).await, ToOperator::Closed(tenancy("duel", 5)));
    assert_eq!(operator.end().await, Code::Ok);
    assert_eq!(server.stopped().await, Stopped::Empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_wait_for_rooms_for_ever() {
    let server = TestServer::start(|it| it.capacity(2).patience(Duration::from_millis(300))).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    server.play("duel", "ann", say::BREAK_LATER);
    server.ticks("duel", 3).await;
    server.stop.cancel();
    assert_eq!(operator.end().await, Code::Ok);
    assert_eq!(server.stopped().await, Stopped::WithRooms(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_hangs_does_not_keep_the_server() {
    let server = TestServer::start(|it| it.capacity(2).patience(Duration::from_millis(300))).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    server.play("duel", "ann", say::HANG);
    server.stop.cancel();
    assert_eq!(operator.end().await, Code::Ok);
    assert_eq!(server.stopped().await, Stopped::WithRooms(1));
}
