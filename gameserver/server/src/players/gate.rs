//! Where players come in: takes connections, as far as strangers' budgets allow, and renews the certificate.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use quinn::{Endpoint, Incoming};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info};

use super::{
    certificate::{self, Certificate},
    guest::{self, Host},
    strangers::{Answer, Strangers},
    transport,
};

/// How old a certificate is when the next one is made and told.
const NEXT_AFTER: Duration = Duration::from_hours(11 * 24);

/// How long both are told before the next one is used: by then whoever was told of the first has come, or asks
/// again. The rest of a certificate's life is for those who come late.
const OVERLAP: Duration = Duration::from_hours(24);

const _: () = assert!(NEXT_AFTER.as_secs() + OVERLAP.as_secs() < certificate::LIFETIME.as_secs());

/// How long connections may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// The hashes of the certificates that players may meet now. A copy is another handle to the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashes(Arc<RwLock<Vec<String>>>);

impl Hashes {
    /// As the room's status tells them.
    pub(crate) fn get(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, hashes: Vec<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = hashes;
    }
}

/// The gate, bound.
pub(crate) struct Gate {
    pub(super) endpoint: Endpoint,
    pub(super) hashes: Hashes,
    pub(super) host: Host,
}

impl Gate {
    /// Where it is.
    pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
        self.endpoint.local_addr().ok()
    }

    /// Another handle to the same port.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Lets players in until `stop` is cancelled. `renewed` is called when other certificates are to be told.
    pub(crate) async fn run(self, stop: CancellationToken, renewed: impl Fn()) {
        let Self { endpoint, hashes, host } = self;
        let (strangers, tasks, host) = (Strangers::new(host.per_address), TaskTracker::new(), Arc::new(host));
        let mut next: Option<Certificate> = None;
        let mut due = Instant::now() + NEXT_AFTER;
        loop {
            tokio::select! {
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => let_in(incoming, &strangers, &host, &tasks, &stop),
                    None => break,
                },
                () = sleep_until(due) => {
                    let pause = renew(&endpoint, &hashes, &mut next, host.standby.is_some());
                    renewed();
                    due = Instant::now() + pause;
                }
                () = stop.cancelled() => break,
            }
        }
        tasks.close();
        let _ = tokio::time::timeout(FAREWELL, tasks.wait()).await;
        endpoint.close(super::CLOSED_BY_SERVER, b"the server stops");
        let _ = tokio::time::timeout(FAREWELL, endpoint.wait_idle()).await;
    }
}

fn let_in(
    incoming: Incoming,
    strangers: &Strangers,
    host: &Arc<Host>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    match strangers.ask(incoming.remote_address().ip(), incoming.remote_address_validated()) {
        Answer::Come(pass) => {
            tasks.spawn(guest::serve(incoming, pass, host.clone(), stop.clone()));
        }
        Answer::Prove => {
            // It holds no state here: all that we need to know comes back with the token.
            if let Err(error) = incoming.retry() {
                debug!(%error, "cannot ask for a proof of address");
            }
        }
        Answer::Refuse => incoming.refuse(),
    }
}

/// Makes the next certificate and tells it, or begins to use it. Returns how long until the next step.
fn renew(endpoint: &Endpoint, hashes: &Hashes, next: &mut Option<Certificate>, stands_by: bool) -> Duration {
    match next.take() {
        None => match Certificate::make(OffsetDateTime::now_utc()) {
            Ok(certificate) => {
                info!(hash = certificate.hash(), "the next certificate is made");
                let both = hashes.get().into_iter().chain([certificate.hash()]).collect();
                hashes.set(both);
                *next = Some(certificate);
                OVERLAP
            }
            Err(error) => {
                error!(%error, "cannot make the next certificate");
                Duration::from_hours(1)
            }
        },
        Some(certificate) => match transport::config(&certificate, stands_by) {
            Ok(config) => {
                info!(hash = certificate.hash(), "the next certificate is used from now on");
                endpoint.set_server_config(Some(config));
                hashes.set(vec![certificate.hash()]);
                NEXT_AFTER
            }
            Err(error) => {
                error!(%error, "cannot use the next certificate");
                *next = Some(certificate);
                Duration::from_hours(1)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use gamekeeper_player::admission::Admission;
    use tokio::time::sleep;

    use super::*;
    use crate::{clock::Clock, players, rooms::Rooms};

    #[tokio::test(start_paused = true)]
    async fn the_next_certificate_is_told_a_day_before_it_is_used() {
        let hashes = Hashes::default();
        let host = Host {
            rooms: Rooms::default(),
            admission: Admission::Open,
            clock: Clock::start(),
            tick_rate: 30.try_into().unwrap(),
            hashes: hashes.clone(),
            per_address: 1,
            hold: players::Hold::for_at_most(Duration::ZERO, players::Seekers::default()),
            standby: None,
        };
        let gate = players::bind((Ipv4Addr::LOCALHOST, 0).into(), host).unwrap();
        let (stop, renewed) = (CancellationToken::new(), Arc::<AtomicUsize>::default());
        let count = renewed.clone();
        let running = tokio::spawn(gate.run(stop.clone(), move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let first = hashes.get();
        sleep(NEXT_AFTER + Duration::from_mins(1)).await;
        let both = hashes.get();
        assert_eq!((first.len(), both.len()), (1, 2));
        assert_eq!(both.first(), first.first());
        sleep(OVERLAP).await;
        assert_eq!(hashes.get(), both[1..]);
        assert_eq!(renewed.load(Ordering::Relaxed), 2);
        stop.cancel();
        running.await.unwrap();
    }
}
