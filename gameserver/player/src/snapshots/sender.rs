//! The server's end: what was sent, and what is known to have arrived.

use std::collections::VecDeque;

use super::Kept;
use crate::{
    datagram::{Part, Snapshot},
    delta, limits,
};

/// Makes datagrams of snapshots. Once it has sent as many as are on the way at any time, it allocates nothing.
#[derive(Debug, Default)]
pub struct Sender {
    /// The newest that was acknowledged, if it is still there, and all that was sent after it.
    sent: VecDeque<Kept>,
    /// Memory of those that were dropped.
    spare: Vec<Vec<u8>>,
    acknowledged: u64,
    newest: u64,
    body: Vec<u8>,
    datagram: Vec<u8>,
}

/// Why a snapshot is not sent: a bug of ours or of the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Ticks only grow.
    #[error("the snapshot of tick {tick} comes after that of tick {newest}")]
    NotNewer {
        /// Of this snapshot.
        tick: u64,
        /// Of the last one.
        newest: u64,
    },
    /// More than 32 KiB.
    #[error("a snapshot of {0} bytes is too long")]
    TooLong(usize),
    /// The difference does not fit into 32 datagrams of this path.
    #[error("a snapshot does not fit into 32 datagrams of {budget} bytes")]
    TooManyParts {
        /// What fits into a datagram.
        budget: usize,
    },
}

impl Sender {
    /// The client has this snapshot.
    pub fn acknowledge(&mut self, tick: u64) {
        // What was never sent, or is forgotten, helps nobody.
        let is_news = self.acknowledged < tick && self.sent.binary_search_by_key(&tick, |it| it.tick).is_ok();
        if !is_news {
            return;
        }
        self.acknowledged = tick;
        while self.sent.front().is_some_and(|it| it.tick < tick) {
            self.drop_oldest();
        }
    }

    /// Whether the next snapshot can be sent as a difference.
    pub fn has_baseline(&self) -> bool {
        self.baseline().is_some()
    }

    /// Sends a snapshot in datagrams of at most `budget` bytes, one call of `out` each.
    pub fn encode(
        &mut self,
        tick: u64,
        state: &[u8],
        budget: usize,
        input_ack: u64,
        mut out: impl FnMut(&[u8]),
    ) -> Result<(), NotSent> {
        if tick <= self.newest {
            return Err(NotSent::NotNewer { tick, newest: self.newest });
        }
        if limits::SNAPSHOT_BYTES_MAX < state.len() {
            return Err(NotSent::TooLong(state.len()));
        }
        // Taken out for a moment, so that the rest can be borrowed.
        let mut body = std::mem::take(&mut self.body);
        let baseline = self.baseline().filter(|it| tick - it.tick <= limits::DISTANCE_MAX);
        let distance = baseline.map_or(0, |it| tick - it.tick);
        body.clear();
        delta::encode(baseline.map_or(&[], |it| &it.state), state, &mut body);
        let whole = Snapshot { tick, distance, input_ack, part: Part::WHOLE, body: &body };
        let is_sent = send(whole, budget, &mut self.datagram, &mut out);
        self.body = body;
        is_sent?;
        self.keep(tick, state);
        Ok(())
    }

    fn baseline(&self) -> Option<&Kept> {
        self.sent.front().filter(|it| it.tick == self.acknowledged)
    }

    fn keep(&mut self, tick: u64, state: &[u8]) {
        self.newest = tick;
        if self.sent.len() == limits::BASELINES_MAX {
            self.drop_oldest();
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(state);
        self.sent.push_back(Kept { tick, state: kept });
    }

    fn drop_oldest(&mut self) {
        self.spare.extend(self.sent.pop_front().map(|it| it.state));
    }
}

/// In one datagram, or in as many equal parts as it takes.
fn send(
    whole: Snapshot<'_>,
    budget: usize,
    datagram: &mut Vec<u8>,
    out: &mut impl FnMut(&[u8]),
) -> Result<(), NotSent> {
    let too_many = NotSent::TooManyParts { budget };
    let budget = budget.min(limits::DATAGRAM_BYTES_MAX);
    let room = budget.checked_sub(limits::SNAPSHOT_HEADER_BYTES_MAX).filter(|it| *it > 0).ok_or(too_many)?;
    if whole.body.len() <= room {
        whole.encode(datagram);
        out(datagram);
        return Ok(());
    }
    let parts = whole.body.len().div_ceil(room);
    let count =
        u8::try_from(parts).ok().filter(|it| usize::from(*it) <= limits::PARTS_MAX).ok_or(too_many)?;
    for (index, body) in (0..count).zip(whole.body.chunks(whole.body.len().div_ceil(parts))) {
        Snapshot { part: Part { index, count }, body, ..whole }.encode(datagram);
        out(datagram);
    }
    Ok(())
}
