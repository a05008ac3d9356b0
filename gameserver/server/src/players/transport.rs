//! QUIC as players may use it: every buffer and number has its limit.

use std::{sync::Arc, time::Duration};

use quinn::{
    AckFrequencyConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt, crypto::rustls::QuicServerConfig,
};
use rustls::crypto::ring;

use super::certificate::Certificate;
use crate::standby;

/// The players' protocol, and its version, in the handshake.
pub(crate) const ALPN: &[u8] = b"gamekeeper/1";

/// A player of whom nothing is heard for so long has left. Ours ask for a sign of life twenty times a
/// second when they hear nothing, others every second or so.
const IDLE: Duration = Duration::from_secs(10);

/// Players acknowledge our packets with what they send anyway, thirty times a second, and not with packets of
/// their own.
const ACK_AFTER: Duration = Duration::from_millis(100);
const ACK_AFTER_PACKETS: u32 = 8;

/// Bytes that a player may send on its stream ahead of us: a frame of the largest, and a half.
const RECEIVE_WINDOW: u32 = 8 * 1024;

/// Of one stream. A connection's own limit is what bounds a player; one that has shown a standby's token gets more.
const STREAM_RECEIVE_WINDOW: u32 = 1024 * 1024;

/// Bytes of ours on the stream that are not acknowledged: what a session keeps is as much again.
const SEND_WINDOW: u64 = 64 * 1024;

/// Datagrams that came in and were not read yet: a few ticks of inputs. Then the oldest is dropped.
const DATAGRAMS_IN: usize = 16 * 1024;

/// Snapshots that wait to be sent: on a path that is too slow the oldest is dropped, for it is worth nothing.
const DATAGRAMS_OUT: usize = 16 * 1024;

/// Handshakes that wait for us. More are dropped without an answer; clients try again.
const INCOMING_MAX: usize = 1024;

/// Bytes that come before a handshake is accepted: of one, and of all together.
const INCOMING_BYTES_MAX: u64 = 8 * 1024;
const INCOMING_BYTES_ALL_MAX: u64 = 1024 * 1024;

/// The endpoint's configuration with this certificate. `stands_by`: other servers may come, too.
pub(crate) fn config(certificate: &Certificate, stands_by: bool) -> Result<ServerConfig, rustls::Error> {
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der.clone()], certificate.key.clone_key())?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.alpn_protocols.extend(stands_by.then(|| standby::ALPN.to_vec()));
    // 0-RTT data could be replayed by anybody who saw it.
    tls.max_early_data_size = 0;
    let tls = QuicServerConfig::try_from(tls).map_err(|it| rustls::Error::General(it.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(Arc::new(transport()))
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_ALL_MAX);
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(IDLE).expect("ten seconds are less than 2^62 milliseconds");
    let mut acks = AckFrequencyConfig::default();
    acks.max_ack_delay(Some(ACK_AFTER)).ack_eliciting_threshold(VarInt::from_u32(ACK_AFTER_PACKETS));
    transport
        .ack_frequency_config(Some(acks))
        // One stream, opened by the client, whoever it is.
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(idle))
        .stream_receive_window(VarInt::from_u32(STREAM_RECEIVE_WINDOW))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(Some(DATAGRAMS_IN))
        .datagram_send_buffer_size(DATAGRAMS_OUT);
    transport
}
