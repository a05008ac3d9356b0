//! The client's end: puts snapshots together, and shows each newer one.

use std::collections::VecDeque;

use super::Kept;
use crate::{Malformed, datagram::Snapshot, delta, limits};

/// Snapshots in parts that are put together at a time: parts of two that follow each other may come mixed.
const ASSEMBLIES: usize = 2;

/// Makes snapshots of datagrams. What is older than the newest is dropped.
#[derive(Debug, Default)]
pub struct Receiver {
    /// The oldest that the server may build upon, and all that came after it.
    kept: VecDeque<Kept>,
    spare: Vec<Vec<u8>>,
    assemblies: [Assembly; ASSEMBLIES],
    body: Vec<u8>,
    input_ack: u64,
    counts: Received,
}

/// A snapshot in parts, some of which have come.
#[derive(Debug, Default)]
struct Assembly {
    /// 0: none.
    tick: u64,
    distance: u64,
    count: u8,
    /// Which have come, a bit for each.
    present: u32,
    parts: Vec<Vec<u8>>,
}

/// A snapshot, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// After which tick.
    pub tick: u64,
    /// What the game wrote.
    pub state: &'a [u8],
}

/// What became of snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Snapshots shown.
    pub shown: u64,
    /// Ticks between two that were shown.
    pub skipped_ticks: u64,
    /// Datagrams of the newest snapshot that had come before.
    pub repeated: u64,
    /// Datagrams of older snapshots.
    pub stale: u64,
    /// Snapshots whose baseline is not here: a server that counts on what was never acknowledged.
    pub without_baseline: u64,
}

impl Receiver {
    /// A datagram came. Returns what is to be shown now.
    pub fn datagram(&mut self, datagram: &[u8]) -> Result<Option<Shown<'_>>, Malformed> {
        let Some(snapshot) = Snapshot::parse(datagram)? else { return Ok(None) };
        self.input_ack = self.input_ack.max(snapshot.input_ack);
        let newest = self.ack();
        if snapshot.tick <= newest {
            let is_repeated = snapshot.tick == newest;
            self.counts.repeated += u64::from(is_repeated);
            self.counts.stale += u64::from(!is_repeated);
            return Ok(None);
        }
        if snapshot.part.count == 1 {
            return self.show(snapshot.tick, snapshot.distance, snapshot.body);
        }
        // Taken out for a moment, so that the rest can be borrowed.
        let mut body = std::mem::take(&mut self.body);
        let is_whole = self.assemble(&snapshot, &mut body);
        let is_shown = match is_whole {
            Ok(true) => self.show(snapshot.tick, snapshot.distance, &body).map(|it| it.is_some()),
            other => other,
        };
        self.body = body;
        Ok(if is_shown? { self.newest() } else { None })
    }

    /// The newest snapshot that is here, to be acknowledged; 0: none.
    pub fn ack(&self) -> u64 {
        self.kept.back().map_or(0, |it| it.tick)
    }

    /// The newest snapshot.
    pub fn newest(&self) -> Option<Shown<'_>> {
        self.kept.back().map(|it| Shown { tick: it.tick, state: &it.state })
    }

    /// All inputs up to this one have arrived or are given up.
    pub fn input_ack(&self) -> u64 {
        self.input_ack
    }

    /// What became of snapshots.
    pub fn counts(&self) -> Received {
        self.counts
    }

    /// Takes in a part. Whether the whole is in `body` now.
    fn assemble(&mut self, snapshot: &Snapshot<'_>, body: &mut Vec<u8>) -> Result<bool, Malformed> {
        let known = self.assemblies.iter().position(|it| it.tick == snapshot.tick);
        let assembly = match known {
            Some(known) => self.assemblies.get_mut(known),
            None => self.assemblies.iter_mut().min_by_key(|it| it.tick).filter(|it| it.tick < snapshot.tick),
        };
        let Some(assembly) = assembly else {
            self.counts.stale += 1;
            return Ok(false);
        };
        if known.is_none() {
            assembly.begin(snapshot);
        }
        match assembly.add(snapshot)? {
            Added::Again => self.counts.repeated += 1,
            Added::Part => {}
            Added::Last => {
                body.clear();
                assembly.parts.iter().take(assembly.count.into()).for_each(|it| body.extend_from_slice(it));
                assembly.tick = 0;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn show(&mut self, tick: u64, distance: u64, body: &[u8]) -> Result<Option<Shown<'_>>, Malformed> {
        let base = tick - distance;
        let baseline = self.kept.binary_search_by_key(&base, |it| it.tick).ok();
        let baseline = baseline.and_then(|it| self.kept.get(it)).map(|it| it.state.as_slice());
        let baseline = if distance == 0 { Some([].as_slice()) } else { baseline };
        let Some(baseline) = baseline else {
            self.counts.without_baseline += 1;
            return Ok(None);
        };
        let mut state = self.spare.pop().unwrap_or_default();
        delta::apply(baseline, body, &mut state)?;
        if let Some(last) = self.kept.back() {
            self.counts.skipped_ticks += tick - last.tick - 1;
        }
        self.counts.shown += 1;
        // The server's baselines never go back. A full one may come from before it heard of an earlier one.
        while self.kept.front().is_some_and(|it| distance > 0 && it.tick < base)
            || self.kept.len() >= limits::BASELINES_MAX
        {
            self.spare.extend(self.kept.pop_front().map(|it| it.state));
        }
        self.kept.push_back(Kept { tick, state });
        Ok(self.newest())
    }
}

/// What a part is to its snapshot.
enum Added {
    /// One of several that are missing.
    Part,
    /// The last one that was missing.
    Last,
    /// It was there.
    Again,
}

impl Assembly {
    fn begin(&mut self, snapshot: &Snapshot<'_>) {
        self.tick = snapshot.tick;
        self.distance = snapshot.distance;
        self.count = snapshot.part.count;
        self.present = 0;
        self.parts.iter_mut().for_each(Vec::clear);
        let needed = self.parts.len().max(self.count.into());
        self.parts.resize_with(needed, Vec::new);
    }

    fn add(&mut self, snapshot: &Snapshot<'_>) -> Result<Added, Malformed> {
        if (self.count, self.distance) != (snapshot.part.count, snapshot.distance) {
            let value = snapshot.part.count.into();
            return Err(Malformed::BadValue { field: "Snapshot.count", value });
        }
        // Fewer than 32, says the datagram's parser.
        let bit = 1u32.checked_shl(snapshot.part.index.into()).unwrap_or(0);
        if self.present & bit != 0 {
            return Ok(Added::Again);
        }
        self.present |= bit;
        if let Some(part) = self.parts.get_mut(usize::from(snapshot.part.index)) {
            part.extend_from_slice(snapshot.body);
        }
        let is_whole = self.present.count_ones() == u32::from(self.count);
        Ok(if is_whole { Added::Last } else { Added::Part })
    }
}
