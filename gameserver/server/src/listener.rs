//! Where operators come in: the one place where the control port's listener and its connections are made.
//!
//! Mutual TLS will be here, around the stream of a [`Line`], and the rest of the server will not notice.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;
use tracing::{debug, warn};

/// Connections at once. An operator needs one, its successor another, and witnesses come and go; whoever
/// else comes must not fill the process with them. The oldest one without the operator that counts is cut.
const CONNECTIONS_MAX: usize = 32;

/// After a failed `accept`, as when there are no file descriptors: at once, it would fail again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the control port.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Takes connections until `stop` is cancelled or nobody wants them any more.
pub(crate) async fn accept(listener: TcpListener, lines: mpsc::Sender<Line>, stop: CancellationToken) {
    let open = Arc::<Mutex<Vec<LineInfo>>>::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                debug!(%peer, "somebody connected to the control port");
                if lines.send(Line::new(stream, &open)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection on the control port");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection that can be cut from our side, whatever the other one does.
pub(crate) struct Line {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    info: LineInfo,
    open: Arc<Mutex<Vec<LineInfo>>>,
}

/// What the calls of a connection know of it.
#[derive(Clone, Debug)]
pub(crate) struct LineInfo {
    cut: CancellationToken,
    /// The stream that counts comes over it.
    is_kept: Arc<AtomicBool>,
}

impl LineInfo {
    /// Ends the connection at once.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// Whether it is cut last when there are too many.
    pub(crate) fn keep(&self, is_kept: bool) {
        self.is_kept.store(is_kept, Ordering::Relaxed);
    }
}

impl Line {
    fn new(stream: TcpStream, open: &Arc<Mutex<Vec<LineInfo>>>) -> Self {
        // Beats are small, and must not wait for company.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "cannot set TCP_NODELAY");
        }
        let info = LineInfo { cut: CancellationToken::new(), is_kept: Arc::default() };
        let mut lines = open.lock().unwrap_or_else(PoisonError::into_inner);
        if CONNECTIONS_MAX <= lines.len()
            && let Some(oldest) = lines.iter().position(|it| !it.is_kept.load(Ordering::Relaxed))
        {
            debug!("too many connections to the control port: the oldest is cut");
            lines.remove(oldest).cut();
        }
        lines.push(info.clone());
        Self { stream, cut: Box::pin(info.cut.clone().cancelled_owned()), info, open: open.clone() }
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Tells who waits for it, and finds its entry: cancelled are only this one and those that are gone.
        self.info.cut();
        let mut lines = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|it| !it.cut.is_cancelled());
    }
}

impl Connected for Line {
    type ConnectInfo = LineInfo;

    fn connect_info(&self) -> LineInfo {
        self.info.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
