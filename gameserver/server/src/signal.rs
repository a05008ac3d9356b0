//! SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled at the first SIGTERM or SIGINT, for [`Server::run`](crate::Server::run). To be called within a
/// tokio runtime.
pub fn stop_on_signal() -> io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    tokio::spawn({
        let token = token.clone();
        async move {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
                // Somebody else has stopped the server.
                () = token.cancelled() => (),
            }
            token.cancel();
        }
    });
    Ok(token)
}
