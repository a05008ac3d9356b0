//! One connection: a task that makes it, and moves the bytes of its stream.

use std::{io, net::SocketAddr, time::Duration};

use gamekeeper_player::{
    frame::Endpoint,
    session::{CLOSED, REPLACED, client::LinkId},
};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::{
    net::lookup_host,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::pinned::{self, CertificateHash, SERVER_NAME};

/// Bytes that are read from a stream at once.
const CHUNK: usize = 4096;

/// Pieces on their way to the stream. A session holds back more than a few.
const PIECES_MAX: usize = 16;

/// What was given to a link that is not needed any more arrives within this time, or not at all.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// News that wait for the player.
pub(crate) const NEWS_MAX: usize = 64;

/// What a link has to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// It is there; by which certificate, if the server has shown one.
    Connected(LinkId, Connection, Option<CertificateHash>, mpsc::Sender<Vec<u8>>),
    /// Bytes came on its stream.
    Bytes(LinkId, Vec<u8>),
    /// It is no more, or was not made.
    Lost(LinkId),
    /// Its server has closed it for another one of the same player.
    Replaced(LinkId),
}

/// A link, seen by its player.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) connection: Option<Connection>,
    /// Where bytes for the stream go.
    pub(crate) stream: Option<mpsc::Sender<Vec<u8>>>,
    /// Whether the room was played over it.
    pub(crate) has_joined: bool,
    /// Packets that were heard on it.
    packets: u64,
    task: AbortHandle,
}

/// Why a link is not made.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no certificate is known by which to know the server")]
    NoHashes,
    #[error("the address cannot be looked up")]
    Lookup(#[source] io::Error),
    #[error("the address does not exist")]
    NoAddress,
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

impl Link {
    /// Begins to connect.
    pub(crate) fn begin(
        id: LinkId,
        to: Endpoint,
        hashes: Vec<CertificateHash>,
        by: quinn::Endpoint,
        news: mpsc::Sender<News>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let task = tasks.spawn(async move {
            let mut last = News::Lost(id);
            if let Ok((connection, send, recv)) = connect(&to, &hashes, &by).await {
                let (stream, pieces) = mpsc::channel(PIECES_MAX);
                let connected =
                    News::Connected(id, connection.clone(), pinned::shown_by(&connection), stream);
                if news.send(connected).await.is_ok() {
                    move_bytes(id, send, recv, pieces, &news).await;
                }
                if is_replaced(&connection) {
                    last = News::Replaced(id);
                }
            }
            // A player who is gone does not care.
            let _ = news.send(last).await;
        });
        Self { id, connection: None, stream: None, has_joined: false, packets: 0, task }
    }

    /// The round trip, if anything came since this was asked last.
    pub(crate) fn heard(&mut self) -> Option<Duration> {
        let stats = self.connection.as_ref()?.stats();
        let before = std::mem::replace(&mut self.packets, stats.udp_rx.datagrams);
        (before != self.packets).then_some(stats.path.rtt)
    }

    /// Ends the connection. What was given to the stream of one that was in use is still written.
    pub(crate) fn close(self) {
        match self.connection {
            // The end of the queue ends the stream, and then the task; the connection is closed with its last handle.
            Some(_) if self.has_joined => (),
            // An attempt that is not needed must not get a seat any more.
            Some(connection) => connection.close(VarInt::from_u32(CLOSED), b""),
            None => self.task.abort(),
        }
    }
}

fn is_replaced(connection: &Connection) -> bool {
    let code = VarInt::from_u32(REPLACED);
    matches!(connection.close_reason(), Some(ConnectionError::ApplicationClosed(it)) if it.error_code == code)
}

async fn connect(
    to: &Endpoint,
    hashes: &[CertificateHash],
    by: &quinn::Endpoint,
) -> Result<(Connection, SendStream, RecvStream), Error> {
    if hashes.is_empty() {
        return Err(Error::NoHashes);
    }
    let mut found = lookup_host((to.address.as_str(), to.port)).await.map_err(Error::Lookup)?;
    let is_v6 = by.local_addr().is_ok_and(|it| it.is_ipv6());
    let address = found.next().ok_or(Error::NoAddress)?;
    let address = match address {
        // A socket of IPv6 reaches IPv4 by mapped addresses.
        SocketAddr::V4(it) if is_v6 => SocketAddr::from((it.ip().to_ipv6_mapped(), it.port())),
        it => it,
    };
    let connection = by.connect_with(pinned::config(hashes)?, address, SERVER_NAME)?.await?;
    let (send, recv) = connection.open_bi().await?;
    Ok((connection, send, recv))
}

/// Until the server closes the stream, or the connection is lost. What came before that is told first: whoever
/// looked at the connection alone could miss the last words, such as how a match has ended.
async fn move_bytes(
    id: LinkId,
    mut send: SendStream,
    mut recv: RecvStream,
    mut pieces: mpsc::Receiver<Vec<u8>>,
    news: &mpsc::Sender<News>,
) {
    let write = async {
        while let Some(piece) = pieces.recv().await {
            if send.write_all(&piece).await.is_err() {
                // What the server said before it stopped reading is still read.
                std::future::pending::<()>().await;
            }
        }
        // The player does without this link; a server that does not know would show it the room for ever.
        if send.finish().is_ok() {
            let _ = timeout(LAST_WORDS, send.stopped()).await;
        }
    };
    let read = async {
        while let Ok(Some(chunk)) = recv.read_chunk(CHUNK, true).await {
            if news.send(News::Bytes(id, chunk.bytes.to_vec())).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = write => (),
        () = read => (),
    }
}
