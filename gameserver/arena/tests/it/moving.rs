//! Players whose address changes all the time.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use arena::{bot::Bot, checker::Checker, intake::WAITING_MAX};
use gamekeeper_client::{Credentials, Event, Player, Stay, place};
use gamekeeper_player::frame::ToServer;
use quinn::Endpoint;
use tokio::time::{Instant, sleep};

use crate::support::{Guest, Scene, config, input, join, loopback};

/// A bot that checks everything, like the fifty, and another address every second.
async fn wanders(to: SocketAddr, hashes: &[String]) {
    let endpoint = Endpoint::client((loopback(9, 1), 0).into()).unwrap();
    let stay = Stay::new("east", Credentials::Open("wanderer".to_owned()));
    let mut player = Player::join(endpoint.clone(), stay, place(&[to], hashes).unwrap());
    let (mut brain, mut last, mut due) = (None, 1_u8, Instant::now() + Duration::from_secs(1));
    loop {
        if due <= Instant::now() {
            last += 1;
            due += Duration::from_secs(1);
            rebind(&endpoint, loopback(9, last));
        }
        match player.next().await {
            Event::Joined(joined) => {
                let seat = u8::try_from(joined.seat).unwrap();
                assert!(brain.is_none(), "it never has to come back");
                brain = Some((Bot::new(seat, 99), Checker::new(seat)));
            }
            Event::Shown { tick } => {
                let (bot, checker) = brain.as_mut().expect("it has a seat");
                let next = bot.next_input(checker.shown(tick, player.shown()).unwrap());
                if checker.in_flight() < WAITING_MAX {
                    player.input(&next.to_bytes()).unwrap();
                    checker.sent(next);
                }
            }
            Event::Ended(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let verdict = brain.expect("it had a seat").1.verdict();
    println!("a wanderer with {last} addresses: {verdict:?}");
    assert!(5 <= last, "{last}");
    assert!(verdict.verified, "{verdict:?}");
    assert!(verdict.counts.longest_gap < 30, "{verdict:?}");
}

/// Twenty addresses a second: each costs a proof that somebody hears us there, and no more.
async fn flickers(to: SocketAddr) {
    let endpoint = Endpoint::client((loopback(8, 1), 0).into()).unwrap();
    let connecting = endpoint.connect_with(config(), to, "gamekeeper.invalid").unwrap();
    let mut guest = Guest::on(connecting.await.unwrap()).await;
    guest.say(&ToServer::Join(join("west", Credentials::Open("flicker".to_owned()), 7))).await;
    guest.next().await.expect("an answer");
    for last in 2..80 {
        rebind(&endpoint, loopback(8, last));
        let _ = guest.connection.send_datagram(input(0, 1, &[]).into());
        sleep(Duration::from_millis(50)).await;
    }
    let received = guest.connection.stats().udp_rx;
    println!("78 addresses in 4 s: {} packets, {} KiB came", received.datagrams, received.bytes >> 10);
}

fn rebind(endpoint: &Endpoint, address: Ipv4Addr) {
    endpoint.rebind(UdpSocket::bind((address, 0)).unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_with_another_address_every_second_stays_and_misses_nothing() {
    let scene = Scene::open(8).await;
    let to = scene.server.players;
    let hashes = scene.hashes().await;
    tokio::join!(wanders(to, &hashes), flickers(to));
    scene.close("other addresses").await;
}
