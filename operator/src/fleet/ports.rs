//! Host ports: which of a range a new server gets.
//!
//! Unique in a fleet while the range lasts; beyond that, the scheduler keeps two pods with one port
//! off the same node.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    ops::RangeInclusive,
    str::FromStr,
};

use gamekeeper_crds::fleet::{Port, Protocol};

/// Named ranges of host ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<String, RangeInclusive<u16>>);

/// A text that names no ranges.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    #[error("{0:?} is not of the form NAME=FROM-TO, such as default=7000-7999")]
    Form(String),
    #[error("{0:?}: ports go from 1 to 65535, and FROM must not be above TO")]
    Bounds(String),
    #[error("the range {0:?} is given twice")]
    Twice(String),
}

impl Ranges {
    /// The range with this name.
    pub fn get(&self, name: &str) -> Option<&RangeInclusive<u16>> {
        self.0.get(name)
    }

    /// The names, for a message.
    pub fn names(&self) -> String {
        if self.0.is_empty() {
            "none".to_owned()
        } else {
            self.0.keys().cloned().collect::<Vec<_>>().join(", ")
        }
    }
}

impl FromStr for Ranges {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let mut ranges = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let form = || BadRange::Form(part.to_owned());
            let (name, bounds) = part.split_once('=').ok_or_else(form)?;
            let (from, to) = bounds.split_once('-').ok_or_else(form)?;
            let number = |it: &str| it.trim().parse::<u16>().map_err(|_| BadRange::Bounds(part.to_owned()));
            let (from, to) = (number(from)?, number(to)?);
            if from == 0 || to < from {
                return Err(BadRange::Bounds(part.to_owned()));
            }
            if ranges.insert(name.trim().to_owned(), from..=to).is_some() {
                return Err(BadRange::Twice(name.trim().to_owned()));
            }
        }
        Ok(Self(ranges))
    }
}

/// How many servers have a host port: first of this fleet, then of all.
pub type Uses = HashMap<(Protocol, u16), (usize, usize)>;

/// Gives host ports to new servers of one fleet.
#[derive(Debug)]
pub struct Allocator<'a> {
    ranges: &'a Ranges,
    uses: Uses,
    /// By range and protocol: ports by how few have them, from a point of the fleet's own and this turn's.
    queues: BTreeMap<(String, Protocol), BTreeSet<Rank>>,
    offset: usize,
}

/// Uses in the fleet, uses in all, place in the range counted from the fleet's own point, port.
type Rank = (usize, usize, usize, u16);

impl<'a> Allocator<'a> {
    /// For the fleet with this uid, whose servers and others have the ports that `uses` counts. `turn` is another number
    /// every time.
    pub fn new(ranges: &'a Ranges, uses: Uses, fleet_uid: &str, turn: u64) -> Self {
        // Fleets start at different points, so that they seldom want the same port; and each time at another, so that a
        // new server seldom has that of one that has just died. Its players may still look for it there, and the node's
        // kernel sends what they say to the dead one's pod for as long as they go on (its record of UDP "connections").
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((fleet_uid, turn));
        Self {
            ranges,
            uses,
            queues: BTreeMap::new(),
            offset: usize::try_from(hash % 65_536).unwrap_or_default(),
        }
    }

    /// Host ports for the next server, in the order of `ports`; `None` where a port needs none.
    pub fn next(&mut self, ports: &[Port]) -> Vec<Option<u16>> {
        ports.iter().map(|it| self.take(it.exposure.host_port_range()?, it.protocol)).collect()
    }

    fn take(&mut self, range: &str, protocol: Protocol) -> Option<u16> {
        let key = (range.to_owned(), protocol);
        if !self.queues.contains_key(&key) {
            let queue = self.ranked(range, protocol)?;
            self.queues.insert(key.clone(), queue);
        }
        let queue = self.queues.get_mut(&key)?;
        let (ours, all, place, port) = queue.pop_first()?;
        queue.insert((ours + 1, all + 1, place, port));
        Some(port)
    }

    fn ranked(&self, range: &str, protocol: Protocol) -> Option<BTreeSet<Rank>> {
        let range = self.ranges.get(range)?;
        let length = range.len();
        let rank = |(index, port): (usize, u16)| {
            let (ours, all) = self.uses.get(&(protocol, port)).copied().unwrap_or_default();
            (ours, all, (index + length - self.offset % length) % length, port)
        };
        Some(range.clone().enumerate().map(rank).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn game() -> Vec<Port> {
        vec![serde_json::from_value(serde_json::json!({ "name": "game", "containerPort": 7777 })).unwrap()]
    }

    #[test]
    fn ports_are_unique_while_the_range_lasts_and_shared_evenly_after_that() {
        let ranges: Ranges = "default=7000-7009".parse().unwrap();
        let mut allocator = Allocator::new(&ranges, Uses::new(), "u1", 1);
        let mut given: BTreeMap<u16, usize> = BTreeMap::new();
        for _ in 0..10 {
            *given.entry(allocator.next(&game())[0].unwrap()).or_default() += 1;
        }
        assert_eq!(given.len(), 10);
        for _ in 0..10 {
            *given.entry(allocator.next(&game())[0].unwrap()).or_default() += 1;
        }
        assert!(given.values().all(|it| *it == 2));
    }

    #[test]
    fn what_others_have_is_taken_last() {
        let ranges: Ranges = "default=7000-7002".parse().unwrap();
        let uses = Uses::from([((Protocol::UDP, 7000), (0, 1)), ((Protocol::UDP, 7001), (1, 1))]);
        let mut allocator = Allocator::new(&ranges, uses, "u1", 1);
        let given: Vec<u16> = (0..3).map(|_| allocator.next(&game())[0].unwrap()).collect();
        assert_eq!(given[..2], [7002, 7000]);
    }

    #[test]
    fn ranges_are_read_and_refused() {
        assert_eq!("default=7000-7999, edge=1-1".parse::<Ranges>().unwrap().names(), "default, edge");
        for text in [
            "7000-7999",
            "default=7000",
            "default=8000-7000",
            "default=0-7",
            "default=1-70000",
            "a=1-2,a=3-4",
        ] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
    }
}
