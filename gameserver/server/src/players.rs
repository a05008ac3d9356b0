//! The players' transport: QUIC, one port for all rooms of the process.
//!
//! The protocol itself is `gamekeeper-player`'s, pure; here are sockets, certificates and tasks. One task
//! serves one connection. Threads that tick hand it what is to be shown, and never wait for it.

mod certificate;
mod fallbacks;
mod gate;
mod guest;
mod hold;
mod line;
mod seekers;
mod strangers;
mod transport;

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use quinn::{Endpoint, EndpointConfig, TokioRuntime, VarInt};
use time::OffsetDateTime;

use certificate::Certificate;
pub(crate) use fallbacks::merged;
pub(crate) use gate::{Gate, Hashes};
pub(crate) use guest::Host;
pub(crate) use hold::Hold;
pub(crate) use seekers::Seekers;
pub(crate) use strangers::OF_ONE_ADDRESS_MAX;

/// The server stops, or the room is not here any more: it may be elsewhere. Codes below are the protocol's own.
pub(crate) const CLOSED_BY_SERVER: VarInt = VarInt::from_u32(5);
/// The same player has come by another connection.
pub(crate) const REPLACED: VarInt = VarInt::from_u32(6);

/// Why players cannot come in.
#[derive(Debug, thiserror::Error)]
pub enum PlayersError {
    /// The port is taken, or not ours to have.
    #[error("cannot have the socket")]
    Socket(#[source] io::Error),
    /// There is no certificate without one.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// The certificate that was just made is not taken.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// Binds the players' port. To be called within a tokio runtime.
pub(crate) fn bind(address: SocketAddr, host: Host) -> Result<Gate, PlayersError> {
    let certificate = Certificate::make(OffsetDateTime::now_utc()).map_err(PlayersError::Certificate)?;
    let config = transport::config(&certificate, host.standby.is_some()).map_err(PlayersError::Tls)?;
    let socket = UdpSocket::bind(address).map_err(PlayersError::Socket)?;
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
        .map_err(PlayersError::Socket)?;
    let hashes = host.hashes.clone();
    hashes.set(vec![certificate.hash()]);
    Ok(Gate { endpoint, hashes, host })
}
