//! Too many connections from one address.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::{Connection, ConnectionError, Endpoint, TransportErrorCode};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::support::{Guest, Scene, config, loopback};

/// Connections that are tried.
const ATTEMPTS: usize = 10_000;

/// At a time: as many as one machine can do.
const AT_ONCE: usize = 400;

/// Connections of one address without a seat, at most.
const STRANGERS_OF_ONE_ADDRESS: usize = 64;

/// After so many seconds without a Join one has to go, and another comes.
const JOIN_WITHIN: u64 = 5;

#[derive(Debug, Default)]
struct Rush {
    kept: Vec<Connection>,
    refused: usize,
    unanswered: usize,
}

/// All of them from one address, that of the bots.
async fn rush(to: SocketAddr) -> Rush {
    let (gate, mut attempts, mut rush) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new(), Rush::default());
    let from: Vec<_> =
        (0..8).map(|_| Endpoint::client((loopback(0, 1), 0).into()).expect("a socket")).collect();
    for number in 0..ATTEMPTS {
        let permit = gate.clone().acquire_owned().await.unwrap();
        let by = from[number % from.len()].clone();
        attempts.spawn(async move {
            let connecting = by.connect_with(config(), to, "gamekeeper.invalid").unwrap();
            let tried = timeout(Duration::from_secs(2), connecting).await;
            drop(permit);
            tried
        });
        while let Some(tried) = attempts.try_join_next() {
            rush.count(tried.unwrap());
        }
    }
    while let Some(tried) = attempts.join_next().await {
        rush.count(tried.unwrap());
    }
    rush
}

impl Rush {
    fn count<L>(&mut self, tried: Result<Result<Connection, ConnectionError>, L>) {
        match tried {
            Ok(Ok(connection)) => self.kept.push(connection),
            Ok(Err(ConnectionError::ConnectionClosed(close))) => {
                assert_eq!(close.error_code, TransportErrorCode::CONNECTION_REFUSED);
                self.refused += 1;
            }
            Ok(Err(_)) | Err(_) => self.unanswered += 1,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_of_one_address_are_refused_and_others_get_in() {
    let scene = Scene::open(10).await;
    let (to, begin, before) = (scene.server.players, Instant::now(), scene.server.rss_kib());
    let newcomers = async {
        for number in 0..3 {
            sleep(Duration::from_secs(1)).await;
            let asked = Instant::now();
            Guest::sit(loopback(0, 2), to, "east", &format!("newcomer-{number}")).await;
            println!("rush: a newcomer waits {} ms", asked.elapsed().as_millis());
        }
    };
    let (rush, ()) = tokio::join!(rush(to), newcomers);
    let (seconds, more) = (begin.elapsed().as_secs(), scene.server.rss_kib().saturating_sub(before));
    let Rush { kept, refused, unanswered } = rush;
    println!(
        "rush: {ATTEMPTS} in {seconds} s: {} let in, {refused} refused, {unanswered} unanswered; memory +{more} KiB",
        kept.len(),
    );
    let periods = usize::try_from(seconds / JOIN_WITHIN + 1).unwrap();
    assert!(kept.len() <= STRANGERS_OF_ONE_ADDRESS * periods, "{} were let in", kept.len());
    assert!(ATTEMPTS / 2 < refused, "{refused} were refused");
    assert!(more < 64 * 1024, "{more} KiB");
    scene.close("rush").await;
}
