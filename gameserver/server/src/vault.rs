//! The store, as this process uses it: one task for each room that runs, and one for each that is restored.

mod keeper;
mod mirroring;
mod restorer;

use std::{sync::Arc, time::Duration};

use gamekeeper_store::{Options, Store, checkpointer::Pace};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::{
    clock::Clock,
    custody::Custody,
    desk::Note,
    opener::Openers,
    place::Place,
    saved::Saved,
    standby::Standby,
    state::{State, StateError},
};
use keeper::Keeper;
pub(crate) use restorer::{Found, Lost};

/// Rooms that are taken from the store at once. Hundreds may be lost in one moment; more at once would only wait for each
/// other within the time of a call.
const RESTORES_MAX: usize = 32;

/// The longest time of one call. Redis on the same network answers within a millisecond.
const CALL_MAX: Duration = Duration::from_millis(500);

/// The way to the store. A copy is another handle to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Vault {
    store: Arc<Store>,
    pace: Pace,
    clock: Clock,
    turns: Arc<Semaphore>,
    /// Where copies are.
    standby: Option<Standby>,
    /// What is still to be said to the store when the server stops is waited for.
    tasks: TaskTracker,
}

impl Vault {
    /// Connects by and by.
    pub(crate) fn new(state: State, clock: Clock, standby: Option<Standby>) -> Result<Self, StateError> {
        let State { url, checkpoint_interval: interval, fence_after } = state;
        if fence_after < interval.saturating_mul(2) {
            return Err(StateError::Times { interval, fence: fence_after });
        }
        // Well below the fence: a call that takes as long would freeze the room.
        let options = Options { timeout: CALL_MAX.min(fence_after / 2), ..Options::default() };
        let store = Arc::new(Store::connect(&url, options).map_err(StateError::Url)?);
        tokio::spawn(approach(store.clone()));
        let (turns, tasks) = (Arc::new(Semaphore::new(RESTORES_MAX)), TaskTracker::new());
        let pace = Pace { interval, fence_after };
        Ok(Self { store, pace, clock, turns, standby, tasks })
    }

    /// For a room that the store gave us at this time, or that begins.
    pub(crate) fn custody(&self, since: Duration) -> Custody {
        Custody::new(self.pace.fence_after, since)
    }

    /// Keeps a room in the store for as long as it runs. What is saved of it comes in by the sender.
    pub(crate) fn keep(
        &self,
        place: Arc<Place>,
        since: Duration,
        notes: mpsc::Sender<Note>,
    ) -> mpsc::Sender<Saved> {
        // One: what is not written yet is replaced by what comes next.
        let (sender, saved) = mpsc::channel(1);
        let line = self.standby.as_ref().map(Standby::line);
        let keeper = Keeper::new(self.store.clone(), self.pace, self.clock, place, since, notes, line);
        self.tasks.spawn(keeper.run(saved));
        sender
    }

    /// Gets a lost room from the store and has it made.
    pub(crate) fn restore(&self, lost: Lost, openers: Openers, notes: mpsc::Sender<Note>) {
        let (vault, lost) = (self.clone(), lost);
        self.tasks.spawn(async move { vault.fetch(lost, openers, notes).await });
    }

    /// Waits until the store was told all that there is.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Gets the connection before it is needed: where a room is to be had because a node is lost, the store's name may not be found any
/// more, since the one who knew it was there, too.
async fn approach(store: Arc<Store>) {
    let mut is_told = false;
    while let Err(error) = store.approach().await {
        if !std::mem::replace(&mut is_told, true) {
            warn!(%error, "the store is not reached yet");
        }
    }
    info!("the store is reached");
}
