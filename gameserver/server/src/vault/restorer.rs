//! How a room that another server has lost is got from the store.

use std::{sync::Arc, time::Duration};

use gamekeeper_control::proto;
use gamekeeper_room::{
    Ending, Epoch, Setup, Tenancy,
    host::{NotMade, Restore, RoomNumber},
    shortened,
};
use gamekeeper_store::{Bid, Mismatch, Sealed, StoreError, Taken, Verdict, envelope};
use prost::Message as _;
use tokio::{sync::mpsc, task::spawn_blocking, time::sleep};
use tracing::{debug, info, warn};

use super::Vault;
use crate::{
    desk::Note,
    opener::{Openers, Wish},
    standby::Standby,
};

/// How long the store is asked again when it does not answer. Less than the operator waits for the answer to its Open; it
/// asks again by itself.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// The times of fence and silence are whole milliseconds, rounded by the store.
const ROUNDING: Duration = Duration::from_millis(2);

/// A copy that was renewed within this time, and within three intervals more, is as good as the store's: until a loss is
/// proven and told, nothing comes.
const FRESH: Duration = Duration::from_secs(1);
const FRESH_INTERVALS: u32 = 3;

/// A room to be restored.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) room: RoomNumber,
    pub(crate) setup: Setup,
    pub(crate) epoch: Epoch,
    pub(crate) restore: Restore,
}

/// What there was of a room.
#[derive(Debug)]
pub(crate) struct Found {
    /// In the store; `None`: it was not asked.
    pub(crate) taken: Option<Taken>,
    /// In memory.
    pub(crate) copy: Option<Sealed>,
    pub(crate) lost_epoch: Option<Epoch>,
    /// When it was asked for, or begun without: from then on it is ours.
    pub(crate) since: Duration,
    /// The owner before may tick until then.
    pub(crate) not_before: Duration,
}

impl Found {
    /// The newest of it. Takes milliseconds for the longest state.
    pub(crate) fn newest(&self, tenancy: &Tenancy) -> Result<Option<Sealed>, Mismatch> {
        let stored = self.taken.as_ref().map_or(Ok(None), |it| it.open(tenancy));
        let age = |it: &Sealed| (it.epoch, it.checkpoint.tick);
        match (stored, self.copy.clone()) {
            (Ok(Some(stored)), Some(copy)) if age(&stored) < age(&copy) => Ok(Some(copy)),
            (Ok(None), copy) => Ok(copy),
            (stored, _) => stored,
        }
    }
}

impl Vault {
    pub(super) async fn fetch(self, lost: Lost, openers: Openers, notes: mpsc::Sender<Note>) {
        let Lost { room, setup, epoch, restore } = lost;
        let (namespace, name, uid) = (setup.namespace.clone(), setup.name.clone(), setup.uid.clone());
        let tenancy = Tenancy { namespace, name, uid, epoch };
        // Before the others' turns: the store may be down, and they wait for it.
        if let Some(copy) = self.copy_in_place_of_the_store(&tenancy, restore).await {
            let (lost_epoch, since) = (restore.lost_epoch, self.clock.now());
            let found =
                Found { taken: None, copy: Some(copy), lost_epoch, since, not_before: Duration::ZERO };
            return openers.make(Wish { room, setup, epoch, found: Some(found) });
        }
        let _turn = self.turns.acquire().await;
        match self.take(&tenancy, restore).await {
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
                // An owner that may live has sent copies meanwhile.
                let copy = self.copy(&tenancy).await.map(|it| it.0);
                let (taken, lost_epoch) = (Some(taken), restore.lost_epoch);
                let found = Found { taken, copy, lost_epoch, since, not_before };
                openers.make(Wish { room, setup, epoch, found: Some(found) });
            }
            Err(why @ NotMade::OwnerAlive) => {
                // Asked every few seconds while the operator alone does not reach the owner.
                debug!(
                    room = tenancy.name,
                    namespace = tenancy.namespace,
                    epoch = epoch.0,
                    "its owner lives"
                );
                let _ = notes.send(Note::Made(room, Err(why))).await;
            }
            Err(why) => {
                warn!(room = tenancy.name, namespace = tenancy.namespace, epoch = epoch.0, ?why, "not taken");
                // The desk is gone: so is the room.
                let _ = notes.send(Note::Made(room, Err(why))).await;
            }
        }
    }

    /// A copy that may be gone on with before the store knows: of an owner that has ended for certain, and after whom there was
    /// none, so there is nobody to be kept from writing. Whoever owns the room later writes with a higher epoch.
    async fn copy_in_place_of_the_store(&self, tenancy: &Tenancy, restore: Restore) -> Option<Sealed> {
        let is_certain = !restore.fence && restore.owner_silent.is_none();
        let ended = restore.ended_epoch.filter(|_| is_certain)?;
        let fresh = FRESH + self.pace.interval * FRESH_INTERVALS;
        let (copy, silence) = self.copy(tenancy).await?;
        let is_good = copy.epoch == ended && silence < fresh;
        info!(
            room = tenancy.name,
            namespace = tenancy.namespace,
            epoch = tenancy.epoch.0,
            tick = copy.checkpoint.tick.0,
            silence_ms = silence.as_millis(),
            is_good,
            "there is a copy"
        );
        is_good.then_some(copy)
    }

    /// The copy of a room that is kept for another server, with the time since it came.
    async fn copy(&self, tenancy: &Tenancy) -> Option<(Sealed, Duration)> {
        let copy = self.standby.as_ref().map(Standby::receiver)?.find(&tenancy.uid)?;
        let opened = spawn_blocking(move || envelope::decode(&copy.envelope)).await.ok()?;
        let opened = opened.inspect_err(|error| warn!(room = tenancy.name, %error, "a copy cannot be read"));
        Some((opened.ok()?, copy.silence))
    }

    /// Makes us the owner, as far as the owner before is as silent as it must be; with the time at which that was asked.
    async fn take(&self, tenancy: &Tenancy, restore: Restore) -> Result<(Taken, Duration), NotMade> {
        let give_up = self.clock.now().saturating_add(PATIENCE);
        loop {
            let since = self.clock.now();
            let fence = restore.fence.then_some(self.pace.fence_after);
            let bid = match restore.owner_silent {
                Some(silence) => self.store.take_if_silent(tenancy, fence, silence + ROUNDING).await,
                None => self.store.take(tenancy, fence).await.map(Bid::Decided),
            };
            match bid {
                Ok(Bid::Decided(Verdict::Mine(taken))) => return Ok((taken, since)),
                Ok(Bid::Decided(Verdict::Fenced { owner })) => return Err(NotMade::Fenced { owner }),
                Ok(Bid::Decided(Verdict::Finished { result, .. })) => return Err(over(&result)),
                Ok(Bid::OwnerAlive { .. }) => return Err(NotMade::OwnerAlive),
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gamekeeper_room::{Checkpoint, Schema, Tick};
    use gamekeeper_store::envelope::Malformed;

    use super::*;

    fn sealed(epoch: i64, tick: u64) -> Sealed {
        let checkpoint =
            Checkpoint { schema: Schema(0), tick: Tick(tick), epoch: Epoch(epoch), state: b"state".to_vec() };
        let (uid, build) = ("uid-1".to_owned(), String::new());
        Sealed { uid, epoch: Epoch(epoch), build, captured_at: Duration::ZERO, checkpoint }
    }

    fn taken(checkpoint: Option<(Epoch, Bytes)>) -> Taken {
        Taken { wait: Duration::ZERO, idle: Duration::ZERO, is_replicated: false, checkpoint }
    }

    fn stored(sealed: &Sealed) -> Taken {
        let mut envelope = Vec::new();
        envelope::encode(sealed, &mut envelope).unwrap();
        taken(Some((sealed.epoch, envelope.into())))
    }

    fn newest(taken: Option<Taken>, copy: Option<Sealed>) -> Result<Option<Sealed>, Mismatch> {
        let (namespace, name, uid) = ("games".to_owned(), "duel".to_owned(), "uid-1".to_owned());
        let tenancy = Tenancy { namespace, name, uid, epoch: Epoch(9) };
        let found =
            Found { taken, copy, lost_epoch: None, since: Duration::ZERO, not_before: Duration::ZERO };
        found.newest(&tenancy)
    }

    #[test]
    fn i1_of_the_store_and_the_copy_the_later_owner_counts_and_then_the_later_tick() {
        for (in_store, in_memory, expected) in [
            ((5, 90), (5, 91), (5, 91)),
            ((5, 91), (5, 90), (5, 91)),
            // An earlier owner that does not know yet plays on, for nobody.
            ((6, 10), (5, 99), (6, 10)),
            ((5, 99), (6, 10), (6, 10)),
        ] {
            let (in_store, in_memory) = (sealed(in_store.0, in_store.1), sealed(in_memory.0, in_memory.1));
            let found = newest(Some(stored(&in_store)), Some(in_memory));
            assert_eq!(found, Ok(Some(sealed(expected.0, expected.1))));
        }
    }

    #[test]
    fn where_one_has_nothing_the_other_counts() {
        let copy = sealed(5, 9);
        assert_eq!(newest(None, Some(copy.clone())), Ok(Some(copy.clone())));
        assert_eq!(newest(Some(taken(None)), Some(copy.clone())), Ok(Some(copy.clone())));
        assert_eq!(newest(Some(stored(&copy)), None), Ok(Some(copy)));
        assert_eq!(newest(Some(taken(None)), None), Ok(None));
        let damaged = taken(Some((Epoch(5), Bytes::from_static(b"x"))));
        assert_eq!(newest(Some(damaged), None), Err(Mismatch::Malformed(Malformed::Magic)));
    }
}
