//! Too much of anything.

use gamekeeper_control::{ToOperator, ToServer, limits, proto};
use gamekeeper_server::{BindError, Declined, Game, Server, Setup};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::support::{Operator, TestServer, loopback, open, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_cut_off_and_the_rooms_tick_on() {
    let server = TestServer::with_capacity(1).await;
    // It takes next to nothing from the server, and answers pings all the same.
    let operator = Operator::attach_with(server.address, |it| it.initial_stream_window_size(1)).await;
    operator.say(Operator::hello(1)).await;
    operator.say(open("duel", 5)).await;
    let answers_nobody_reads =
        async { while operator.requests.send(ToServer::Drain.into()).await.is_ok() {} };
    soon("the end of a connection that is not read from", answers_nobody_reads).await;
    server.ticks("duel", 10).await;
    let (mut operator, welcome) = Operator::greet(server.address, 1).await;
    assert_eq!(welcome.rooms.len(), 1);
    operator.beat().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_ends_its_stream_only() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    let message: proto::OperatorMessage = open("x", 6).into();
    let proto::OperatorMessage { message: Some(proto::operator_message::Message::Open(mut open)) } = message
    else {
        unreachable!()
    };
    open.reason = "x".repeat(limits::COMMAND_BYTES_MAX);
    let message = Some(proto::operator_message::Message::Open(open));
    operator.say_raw(proto::OperatorMessage { message }).await;
    operator.end().await;
    let (_operator, welcome) = Operator::greet(server.address, 1).await;
    assert_eq!(welcome.rooms.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_keep_the_operator_out() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    let mut strangers = Vec::new();
    for _ in 0..100 {
        strangers.push(soon("a connection", TcpStream::connect(server.address)).await.unwrap());
    }
    // The oldest of them was cut.
    let mut buffer = [0; 64];
    let oldest = &mut strangers[0];
    let cut = async { while oldest.read(&mut buffer).await.is_ok_and(|it| 0 < it) {} };
    soon("the end of the oldest connection", cut).await;
    assert_eq!(operator.ask(ToServer::Drain).await, ToOperator::Draining(true));
    Operator::greet(server.address, 1).await;
}

#[tokio::test]
async fn a_server_that_makes_no_sense_is_not_bound() {
    let builder = || {
        let maker = |_: &Setup| -> Result<Box<dyn Game>, Declined> { Err(Declined::because("none")) };
        Server::builder(maker).control_address(loopback())
    };
    assert!(matches!(builder().capacity(0).bind().await.err(), Some(BindError::Capacity(0))));
    assert!(matches!(builder().capacity(4097).bind().await.err(), Some(BindError::Capacity(4097))));
    assert!(matches!(builder().tick_rate(0).bind().await.err(), Some(BindError::TickRate(0))));
    assert!(matches!(builder().tick_rate(1001).bind().await.err(), Some(BindError::TickRate(1001))));
    assert!(matches!(builder().threads(0).bind().await.err(), Some(BindError::Threads(0))));
    let server = builder().bind().await.expect("a server");
    let taken = builder().control_address(server.control_address()).bind().await.err();
    assert!(matches!(taken, Some(BindError::Listen { .. })));
}
