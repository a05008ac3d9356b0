//! Servers that are just enough for players to play on, over real QUIC.

mod path;
mod room;

pub(crate) use path::Path;
pub(crate) use room::{Book, Room};

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use gamekeeper_client::{Event, Player};
use gamekeeper_player::{
    frame::{Endpoint, Place, Secret},
    session::{
        ALPN,
        server::{Admitted, Happening, Session},
    },
};
use quinn::{Connection, Incoming, RecvStream, SendStream, crypto::rustls::QuicServerConfig};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// Nothing takes longer, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server that admits whoever comes.
pub(crate) struct Server {
    pub(crate) endpoint: quinn::Endpoint,
    pub(crate) hash: [u8; 32],
    pub(crate) epoch: u64,
}

/// A player who is in.
pub(crate) struct Guest {
    pub(crate) connection: Connection,
    pub(crate) session: Session,
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
    pub(crate) start: Instant,
    pub(crate) secret: Secret,
}

impl Server {
    pub(crate) fn new(epoch: u64) -> Self {
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

    pub(crate) fn place(&self) -> Place {
        let address: SocketAddr = self.endpoint.local_addr().unwrap();
        let endpoint = Endpoint { address: address.ip().to_string(), port: address.port() };
        Place { endpoints: vec![endpoint], certificate_hashes: vec![self.hash] }
    }

    /// Lets the next one in, and waits until it has been told.
    pub(crate) async fn admit(&self, input_ack: u64) -> Guest {
        let incoming = self.endpoint.accept().await.unwrap();
        self.let_in(incoming, || (input_ack, 0), Place::default()).await.expect("it stays")
    }

    /// Lets somebody in, who may be gone before. `known`: up to where inputs and messages came already.
    pub(crate) async fn let_in(
        &self,
        incoming: Incoming,
        known: impl Fn() -> (u64, u64),
        fallbacks: Place,
    ) -> Option<Guest> {
        self.let_in_after(std::future::ready(()), incoming, known, fallbacks).await
    }

    /// The same, once the room is here.
    pub(crate) async fn let_in_after(
        &self,
        is_here: impl Future<Output = ()>,
        incoming: Incoming,
        known: impl Fn() -> (u64, u64),
        fallbacks: Place,
    ) -> Option<Guest> {
        let connection = incoming.await.ok()?;
        let (send, recv) = connection.accept_bi().await.ok()?;
        let start = Instant::now();
        let session = Session::new(Duration::ZERO);
        let mut guest = Guest { connection, session, send, recv, start, secret: Secret([0; 32]) };
        guest.secret = guest.join().await?;
        is_here.await;
        let (input_ack, message_ack) = known();
        let (now, epoch) = (guest.start.elapsed(), self.epoch);
        let (seat, tick, tick_rate) = (3, 100, 30);
        let player = "ann".to_owned();
        let admitted = Admitted { seat, player, epoch, tick, tick_rate, input_ack, message_ack, fallbacks };
        guest.session.admit(admitted, now).unwrap();
        guest.flush().await;
        Some(guest)
    }
}

impl Guest {
    pub(crate) async fn join(&mut self) -> Option<Secret> {
        let mut bytes = [0; 1024];
        loop {
            let now = self.start.elapsed();
            if let Some(Happening::Join(join)) = self.session.poll(now).unwrap() {
                return Some(join.secret);
            }
            let length = self.recv.read(&mut bytes).await.ok()??;
            self.session.on_stream(&bytes[..length], now).unwrap();
        }
    }

    pub(crate) async fn flush(&mut self) {
        let output = self.session.stream_output().to_vec();
        self.send.write_all(&output).await.unwrap();
        self.session.consumed(output.len());
    }

    /// The next inputs, with their numbers.
    pub(crate) async fn inputs(&mut self) -> Vec<(u64, Vec<u8>)> {
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

    pub(crate) fn show(&mut self, tick: u64, state: &[u8]) {
        let budget = self.connection.max_datagram_size().unwrap();
        let now = self.start.elapsed();
        let out = |datagram: &[u8]| self.connection.send_datagram(datagram.to_vec().into()).unwrap();
        // As long as none was acknowledged, only some are sent: on a bad path that takes a while.
        self.session.snapshot(tick, state, budget, now, out).unwrap();
    }
}

pub(crate) async fn until<T>(player: &mut Player, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = pick(player.next().await) {
            return found;
        }
    }
}

pub(crate) fn joined(event: Event) -> Option<u64> {
    if let Event::Joined(joined) = event { Some(joined.epoch) } else { None }
}
