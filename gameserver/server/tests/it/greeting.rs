//! How streams begin and end.

use gamekeeper_control::{Feature, HelloRefused, HelloRefusedWhy, PROTOCOL, ToOperator, ToServer, proto};
use tonic::Code;

use crate::support::{Operator, TestServer, open};

fn refused(why: HelloRefusedWhy, highest_term: u32) -> ToOperator {
    ToOperator::HelloRefused(HelloRefused { why, highest_term, protocol: PROTOCOL..=PROTOCOL })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_welcome_says_what_the_server_is() {
    let server = TestServer::with_capacity(7).await;
    let (_operator, welcome) = Operator::greet(server.address, 3).await;
    assert_eq!(welcome.boot_id, server.boot_id);
    assert_eq!((welcome.capacity, welcome.protocol), (7, PROTOCOL));
    assert_eq!(welcome.features, [Feature::Witness].into());
    assert!(welcome.rooms.is_empty());
    assert!(!welcome.is_draining && !welcome.is_retired);
    let other = TestServer::with_capacity(7).await;
    assert_ne!(server.boot_id, other.boot_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_the_same_or_a_higher_term_ends_the_one_before() {
    let server = TestServer::with_capacity(2).await;
    let (mut before, _) = Operator::greet(server.address, 3).await;
    for term in [3, 4] {
        let (next, _) = Operator::greet(server.address, term).await;
        assert_eq!(before.end().await, Code::Aborted);
        before = next;
    }
    before.open("duel", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_term_is_refused_and_the_stream_that_counts_goes_on() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 5).await;
    let mut late = Operator::attach(server.address).await;
    assert_eq!(late.ask(Operator::hello(4)).await, refused(HelloRefusedWhy::Term, 5));
    assert_eq!(late.end().await, Code::Ok);
    operator.open("duel", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_other_protocols_is_refused_and_its_term_not_noted() {
    let server = TestServer::with_capacity(2).await;
    let mut operator = Operator::attach(server.address).await;
    let ToServer::Hello(mut hello) = Operator::hello(9) else { unreachable!() };
    hello.protocol = PROTOCOL + 1..=PROTOCOL + 2;
    assert_eq!(operator.ask(ToServer::Hello(hello)).await, refused(HelloRefusedWhy::Protocol, 0));
    assert_eq!(operator.end().await, Code::Ok);
    Operator::greet(server.address, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_begins_with_anything_else_is_refused_and_nothing_of_it_done() {
    let server = TestServer::with_capacity(2).await;
    let malformed = proto::Hello { term: 0, ..proto::Hello::default() };
    let malformed = proto::operator_message::Message::Hello(malformed);
    let first = [
        proto::OperatorMessage::default(),
        proto::OperatorMessage { message: Some(malformed) },
        ToServer::Drain.into(),
        open("duel", 5).into(),
    ];
    for message in first {
        let mut operator = Operator::attach(server.address).await;
        operator.say_raw(message.clone()).await;
        assert_eq!(operator.next().await, refused(HelloRefusedWhy::Malformed, 0), "{message:?}");
        assert_eq!(operator.end().await, Code::Ok);
    }
    let (_operator, welcome) = Operator::greet(server.address, 1).await;
    assert!(!welcome.is_draining && welcome.rooms.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_hello_ends_the_stream() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    assert_eq!(operator.ask(Operator::hello(2)).await, refused(HelloRefusedWhy::Malformed, 1));
    assert_eq!(operator.end().await, Code::Ok);
    Operator::greet(server.address, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_goes_leaves_the_rooms_alone() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    let Operator { requests, answers, .. } = operator;
    drop((requests, answers));
    server.ticks("duel", 10).await;
    let (_operator, welcome) = Operator::greet(server.address, 1).await;
    assert_eq!(welcome.rooms.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_its_operator_closes_ends_well() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    // Only our side of it.
    operator.requests = tokio::sync::mpsc::channel(1).0;
    assert_eq!(operator.end().await, Code::Ok);
}
