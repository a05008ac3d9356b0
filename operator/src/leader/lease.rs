//! The election against a real `Lease`: asks, claims, renews, gives up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::{
    Fence, Timing,
    election::{Sightings, claim, next_term},
};
use crate::{clock::Clock, terms};

/// How long one attempt may take: all rooms and servers are listed in it. Longer than the lease is
/// safe: whoever takes it meanwhile wins by compare-and-set.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// A candidate for the lead.
#[derive(Clone)]
pub struct Elector {
    /// Reaches the Lease and what epochs are found in.
    pub client: Client,
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// New for every process, since a container may restart in its pod.
    pub identity: String,
    /// The namespaces that this operator works in; empty for all.
    pub watch_namespaces: Vec<String>,
    /// The election's times.
    pub timing: Timing,
    /// For the time stamps that people read in the Lease.
    pub clock: Clock,
    /// Opened while we lead.
    pub fence: Fence,
    /// The latest term that a server has named to this process.
    pub heard_term: Arc<AtomicU32>,
}

/// Proof of having been elected. Renews until it is dropped or released.
pub struct Leadership {
    /// The number of this leadership; higher than every earlier one.
    pub term: u32,
    /// Cancelled when the lead is lost.
    pub lost: CancellationToken,
    renewal: JoinHandle<()>,
    stop: DropGuard,
}

impl Elector {
    /// Waits until this process leads.
    pub async fn lead(&self) -> Leadership {
        let mut sightings = Sightings::default();
        let (held, term, started) = loop {
            match timeout(ACQUIRE_TIMEOUT, self.try_acquire(&mut sightings)).await {
                Ok(Ok(Some(acquired))) => break acquired,
                Ok(Ok(None)) => (),
                Ok(Err(error)) => warn!(%error, "failed to read or take the lease"),
                Err(_) => warn!("reading or taking the lease took too long"),
            }
            sleep(self.timing.renew).await;
        };
        info!(identity = self.identity, term, "leading");
        self.fence.open(started, self.timing.validity());
        let lost = CancellationToken::new();
        let stop = CancellationToken::new();
        let renewal = tokio::spawn(self.clone().renew(held, term, started, lost.clone(), stop.clone()));
        Leadership { term, lost, renewal, stop: stop.drop_guard() }
    }

    /// One look at the lease. With the lease come the term and the time at which the claim was sent.
    async fn try_acquire(&self, sightings: &mut Sightings) -> kube::Result<Option<(Lease, u32, Instant)>> {
        let lease = self.leases().get_opt(&self.name).await?;
        if !sightings.is_free(lease.as_ref(), &self.identity, &self.timing, Instant::now()) {
            return Ok(None);
        }
        let named = terms::highest(&self.client, &self.watch_namespaces).await?;
        let heard = self.heard_term.load(Ordering::Relaxed);
        let term = next_term(lease.as_ref(), named, heard);
        let started = Instant::now();
        let claim = claim(&self.name, lease.as_ref(), &self.identity, term, &self.timing, self.clock.now());
        let written = match lease {
            Some(_) => self.leases().replace(&self.name, &PostParams::default(), &claim).await,
            None => self.leases().create(&PostParams::default(), &claim).await,
        };
        Ok(unless_conflict(written)?.map(|lease| (lease, term, started)))
    }

    async fn renew(
        self,
        mut held: Lease,
        term: u32,
        mut renewed: Instant,
        lost: CancellationToken,
        stop: CancellationToken,
    ) {
        let _lost = lost.drop_guard();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.release(&held).await,
                () = tokio::time::sleep_until(renewed + self.timing.renew) => (),
            }
            let started = Instant::now();
            // Until writes are no longer let through; a process that stood still is late already.
            let deadline = renewed + self.timing.validity();
            let attempt = tokio::time::timeout_at(deadline, self.renew_once(&held, term));
            held = tokio::select! {
                () = stop.cancelled() => return self.release(&held).await,
                renewed = attempt => match renewed {
                    Ok(Some(lease)) => lease,
                    Ok(None) => break warn!(term, "another process took the lease, or it was deleted"),
                    Err(_) => break warn!(term, "failed to renew the lease in time"),
                },
            };
            renewed = started;
            self.fence.open(renewed, self.timing.validity());
        }
        self.fence.close();
    }

    /// Renews, trying again on every error but a conflict.
    async fn renew_once(&self, held: &Lease, term: u32) -> Option<Lease> {
        loop {
            let claim = claim(&self.name, Some(held), &self.identity, term, &self.timing, self.clock.now());
            let written = self.leases().replace(&self.name, &PostParams::default(), &claim).await;
            match unless_conflict(written) {
                Ok(renewed) => return renewed,
                Err(kube::Error::Api(status)) if status.is_not_found() => return None,
                Err(error) => warn!(%error, "failed to renew the lease"),
            }
            sleep(self.timing.renew / 4).await;
        }
    }

    /// Gives the lease up, so that the next leader need not wait for it to run out.
    async fn release(&self, held: &Lease) {
        self.fence.close();
        let mut free = held.clone();
        if let Some(spec) = &mut free.spec {
            spec.holder_identity = None;
        }
        let (leases, params) = (self.leases(), PostParams::default());
        let written = leases.replace(&self.name, &params, &free);
        match timeout(self.timing.deadline, written).await {
            Ok(Ok(_)) => info!("gave up the lease"),
            Ok(Err(error)) => warn!(%error, "failed to give up the lease"),
            Err(_) => warn!("giving up the lease took too long"),
        }
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

impl Leadership {
    /// Steps down and waits until the lease is free.
    pub async fn release(self) {
        let Self { renewal, stop, term: _, lost: _ } = self;
        drop(stop);
        if let Err(error) = renewal.await {
            warn!(%error, "the renewal failed");
        }
    }
}

/// Somebody else was faster: no error, but no lease either.
fn unless_conflict(result: kube::Result<Lease>) -> kube::Result<Option<Lease>> {
    match result {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
        Err(error) => Err(error),
    }
}
