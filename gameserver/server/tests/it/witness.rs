//! Servers that try to reach others for the operator.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use gamekeeper_control::{Finding, Probe, ProbeResult, ToOperator, ToServer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{Operator, TestServer, open};

/// An address whose kernel drops what comes: its backlog is full.
struct Silent {
    address: SocketAddr,
    _held: (TcpListener, Vec<TcpStream>),
}

impl Silent {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
        }
        Self { address, _held: (listener, queued) }
    }
}

fn probe(id: u64, address: SocketAddr) -> ToServer {
    ToServer::Probe(Probe { id, address, timeout: Duration::from_millis(200) })
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_a_witness_says_whether_somebody_listens_or_nobody_answers() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    // Nobody accepts there: its kernel answers for it.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let there = listener.local_addr().unwrap();
    let found = |id, finding| ToOperator::ProbeResult(ProbeResult { id, finding });
    assert_eq!(operator.ask(probe(7, there)).await, found(7, Finding::Connected));
    drop(listener);
    assert_eq!(operator.ask(probe(8, there)).await, found(8, Finding::Refused));
    let silent = Silent::new().await;
    assert_eq!(operator.ask(probe(9, silent.address)).await, found(9, Finding::Silent));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_witness_is_asked_beyond_its_limit_is_not_answered_and_harms_nobody() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    let silent = Silent::new().await;
    for id in 0..300 {
        operator.say(probe(id, silent.address)).await;
    }
    operator.say(open("duel", 5)).await;
    let is_opened = |it: &ToOperator| matches!(it, ToOperator::Opened(_)).then_some(());
    operator.until("the room is open", is_opened).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut answers = BTreeSet::new();
    operator
        .until("some beats", |it| {
            if let ToOperator::ProbeResult(result) = it {
                answers.insert(result.id);
            }
            matches!(it, ToOperator::Beat(beat) if 15 < beat.sequence).then_some(())
        })
        .await;
    assert_eq!(answers, (0..16).collect());
}
