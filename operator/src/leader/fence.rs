//! Refuses the writes of a leader whose lease may have run out.
//!
//! A process that stood still (SIGSTOP, a slow disk, a live migration) does not know how long. So
//! the time is looked at when a request goes out, not when its task was woken.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use tokio::time::Instant;

/// Until when writes may go out.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<Mutex<Option<Validity>>>);

/// Of a lease.
#[derive(Clone, Copy, Debug)]
struct Validity {
    /// When the request that renewed it was sent.
    renewed: Instant,
    until: Instant,
}

/// A write came too late.
#[derive(Debug, thiserror::Error)]
#[error("the lease may have run out: this write is no longer ours to make")]
pub(super) struct LeaseRanOut;

impl Fence {
    /// Lets writes through for so long after the lease was renewed.
    pub fn open(&self, renewed: Instant, validity: Duration) {
        let until = renewed + validity;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Validity { renewed, until });
    }

    /// Lets no more writes through.
    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// When the last request that renewed the lease was sent: then we reached the API server, and were answered.
    pub fn renewed(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|it| it.renewed)
    }

    fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|it| Instant::now() < it.until)
    }
}

/// `client`, but with its writes behind `fence`.
pub fn fenced(client: &Client, fence: &Fence) -> Client {
    let (inner, fence) = (client.clone(), fence.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, fence) = (inner.clone(), fence.clone());
        async move {
            let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
            if !is_read && !fence.is_open() {
                return Err(kube::Error::Service(Box::new(LeaseRanOut)));
            }
            let response: Response<Body> = client.send(request).await?;
            Ok(response)
        }
    });
    Client::new(service, client.default_namespace())
}
