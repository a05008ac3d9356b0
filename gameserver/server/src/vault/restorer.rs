//! How a room that another server has lost is got from the store.

use std::{sync::Arc, time::Duration};

use gamekeeper_control::proto;
use gamekeeper_room::{
    Ending, Epoch, Setup, Tenancy,
    host::{NotMade, Restore, RoomNumber},
    shortened,
};
use gamekeeper_store::{StoreError, Taken, Verdict};
use prost::Message as _;
use tokio::{sync::mpsc, time::sleep};
use tracing::{info, warn};

use super::Vault;
use crate::{
    desk::Note,
    opener::{Openers, Wish},
};

/// How long the store is asked again when it does not answer. Less than the operator waits for the answer to its Open; it
/// asks again by itself.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// The fence's time comes in whole milliseconds, rounded by the store.
const ROUNDING: Duration = Duration::from_millis(2);

/// A room to be restored.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) room: RoomNumber,
    pub(crate) setup: Setup,
    pub(crate) epoch: Epoch,
    pub(crate) restore: Restore,
}

/// What the store had of a room.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) taken: Taken,
    pub(crate) lost_epoch: Option<Epoch>,
    /// When it was asked for: from then on it is ours.
    pub(crate) since: Duration,
    /// The owner before may tick until then.
    pub(crate) not_before: Duration,
}

impl Vault {
    pub(super) async fn fetch(self, lost: Lost, openers: Openers, notes: mpsc::Sender<Note>) {
        let _turn = self.turns.acquire().await;
        let Lost { room, setup, epoch, restore } = lost;
        let (namespace, name, uid) = (setup.namespace.clone(), setup.name.clone(), setup.uid.clone());
        let tenancy = Tenancy { namespace, name, uid, epoch };
        match self.take(&tenancy, restore.fence).await {
            Ok((taken, since)) => {
                let not_before = match taken.wait {
                    Duration::ZERO => Duration::ZERO,
                    wait => self.clock.now().saturating_add(wait + ROUNDING),
                };
                info!(
                    room = tenancy.name,
                    namespace = tenancy.namespace,
                    epoch = epoch.0,
                    wait_ms = taken.wait.as_millis(),
                    idle_ms = taken.idle.as_millis(),
                    has_checkpoint = taken.checkpoint.is_some(),
                    "taken"
                );
                let found = Found { taken, lost_epoch: restore.lost_epoch, since, not_before };
                openers.make(Wish { room, setup, epoch, found: Some(found) });
            }
            Err(why) => {
                warn!(room = tenancy.name, namespace = tenancy.namespace, epoch = epoch.0, ?why, "not taken");
                // The desk is gone: so is the room.
                let _ = notes.send(Note::Made(room, Err(why))).await;
            }
        }
    }

    /// Makes us the owner; with the time at which that was asked.
    async fn take(&self, tenancy: &Tenancy, is_fenced: bool) -> Result<(Taken, Duration), NotMade> {
        let give_up = self.clock.now().saturating_add(PATIENCE);
        loop {
            let since = self.clock.now();
            match self.store.take(tenancy, is_fenced.then_some(self.pace.fence_after)).await {
                Ok(Verdict::Mine(taken)) => return Ok((taken, since)),
                Ok(Verdict::Fenced { owner }) => return Err(NotMade::Fenced { owner }),
                Ok(Verdict::Finished { result, .. }) => return Err(over(&result)),
                Err(error) if error.is_transient() && self.clock.now() < give_up => sleep(PAUSE).await,
                Err(error) => return Err(no_store(&error)),
            }
        }
    }
}

fn no_store(error: &StoreError) -> NotMade {
    NotMade::Checkpoint(shortened(format!("its checkpoint cannot be had: {error}")))
}

fn over(result: &[u8]) -> NotMade {
    let ending = proto::Result::decode(result).ok().and_then(|it| Ending::new(it.values).ok());
    match ending {
        Some(ending) => NotMade::Over(Arc::new(ending)),
        None => {
            NotMade::Checkpoint("its match is over in the store, and the result cannot be read".to_owned())
        }
    }
}
