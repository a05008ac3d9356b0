//! The store's four scripts once more, in Rust: `tests/` holds it to the real ones in a real Redis.

/// What the store has of one room. Times are in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// Of the owner.
    pub epoch: Option<i64>,
    /// The owner's last sign of life.
    pub at: u64,
    /// The last one of the owner before.
    pub before: u64,
    /// Who wrote the checkpoint, and its tick.
    pub kept: Option<(i64, u64)>,
    /// The match is over.
    pub result: Option<u8>,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Keeps a checkpoint of this tick.
    Write(u64),
    /// Makes the caller the owner, and waits for this fence, if another was silent for so long.
    Take(u64, u64),
    /// Asks who is.
    Check,
    /// Ends the match.
    Finish(u8),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// A later owner has the room.
    Fenced(i64),
    /// The match is over.
    Finished(i64, u8),
    /// To a checkpoint.
    Stored,
    /// To a checkpoint: there is a newer one.
    Older(u64),
    /// To a take: how long to wait, since when the owner before is silent, and who wrote the checkpoint.
    Taken(u64, u64, Option<i64>),
    /// To a take: another owner was heard, so long ago.
    Alive(Option<i64>, u64),
    /// To a question.
    Mine,
    /// To an end.
    Recorded,
}

impl Row {
    /// A call of whoever has this epoch.
    pub fn call(&mut self, mine: i64, call: Call, now: u64) -> Reply {
        let (at, owner) = (self.at, self.epoch);
        if let Some(owner) = owner.filter(|it| mine < *it) {
            return Reply::Fenced(owner);
        }
        if let (Some(owner), Some(result)) = (owner, self.result) {
            return Reply::Finished(owner, result);
        }
        if let Call::Take(_, silence) = call {
            let silent = if owner.is_some() { now.saturating_sub(at) } else { 0 };
            if owner != Some(mine) && silent < silence {
                return Reply::Alive(owner, silent);
            }
        }
        if owner != Some(mine) {
            self.before = if owner.is_some() { at } else { now };
            self.epoch = Some(mine);
        }
        self.at = now;
        match call {
            Call::Write(tick) => {
                if let Some((_, newer)) = self.kept.filter(|(by, newer)| *by == mine && tick < *newer) {
                    return Reply::Older(newer);
                }
                self.kept = Some((mine, tick));
                Reply::Stored
            }
            Call::Take(fence, _) => {
                let idle = now.saturating_sub(self.before);
                Reply::Taken(fence.saturating_sub(idle), idle, self.kept.map(|(by, _)| by))
            }
            Call::Check => Reply::Mine,
            Call::Finish(result) => {
                self.kept = None;
                self.result = Some(result);
                Reply::Recorded
            }
        }
    }
}
