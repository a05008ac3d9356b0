//! How the operator reaches a server's control port. The one place where TLS will be switched on.

use std::{io, net::SocketAddr, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A connection to a server.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

type Dial = dyn Fn(SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> + Send + Sync;

/// Connects to servers.
#[derive(Clone)]
pub struct Connector(Arc<Dial>);

impl Connector {
    /// Over TCP, in clear.
    pub fn tcp() -> Self {
        Self::new(|address| {
            async move {
                let stream = TcpStream::connect(address).await?;
                // Commands are small and must not wait for more.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream) as Box<dyn Connection>)
            }
            .boxed()
        })
    }

    /// By whatever `dial` returns.
    pub fn new(
        dial: impl Fn(SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(dial))
    }

    /// Whether somebody takes a connection at `address`.
    pub async fn reach(&self, address: SocketAddr) -> io::Result<()> {
        self.connect(address).await.map(drop)
    }

    /// A connection to `address`.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Connection>> {
        (self.0)(address).await
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}
