//! Servers are known by the hash of their certificate, which the room's status tells: there is no authority.

use std::sync::Arc;

use gamekeeper_player::limits;
use quinn::{
    AckFrequencyConfig, ClientConfig, IdleTimeout, TransportConfig, VarInt, crypto::rustls::QuicClientConfig,
};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The players' protocol, and its version, in the handshake.
const ALPN: &[u8] = b"gamekeeper/1";

/// What is sent to servers as the name they go by. They have none.
pub const SERVER_NAME: &str = "gamekeeper.invalid";

/// Of whom nothing is heard for so long is lost for certain. Long before that the session suspects it and looks
/// elsewhere.
const IDLE: Duration = Duration::from_secs(3);

/// Until a round trip is measured. Half of what QUIC assumes is still enough for half the world, and a lost first
/// packet is sent again while the attempt lasts.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);

/// The server acknowledges our packets with the snapshots that it sends anyway, not with packets of their own.
const ACK_AFTER_PACKETS: u32 = 8;

/// Datagrams that came and were not read yet.
const DATAGRAMS_IN: usize = 256 * 1024;

/// Inputs that wait to be sent: the newest has all that count.
const DATAGRAMS_OUT: usize = 8 * 1024;

/// The SHA-256 of a whole certificate.
pub type CertificateHash = [u8; 32];

/// Why a text is no hash of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a certificate's hash is `sha256:` and 64 hexadecimal digits")]
pub struct NoHash;

/// Reads a hash as a room's `status.certificateHashes` has it.
pub fn certificate_hash(text: &str) -> Result<CertificateHash, NoHash> {
    let digits = text.strip_prefix("sha256:").filter(|it| it.len() == 64 && it.is_ascii()).ok_or(NoHash)?;
    let mut hash = CertificateHash::default();
    for (index, byte) in hash.iter_mut().enumerate() {
        let pair = digits.get(2 * index..2 * index + 2).ok_or(NoHash)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| NoHash)?;
    }
    Ok(hash)
}

/// The certificate by which the server of a connection is known.
pub(crate) fn shown_by(connection: &quinn::Connection) -> Option<CertificateHash> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    Some(Sha256::digest(chain.first()?).into())
}

/// TLS with a server that has one of these certificates, for this protocol. For whoever talks to game servers otherwise
/// than as a player.
pub fn pinned_tls(hashes: &[CertificateHash], protocol: &[u8]) -> Result<QuicClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Pinned { hashes: hashes.to_vec(), provider: provider.clone() };
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    QuicClientConfig::try_from(tls).map_err(|it| rustls::Error::General(it.to_string()))
}

/// A connection to a server with one of these certificates.
pub(crate) fn config(hashes: &[CertificateHash]) -> Result<ClientConfig, rustls::Error> {
    let tls = pinned_tls(hashes, ALPN)?;
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(IDLE).expect("three seconds are less than 2^62 milliseconds");
    let mut acks = AckFrequencyConfig::default();
    acks.max_ack_delay(Some(limits::ACKNOWLEDGED_AFTER))
        .ack_eliciting_threshold(VarInt::from_u32(ACK_AFTER_PACKETS));
    transport
        .ack_frequency_config(Some(acks))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(limits::KEEP_ALIVE))
        .initial_rtt(INITIAL_ROUND_TRIP)
        .datagram_receive_buffer_size(Some(DATAGRAMS_IN))
        .datagram_send_buffer_size(DATAGRAMS_OUT);
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Accepts the certificates with these hashes, whatever is in them, and nobody else's.
#[derive(Debug)]
struct Pinned {
    hashes: Vec<CertificateHash>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let hash: CertificateHash = Sha256::digest(certificate).into();
        match self.hashes.contains(&hash) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::General(
                "the server is another one: its certificate is not known".to_owned(),
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC is TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // That it has the certificate's key is what makes it the server.
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_the_status_tells_it() {
        let digits = "0123456789abcdef".repeat(4);
        let hash = certificate_hash(&format!("sha256:{digits}")).unwrap();
        assert_eq!((hash[0], hash[31]), (0x01, 0xef));
        for wrong in [
            "",
            "sha256:",
            &digits,
            "sha256:00",
            &format!("sha256:{}g", &digits[1..]),
            &format!("sha1:{digits}"),
        ] {
            assert_eq!(certificate_hash(wrong), Err(NoHash), "{wrong}");
        }
    }
}
