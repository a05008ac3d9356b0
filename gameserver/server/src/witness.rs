//! A witness for the operator: tries to reach another server, or a node, and says what came of it.

use std::{io, sync::Arc};

use gamekeeper_control::{Finding, Probe, ProbeResult, ToOperator};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};

use crate::outbox::Outbox;

/// Attempts at once, each with a socket. What is asked beyond gets no answer, which says nothing of anybody.
const ATTEMPTS_MAX: usize = 16;

/// Of one process.
#[derive(Clone, Debug)]
pub(crate) struct Witness(Arc<Semaphore>);

impl Witness {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ATTEMPTS_MAX)))
    }

    /// Tries, and tells whoever asked over this stream, unless it ends before.
    pub(crate) fn try_to_reach(&self, probe: Probe, outbox: &Outbox) {
        let Ok(slot) = self.0.clone().try_acquire_owned() else { return };
        let (outbox, Probe { id, address, timeout: patience }) = (outbox.clone(), probe);
        tokio::spawn(async move {
            let _slot = slot;
            let end = outbox.end().clone();
            tokio::select! {
                connected = timeout(patience, TcpStream::connect(address)) => {
                    let finding = connected.map_or(Finding::Silent, |it| finding(&it));
                    outbox.send(ToOperator::ProbeResult(ProbeResult { id, finding }));
                }
                () = end.finished.cancelled() => (),
            }
        });
    }
}

/// Only a kernel refuses. Whatever else goes wrong may be between the two.
fn finding(connected: &io::Result<TcpStream>) -> Finding {
    match connected {
        Ok(_) => Finding::Connected,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Finding::Refused,
        Err(_) => Finding::Silent,
    }
}
