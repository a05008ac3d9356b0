//! What can be seen of a process: by the world around it, and by who judges.

use std::{collections::BTreeSet, time::Duration};

use crate::store::Call;

/// What can be seen of a room in a process.
#[allow(clippy::struct_excessive_bools, reason = "each is seen by itself")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its number there.
    pub number: u64,
    /// Which.
    pub room: u8,
    /// Under which it is there.
    pub epoch: i64,
    /// It may be played.
    pub is_running: bool,
    /// It is ticked now.
    pub ticks: bool,
    /// It was opened to go on from where another left it.
    pub is_restored: bool,
    /// The store did not answer it last, or not since it began.
    pub is_unanswered: bool,
    /// Until then it waits for the owner before.
    pub waits_until: Option<u8>,
}

/// What can be seen of a process.
#[derive(Clone, Debug, Default)]
pub struct Sights {
    /// The stream that its beats go to.
    pub listener: Option<u8>,
    /// When it was heard last, as far as it knows.
    pub heard: Option<Duration>,
    /// All that are there.
    pub rooms: Vec<Sight>,
    /// What the store is to be told, from which step on.
    pub calls: Vec<(u64, u8, i64, Call, u8)>,
    /// Rooms and epochs that were ever open here.
    pub opened: BTreeSet<(u8, i64)>,
}
