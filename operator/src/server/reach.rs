//! Tries to reach servers and nodes: who answers is there, whatever else is the matter with it.

use std::{io, net::SocketAddr, sync::Arc};

use gamekeeper_control::Finding;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    connector::Connector,
    suspicion::{ASK_EVERY, Whom},
};

/// Attempts at once: each holds a socket, for a quarter of a second at most.
const ATTEMPTS_MAX: usize = 64;

/// Findings that wait for the operator's main loop. When it is full, attempts slow down.
const FOUND_MAX: usize = 1024;

/// What came of an attempt.
#[derive(Debug)]
pub struct Found {
    pub whom: Whom,
    pub finding: Finding,
    /// When it began.
    pub asked: Instant,
}

/// Tries to reach whoever it is told to.
pub struct Scout {
    connector: Connector,
    tasks: JoinSet<()>,
    slots: Arc<Semaphore>,
    found: mpsc::Sender<Found>,
}

impl Scout {
    /// One that has tried nothing yet, and where its findings come out.
    pub fn new(connector: Connector) -> (Self, mpsc::Receiver<Found>) {
        let (found, receiver) = mpsc::channel(FOUND_MAX);
        let slots = Arc::new(Semaphore::new(ATTEMPTS_MAX));
        (Self { connector, tasks: JoinSet::new(), slots, found }, receiver)
    }

    /// Tries to reach `whom` at `address`. Whoever has none is silent.
    pub fn reach(&mut self, whom: Whom, address: Option<SocketAddr>) {
        while self.tasks.try_join_next().is_some() {}
        let (connector, slots, found) = (self.connector.clone(), self.slots.clone(), self.found.clone());
        self.tasks.spawn(async move {
            let Ok(_slot) = slots.acquire().await else { return };
            let asked = Instant::now();
            let finding = match address {
                Some(address) => match timeout(ASK_EVERY, connector.reach(address)).await {
                    Ok(reached) => finding(&reached),
                    Err(_) => Finding::Silent,
                },
                None => Finding::Silent,
            };
            // The main loop ends only together with us.
            let _ = found.send(Found { whom, finding, asked }).await;
        });
    }
}

/// What an attempt to connect says of its target. Only a refusal is an answer of a kernel; whatever else goes wrong
/// may be between us.
pub(super) fn finding<T>(connected: &io::Result<T>) -> Finding {
    match connected {
        Ok(_) => Finding::Connected,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Finding::Refused,
        Err(_) => Finding::Silent,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use tokio::net::TcpListener;

    use super::*;

    async fn reached(connector: Connector, address: Option<SocketAddr>) -> Finding {
        let (mut scout, mut found) = Scout::new(connector);
        scout.reach(Whom::Node("node-1".into()), address);
        found.recv().await.unwrap().finding
    }

    #[tokio::test]
    async fn i6_a_kernel_tells_whether_somebody_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts: a process that hangs is reached all the same.
        assert_eq!(reached(Connector::tcp(), Some(address)).await, Finding::Connected);
        drop(listener);
        assert_eq!(reached(Connector::tcp(), Some(address)).await, Finding::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn i6_whoever_does_not_answer_is_silent_and_not_refused() {
        use futures::FutureExt as _;
        let address = Some(SocketAddr::from(([198, 18, 0, 1], 9600)));
        let deaf = Connector::new(|_| std::future::pending().boxed());
        let began = Instant::now();
        assert_eq!(reached(deaf, address).await, Finding::Silent);
        assert!(began.elapsed() <= ASK_EVERY + Duration::from_millis(1));
        let unreachable =
            Connector::new(|_| async { Err(io::Error::from(io::ErrorKind::HostUnreachable)) }.boxed());
        assert_eq!(reached(unreachable, address).await, Finding::Silent);
        assert_eq!(reached(Connector::tcp(), None).await, Finding::Silent);
    }
}
