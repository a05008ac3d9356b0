//! What the store answers.

use std::time::Duration;

use bytes::Bytes;
use gamekeeper_room::{Epoch, Tenancy, Tick};

use crate::envelope::{self, Malformed, Sealed};

/// Whose the room is, by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// The caller's; and what the call came to.
    Mine(T),
    /// A later owner's. Stop the room here at once: it is not ours any more.
    Fenced {
        /// The epoch of that owner.
        owner: Epoch,
    },
    /// Nobody's: the match is over. Nothing was changed, and nothing can be any more.
    Finished {
        /// The epoch of the owner that finished it.
        owner: Epoch,
        /// What it gave as the result.
        result: Bytes,
    },
}

/// What became of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is the newest one.
    Stored,
    /// The store has a newer one of the same owner, and keeps that. As good as stored.
    Older {
        /// The tick of that one.
        newest: Tick,
    },
}

/// A room that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Do not tick before so long after the answer: the owner before may still think that the room is its own. Nothing
    /// if no fence was asked for.
    pub wait: Duration,
    /// So long before the call the owner before was last heard by the store. Of a room that the store does not
    /// know, the time since it was first taken.
    pub idle: Duration,
    /// A replica has it too. If not, a failover of Redis in the next moments may forget it, and until the
    /// first call after that the owner before could write again.
    pub is_replicated: bool,
    /// The newest checkpoint, sealed, with the epoch of the owner that wrote it.
    pub checkpoint: Option<(Epoch, Bytes)>,
}

/// What comes of a take that asks for the silence of the owner before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bid {
    /// It was heard too short a while ago, or may have been. Nothing was changed.
    OwnerAlive {
        /// Its epoch; `None`: the store does not know the room.
        owner: Option<Epoch>,
        /// So long ago the store heard it.
        idle: Duration,
    },
    /// It was silent, or is not the one that decides: as to any take.
    Decided(Verdict<Taken>),
}

/// Why the checkpoint that was found cannot be used. The room is taken all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The envelope cannot be read.
    #[error("the checkpoint in the store cannot be read")]
    Malformed(#[from] Malformed),
    /// The envelope is another room's, or of another epoch than its place says. Whoever wrote it has a bug.
    #[error("the checkpoint in the store is another room's, or another owner's")]
    Foreign,
}

impl Taken {
    /// The checkpoint, opened. Takes milliseconds for the longest one, so not in the thread that ticks.
    pub fn open(&self, tenancy: &Tenancy) -> Result<Option<Sealed>, Mismatch> {
        let Some((epoch, envelope)) = &self.checkpoint else { return Ok(None) };
        let sealed = envelope::decode(envelope)?;
        match sealed.uid == tenancy.uid && sealed.epoch == *epoch {
            true => Ok(Some(sealed)),
            false => Err(Mismatch::Foreign),
        }
    }
}
