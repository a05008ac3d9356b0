//! Counts that somebody keeps up to date and others wait for.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// The latest count.
#[derive(Clone)]
pub(super) struct Counts<T>(watch::Receiver<T>);

impl<T: Copy + Debug + Default> Counts<T> {
    /// Of who keeps them: what is sent there is the latest.
    pub(super) fn new() -> (watch::Sender<T>, Self) {
        let (sender, receiver) = watch::channel(T::default());
        (sender, Self(receiver))
    }

    pub(super) fn latest(&self) -> T {
        *self.0.borrow()
    }

    /// Waits until the count is as wanted, and tells when it was.
    pub(super) async fn until(
        &self,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(T) -> bool,
    ) -> Result<Instant> {
        let mut counts = self.0.clone();
        match timeout(deadline, counts.wait_for(|count| is_so(*count))).await {
            Ok(Ok(_)) => Ok(Instant::now()),
            Ok(Err(_)) => bail!("nobody counts any more"),
            Err(_) => bail!("waited {deadline:?} in vain for {what}: there are {:?}", self.latest()),
        }
    }
}
