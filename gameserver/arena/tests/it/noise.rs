//! Strangers of whom nobody knows whether they hear us.

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep},
};

use crate::support::{Guest, Initials, Scene, ids, loopback};

/// Connections without a seat above which an address has to be proven.
const VALIDATE_ABOVE: usize = 64;

/// How long a handshake may take, in seconds.
const HANDSHAKE: u64 = 5;

/// The largest answer that QUIC allows to an address that is not proven, for each byte that came from it.
const AMPLIFICATION: usize = 3;

/// What came back.
#[derive(Debug, Default)]
struct Answers {
    sent: usize,
    sent_bytes: usize,
    bytes: usize,
    retries: usize,
    /// To whom more was said than that it should prove its address.
    handshakes: HashSet<Vec<u8>>,
}

impl Answers {
    async fn send(&mut self, by: &UdpSocket, bytes: &[u8], to: SocketAddr) {
        by.send_to(bytes, to).await.unwrap();
        self.sent += 1;
        self.sent_bytes += bytes.len();
    }

    fn hear(&mut self, by: &UdpSocket) {
        let mut bytes = [0; 2048];
        while let Ok(length) = by.try_recv(&mut bytes) {
            self.bytes += length;
            // Kinds of packets with a long header: 0 is Initial, 2 Handshake, 3 Retry.
            match (bytes[0] & 0x80, (bytes[0] & 0x30) >> 4) {
                (0x80, 3) => self.retries += 1,
                (0x80, 0 | 2) => drop(self.handshakes.insert(ids(&bytes[..length]).0.to_vec())),
                _ => (),
            }
        }
    }
}

/// All that UDP carries, at 4,000 packets a second: nothing at all, and first packets with wrong bytes in them.
async fn random_bytes(to: SocketAddr) -> Answers {
    let mut random = StdRng::seed_from_u64(1);
    let (mut answers, by) = (Answers::default(), UdpSocket::bind((loopback(0, 3), 0)).await.unwrap());
    let mut initials = Initials::new().await;
    for _ in 0..200 {
        let initial = initials.next().await;
        for round in 0..40 {
            let length = random.random_range(1..if round % 10 == 0 { 9000 } else { 1500 });
            let mut bytes = vec![0; length];
            random.fill_bytes(&mut bytes);
            if round % 4 == 0 {
                bytes = initial.clone();
                let wrong = random.random_range(0..if round % 8 == 0 { 60 } else { bytes.len() });
                bytes[wrong] ^= random.random_range(1..=255_u8);
            }
            answers.send(&by, &bytes, to).await;
        }
        answers.hear(&by);
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(200)).await;
    answers.hear(&by);
    answers
}

/// First packets of clients that never say another word, each eight from one of 250 addresses.
async fn half_handshakes(to: SocketAddr) -> Answers {
    let (mut answers, mut initials, mut sockets) = (Answers::default(), Initials::new().await, Vec::new());
    for last in 1..=250 {
        let by = UdpSocket::bind((loopback(2, last), 0)).await.unwrap();
        for _ in 0..8 {
            answers.send(&by, &initials.next().await, to).await;
        }
        sockets.push(by);
        sockets.iter().for_each(|it| answers.hear(it));
        sleep(Duration::from_millis(4)).await;
    }
    sleep(Duration::from_millis(200)).await;
    sockets.iter().for_each(|it| answers.hear(it));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_cost_no_more_than_they_weigh_and_disturb_nobody() {
    let scene = Scene::open(6).await;
    let before = scene.server.rss_kib();
    let answers = random_bytes(scene.server.players).await;
    let more = scene.server.rss_kib().saturating_sub(before);
    println!(
        "random bytes: {} packets, {} KiB, answered by {} KiB; memory +{more} KiB",
        answers.sent,
        answers.sent_bytes >> 10,
        answers.bytes >> 10,
    );
    assert!(answers.bytes <= answers.sent_bytes, "{answers:?}");
    assert!(more < 32 * 1024, "{more} KiB");
    scene.close("random bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_handshakes_fill_their_places_only_and_whoever_hears_us_gets_in() {
    let scene = Scene::open(6).await;
    let (to, begin) = (scene.server.players, Instant::now());
    let newcomers = async {
        // While there are many strangers, by way of a proof of address.
        for number in 0..4 {
            sleep(Duration::from_millis(700)).await;
            let asked = Instant::now();
            Guest::sit(loopback(0, 2), to, "north", &format!("newcomer-{number}")).await;
            println!("half handshakes: a newcomer waits {} ms", asked.elapsed().as_millis());
        }
    };
    let (answers, ()) = tokio::join!(half_handshakes(to), newcomers);
    let seconds = begin.elapsed().as_secs();
    println!(
        "half handshakes: {} in {seconds} s, {} begun, {} asked for a proof; {} KiB answered by {} KiB",
        answers.sent,
        answers.handshakes.len(),
        answers.retries,
        answers.sent_bytes >> 10,
        answers.bytes >> 10,
    );
    let periods = usize::try_from(seconds / HANDSHAKE + 1).unwrap();
    assert!(answers.handshakes.len() <= VALIDATE_ABOVE * periods, "{answers:?}");
    assert!(answers.sent / 2 < answers.retries, "{answers:?}");
    assert!(answers.bytes <= AMPLIFICATION * answers.sent_bytes, "{answers:?}");
    scene.close("half handshakes").await;
}
