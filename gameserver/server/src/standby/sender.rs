//! The other end: the connection to our own standby, kept up for as long as there is to be one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gamekeeper_client::{NoHash, SERVER_NAME, certificate_hash, pinned_tls};
use gamekeeper_control::Mirror;
use gamekeeper_room::Epoch;
use quinn::{
    ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, IdleTimeout, ReadExactError,
    TransportConfig, VarInt, WriteError,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::wire::{self, ALPN, NOT_WANTED, YES};

/// From the first packet until the token is accepted.
const REACHED_WITHIN: Duration = Duration::from_secs(2);

/// Between two attempts, at first and at most. The standby may hear of us a little later than we of it.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A standby of which nothing comes for so long is out of reach. It answers every copy.
const IDLE: Duration = Duration::from_secs(3);
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Bytes that were sent and not acknowledged: two of the largest copies.
const SEND_WINDOW: u64 = 8 * 1024 * 1024;

/// The way to the standby.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    connection: Connection,
}

/// What became of a copy that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The standby has it.
    Kept,
    /// It has no memory for it.
    Full,
}

/// Why a copy did not arrive, or why there is no way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a certificate's hash is none")]
    Hash(#[from] NoHash),
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    #[error("the address cannot be dialled")]
    Address(#[from] ConnectError),
    #[error("no answer within {} s", REACHED_WITHIN.as_secs())]
    Late,
    #[error("the connection is gone: {0}")]
    Gone(#[from] ConnectionError),
    #[error("a stream broke: {0}")]
    Write(#[from] WriteError),
    #[error("a stream broke: {0}")]
    Read(#[from] ReadExactError),
}

impl Line {
    /// Sends a copy, and waits until the standby has it.
    pub(crate) async fn send(self, envelope: Bytes) -> Result<Sent, Broken> {
        let (mut parcel, mut answer) = self.connection.open_bi().await?;
        let mut word = [0];
        let sent = async {
            parcel.write_all(&wire::before_copy()).await?;
            parcel.write_chunk(envelope).await?;
            let _ = parcel.finish();
            Ok::<_, WriteError>(())
        };
        match sent.await {
            // It does not read on: it has said why.
            Ok(()) | Err(WriteError::Stopped(_)) => answer.read_exact(&mut word).await?,
            Err(error) => return Err(error.into()),
        }
        Ok(if word == [YES] { Sent::Kept } else { Sent::Full })
    }

    /// Says that a room has ended. When it does not arrive, the standby forgets the room by itself.
    pub(crate) async fn end(self, uid: &str, epoch: Epoch) -> Result<(), Broken> {
        let (mut parcel, mut answer) = self.connection.open_bi().await?;
        parcel.write_chunk(wire::end(uid, epoch)).await?;
        let _ = parcel.finish();
        answer.read_exact(&mut [0]).await?;
        Ok(())
    }
}

/// Keeps up the connection that `orders` ask for, and says by `line` whether there is one.
pub(super) async fn run(
    endpoint: Endpoint,
    mut orders: watch::Receiver<Option<Mirror>>,
    line: watch::Sender<Option<Line>>,
    stop: CancellationToken,
) {
    let mut pause = PAUSE;
    // Told once, not with every attempt.
    let mut is_told = false;
    loop {
        let order = orders.borrow_and_update().clone();
        let Some(mirror) = order else {
            tokio::select! {
                changed = orders.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = stop.cancelled() => return,
            }
        };
        let attempt = async {
            let reached = timeout(REACHED_WITHIN, reach(&endpoint, &mirror)).await;
            let reached = reached.unwrap_or(Err(Broken::Late));
            let error = match reached {
                Ok(connection) => {
                    info!(standby = %mirror.address, "rooms are copied to the standby");
                    (pause, is_told) = (PAUSE, false);
                    line.send_replace(Some(Line { connection: connection.clone() }));
                    let _open = Open(connection.clone(), &line);
                    Broken::Gone(connection.closed().await)
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut is_told, true) {
                warn!(standby = %mirror.address, %error, "the standby is out of reach: rooms are in the store only");
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        tokio::select! {
            () = attempt => (),
            changed = orders.changed() => {
                (pause, is_told) = (PAUSE, false);
                if changed.is_err() {
                    return;
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

/// A connection that is in use; dropped, it is not.
struct Open<'a>(Connection, &'a watch::Sender<Option<Line>>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.1.send_replace(None);
        self.0.close(NOT_WANTED, b"");
    }
}

async fn reach(endpoint: &Endpoint, mirror: &Mirror) -> Result<Connection, Broken> {
    let Mirror { address, certificate_hashes, token } = mirror;
    let hashes = certificate_hashes.iter().map(|it| certificate_hash(it)).collect::<Result<Vec<_>, _>>()?;
    let mut config = ClientConfig::new(Arc::new(pinned_tls(&hashes, ALPN)?));
    config.transport_config(Arc::new(transport()));
    let address: SocketAddr = *address;
    let connection = endpoint.connect_with(config, address, SERVER_NAME)?.await?;
    let (mut stream, mut answer) = connection.open_bi().await?;
    stream.write_all(&token.0).await?;
    let _ = stream.finish();
    // A standby that does not want us closes the connection.
    answer.read_exact(&mut [0]).await?;
    Ok(connection)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(IDLE).expect("three seconds are less than 2^62 milliseconds");
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .send_window(SEND_WINDOW);
    transport
}
