//! A Redis under test, as the store's client sees it.

use std::time::Duration;

use bytes::Bytes;
use gamekeeper_room::{Checkpoint, Epoch, Schema, Tenancy, Tick};
use gamekeeper_store::{Options, Sealed, Store, StoreError, Taken, Verdict, Written, envelope};
use tokio::time::{Instant, sleep};

pub(crate) use super::process::{PASSWORD, PATIENCE, Server, until};

impl Server {
    pub(crate) fn store(&self) -> Store {
        Store::connect(&self.url(), patient()).unwrap()
    }
}

/// For machines that are busy with other tests.
pub(crate) fn patient() -> Options {
    Options { timeout: Duration::from_secs(5), ..Options::default() }
}

/// Writes until the store takes it.
pub(crate) async fn write_until_taken(store: &Store, tenancy: &Tenancy, tick: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = write(store, tenancy, tick).await;
        match outcome {
            Ok(Verdict::Mine(_)) => return,
            Err(error) if error.is_transient() => assert!(Instant::now() < deadline, "{error}"),
            other => panic!("{other:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// A room of its own for each test, on this epoch.
pub(crate) fn tenancy(uid: &str, epoch: i64) -> Tenancy {
    Tenancy { namespace: "games".into(), name: "duel".into(), uid: uid.into(), epoch: Epoch(epoch) }
}

pub(crate) fn sealed(tenancy: &Tenancy, tick: u64) -> Sealed {
    Sealed {
        uid: tenancy.uid.clone(),
        epoch: tenancy.epoch,
        build: "1.4".into(),
        captured_at: Duration::from_millis(1_764_000_000_123),
        checkpoint: Checkpoint {
            schema: Schema(1),
            tick: Tick(tick),
            epoch: tenancy.epoch,
            state: format!("tick {tick}").into(),
        },
    }
}

pub(crate) async fn write(
    store: &Store,
    tenancy: &Tenancy,
    tick: u64,
) -> Result<Verdict<Written>, StoreError> {
    let mut bytes = Vec::new();
    envelope::encode(&sealed(tenancy, tick), &mut bytes).unwrap();
    store.write(tenancy, Tick(tick), Bytes::from(bytes)).await
}

pub(crate) async fn take(store: &Store, tenancy: &Tenancy, fence: u64) -> Taken {
    match store.take(tenancy, Some(Duration::from_millis(fence))).await.unwrap() {
        Verdict::Mine(taken) => taken,
        other => panic!("{other:?}"),
    }
}
