//! A player who follows its room from one server to another: over real QUIC, on servers that are just enough for that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use gamekeeper_client::{Credentials, Event, Player, Stay, endpoint};
use gamekeeper_player::{
    frame::{Endpoint, Place, Redirect, Secret},
    session::{
        ALPN,
        server::{Admitted, Happening, Session},
    },
};
use quinn::{Connection, RecvStream, SendStream, crypto::rustls::QuicServerConfig};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(20);

/// A server that admits whoever comes.
struct Server {
    endpoint: quinn::Endpoint,
    hash: [u8; 32],
    epoch: u64,
}

/// A player who is in.
struct Guest {
    connection: Connection,
    session: Session,
    send: SendStream,
    recv: RecvStream,
    start: Instant,
    secret: Secret,
}

impl Server {
    fn new(epoch: u64) -> Self {
        let made = rcgen::generate_simple_self_signed(["gamekeeper".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { endpoint, hash: Sha256::digest(made.cert.der()).into(), epoch }
    }

    fn place(&self) -> Place {
        let address: SocketAddr = self.endpoint.local_addr().unwrap();
        let endpoint = Endpoint { address: address.ip().to_string(), port: address.port() };
        Place { endpoints: vec![endpoint], certificate_hashes: vec![self.hash] }
    }

    /// Lets the next one in, and waits until it has been told.
    async fn admit(&self, input_ack: u64) -> Guest {
        let connection = self.endpoint.accept().await.unwrap().await.unwrap();
        let (send, recv) = connection.accept_bi().await.unwrap();
        let start = Instant::now();
        let session = Session::new(Duration::ZERO);
        let mut guest = Guest { connection, session, send, recv, start, secret: Secret([0; 32]) };
        guest.secret = guest.join().await;
        let (now, epoch) = (guest.start.elapsed(), self.epoch);
        let (seat, tick, tick_rate) = (3, 100, 30);
        let player = "ann".to_owned();
        let admitted =
            Admitted { seat, player, epoch, tick, tick_rate, input_ack, fallbacks: Place::default() };
        guest.session.admit(admitted, now).unwrap();
        guest.flush().await;
        guest
    }
}

impl Guest {
    async fn join(&mut self) -> Secret {
        let mut bytes = [0; 1024];
        loop {
            let now = self.start.elapsed();
            if let Some(Happening::Join(join)) = self.session.poll(now).unwrap() {
                return join.secret;
            }
            let length = self.recv.read(&mut bytes).await.unwrap().unwrap();
            self.session.on_stream(&bytes[..length], now).unwrap();
        }
    }

    async fn flush(&mut self) {
        let output = self.session.stream_output().to_vec();
        self.send.write_all(&output).await.unwrap();
        self.session.consumed(output.len());
    }

    /// The next inputs, with their numbers.
    async fn inputs(&mut self) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        while all.is_empty() {
            let datagram = self.connection.read_datagram().await.unwrap();
            let now = self.start.elapsed();
            self.session
                .on_datagram(&datagram, now, |number, input| all.push((number, input.to_vec())))
                .unwrap();
        }
        all
    }

    fn show(&mut self, tick: u64, state: &[u8]) {
        let budget = self.connection.max_datagram_size().unwrap();
        let now = self.start.elapsed();
        let out = |datagram: &[u8]| self.connection.send_datagram(datagram.to_vec().into()).unwrap();
        assert!(self.session.snapshot(tick, state, budget, now, out).unwrap());
    }
}

async fn until<T>(player: &mut Player, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = pick(player.next().await) {
            return found;
        }
    }
}

fn joined(event: Event) -> Option<u64> {
    if let Event::Joined(joined) = event { Some(joined.epoch) } else { None }
}

#[tokio::test]
async fn a_player_follows_its_room_with_the_same_secret_and_loses_no_input() {
    timeout(SOON, follow()).await.expect("it takes a moment");
}

async fn follow() {
    let (old, new) = (Server::new(5), Server::new(6));
    let stay = Stay::new("duel", Credentials::Open("ann".to_owned()));
    let mut ann = Player::join(endpoint().unwrap(), stay, old.place());
    let (mut here, epoch) = tokio::join!(old.admit(0), until(&mut ann, joined));
    assert_eq!(epoch, 5);
    ann.input(b"one").unwrap();
    assert_eq!(here.inputs().await, [(1, b"one".to_vec())]);

    let deadline = Duration::from_secs(10);
    let redirect = Redirect { room: "uid-of-duel".to_owned(), epoch: 6, place: new.place(), deadline };
    here.session.redirect(redirect, here.start.elapsed()).unwrap();
    here.flush().await;
    let (mut there, epoch) = tokio::join!(new.admit(1), until(&mut ann, joined));
    assert_eq!((epoch, there.secret), (6, here.secret));
    ann.input(b"two").unwrap();
    assert_eq!(there.inputs().await, [(2, b"two".to_vec())]);
    there.show(101, b"moved");
    until(&mut ann, |event| matches!(event, Event::Shown { tick: 101 }).then_some(())).await;
    assert_eq!(ann.shown(), b"moved");
    assert_eq!(ann.statistics().losses, 0);
}
