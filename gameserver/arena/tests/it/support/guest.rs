//! A client without manners: QUIC, and the bytes that a test says.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use gamekeeper_player::{
    datagram::Input,
    frame::{Credentials, Join, Joined, Refused, Role, Secret, ToPlayer, ToServer},
    session::ALPN,
    varint,
};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig,
    crypto::rustls::QuicClientConfig,
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::soon;

/// A connection with its one stream.
pub(crate) struct Guest {
    pub(crate) connection: Connection,
    send: SendStream,
    recv: RecvStream,
    inbox: Vec<u8>,
}

/// What a guest is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Joined(Joined),
    Refused(Refused),
    Confirmed(u64),
    Other,
}

/// Connects from an address.
pub(crate) async fn connect(from: Ipv4Addr, to: SocketAddr) -> Result<Connection, ConnectionError> {
    let endpoint = Endpoint::client((from, 0).into()).expect("a socket");
    endpoint.connect_with(config(), to, "gamekeeper.invalid").expect("a good address").await
}

/// To a room by a name, with a secret that is this byte many times.
pub(crate) fn join(room: &str, credentials: Credentials, secret: u8) -> Join {
    let (room, role, secret) = (room.to_owned(), Role::Player, Secret([secret; 32]));
    Join { protocol: 1..=1, features: 0, room, role, credentials, secret, first_input: 1 }
}

/// A datagram of inputs, from this number on.
pub(crate) fn input(ack: u64, first: u64, inputs: &[&[u8]]) -> Vec<u8> {
    let mut datagram = Vec::new();
    Input::encode(ack, first, inputs.iter().copied(), &mut datagram);
    datagram
}

impl Guest {
    /// Connects and opens the stream, of which the server learns with the first byte.
    pub(crate) async fn come(from: Ipv4Addr, to: SocketAddr) -> Self {
        Self::on(soon("a connection", connect(from, to)).await.expect("a connection")).await
    }

    /// Opens the stream of a connection.
    pub(crate) async fn on(connection: Connection) -> Self {
        let (send, recv) = soon("a stream", connection.open_bi()).await.expect("a stream");
        Self { connection, send, recv, inbox: Vec::new() }
    }

    /// The same, and says Join. Returns the answer too.
    pub(crate) async fn ask(from: Ipv4Addr, to: SocketAddr, join: Join) -> (Self, Said) {
        let mut guest = Self::come(from, to).await;
        guest.say(&ToServer::Join(join)).await;
        let answer = guest.next().await.expect("an answer");
        (guest, answer)
    }

    /// With a seat of a room where everybody may play.
    pub(crate) async fn sit(from: Ipv4Addr, to: SocketAddr, room: &str, player: &str) -> (Self, Joined) {
        let join = join(room, Credentials::Open(player.to_owned()), 7);
        match Self::ask(from, to, join).await {
            (guest, Said::Joined(joined)) => (guest, joined),
            (_, other) => panic!("{player}: {other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, frame: &ToServer<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.write(&bytes).await;
    }

    /// Whatever bytes. Whether they are taken is seen from what happens next.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = soon("room in the stream", self.send.write_all(bytes)).await;
    }

    /// The next frame; `None`: the stream or the connection is at its end.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        loop {
            let mut rest = self.inbox.as_slice();
            let length = varint::take(&mut rest).and_then(|it| usize::try_from(it).ok());
            if let Some((frame, rest)) = length.and_then(|it| rest.split_at_checked(it)) {
                let said = match ToPlayer::parse(frame).expect("a good frame") {
                    Some(ToPlayer::Joined(joined)) => Said::Joined(joined),
                    Some(ToPlayer::Refused(refused)) => Said::Refused(refused),
                    Some(ToPlayer::Confirmed(number)) => Said::Confirmed(number),
                    _ => Said::Other,
                };
                self.inbox = rest.to_vec();
                return Some(said);
            }
            let chunk = soon("a frame", self.recv.read_chunk(4096, true)).await.ok().flatten()?;
            self.inbox.extend_from_slice(&chunk.bytes);
        }
    }

    /// With which code the server closes the connection. Reads to the end of the stream, as clients do.
    pub(crate) async fn code(&mut self) -> u64 {
        while self.next().await.is_some() {}
        code(&self.connection).await
    }
}

/// With which code the server closes a connection.
pub(crate) async fn code(connection: &Connection) -> u64 {
    match soon("the end of a connection", connection.closed()).await {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("it was not closed by the server: {other}"),
    }
}

/// A client that talks to any server and has no limits of its own.
pub(crate) fn config() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(Duration::from_secs(20).try_into().unwrap()))
        .keep_alive_interval(Some(Duration::from_secs(1)))
        .datagram_send_buffer_size(1024 * 1024)
        .datagram_receive_buffer_size(Some(1024 * 1024));
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport));
    config
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("QUIC is TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
