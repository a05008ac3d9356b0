//! Where the players of a server go next, if it is lost: which servers they are told of. Pure.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// Servers that the players of one are told of. One is enough as a rule; the second is for when both are lost together.
pub const TOLD: usize = 2;

/// Servers of one node that come into question. More would only be looked at: the freest are the best.
const OF_ONE_NODE_MAX: usize = 4;

/// A server that takes rooms of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spare<'a> {
    pub uid: &'a str,
    pub node: Option<&'a str>,
    /// Rooms that it takes beside those that it has.
    pub free: usize,
}

/// The spares of a fleet, the freest of each node.
#[derive(Debug, Default)]
pub struct Spares<'a>(BTreeMap<&'a str, Spare<'a>>);

impl<'a> Spares<'a> {
    /// Of all that have places. `told` are those that servers have been told of: they stay as long as they have any.
    pub fn of(all: impl Iterator<Item = Spare<'a>>, is_told: impl Fn(&str) -> bool) -> Self {
        let mut by_node: BTreeMap<Option<&str>, Vec<Spare<'a>>> = BTreeMap::new();
        for spare in all.filter(|it| 0 < it.free) {
            by_node.entry(spare.node).or_default().push(spare);
        }
        let mut chosen = BTreeMap::new();
        for mut spares in by_node.into_values() {
            spares.sort_by_key(|it| (Reverse(it.free), it.uid));
            let (first, rest) = spares.split_at(spares.len().min(OF_ONE_NODE_MAX));
            let rest = rest.iter().filter(|it| is_told(it.uid));
            chosen.extend(first.iter().chain(rest).map(|it| (it.uid, *it)));
        }
        Self(chosen)
    }

    /// Where the players of the server `of` on `node` go next, if they were sent to `told` until now: at most [`TOLD`], the
    /// most likely first.
    ///
    /// Other nodes come first, since a node may be lost as a whole; then those of which the fewest are on one node; then
    /// the freest. But whoever was told of and still has a place stays, unless another node is to be had instead: players
    /// are told anew when it helps, not when numbers move.
    pub fn next(&self, of: &str, node: Option<&str>, told: &[String]) -> Vec<String> {
        let is_near = |it: &Spare<'_>| node.is_some() && it.node == node;
        let others = || self.0.values().filter(|it| it.uid != of);
        let mut chosen: Vec<Spare<'a>> = Vec::new();
        let kept = told.iter().filter_map(|it| self.0.get(it.as_str())).filter(|it| it.uid != of);
        let has_far = others().any(|it| !is_near(it));
        for spare in kept.take(TOLD) {
            // One of the same node helps with a crash only, and takes the place of one that helps always.
            if !(is_near(spare) && has_far) {
                chosen.push(*spare);
            }
        }
        while chosen.len() < TOLD {
            let is_new = |it: &&Spare<'_>| chosen.iter().all(|chosen| chosen.uid != it.uid);
            let beside = |it: &Spare<'_>| chosen.iter().filter(|chosen| chosen.node == it.node).count();
            let best = others().filter(is_new).min_by_key(|it| {
                // Not the same one for all servers, where many are as free: it would have to take all of their rooms.
                (is_near(it), beside(it), Reverse(it.free), lot(of, it.uid))
            });
            // A second one of the same node is no help when another node was found.
            let Some(best) = best.filter(|it| chosen.is_empty() || !(is_near(it) && has_far)) else { break };
            chosen.push(*best);
        }
        chosen.sort_by_key(|it| is_near(it));
        chosen.iter().map(|it| it.uid.to_owned()).collect()
    }
}

/// A number that is another one for each pair, and the same every time.
fn lot(of: &str, to: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (of, to).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn spares<'a>(all: &[(&'a str, &'a str, usize)]) -> Spares<'a> {
        let spare =
            |(uid, node, free): &(&'a str, &'a str, usize)| Spare { uid, node: Some(node), free: *free };
        Spares::of(all.iter().map(spare), |_| false)
    }

    fn next(all: &[(&str, &str, usize)], told: &[&str]) -> Vec<String> {
        let told: Vec<String> = told.iter().map(|it| (*it).to_owned()).collect();
        spares(all).next("a", Some("n1"), &told)
    }

    #[test]
    fn players_are_sent_to_other_nodes_first_and_then_to_the_freest() {
        for (all, expected) in [
            (&[("a", "n1", 4)][..], &[][..]),
            (&[("a", "n1", 4), ("b", "n1", 4)], &["b"]),
            (&[("a", "n1", 4), ("b", "n1", 4), ("c", "n2", 1)], &["c"]),
            (&[("b", "n1", 9), ("c", "n2", 1), ("d", "n2", 2), ("e", "n2", 3)], &["e", "d"]),
            (&[("c", "n2", 9), ("d", "n2", 8), ("e", "n3", 1)], &["c", "e"]),
            (&[("c", "n2", 0), ("d", "n3", 1)], &["d"]),
        ] {
            assert_eq!(next(all, &[]), expected, "{all:?}");
        }
    }

    #[test]
    fn who_was_told_of_stays_while_it_has_a_place() {
        let all = [("b", "n1", 9), ("c", "n2", 1), ("d", "n2", 9), ("e", "n3", 9)];
        assert_eq!(next(&all, &["c", "e"]), ["c", "e"], "not because another is freer");
        assert_eq!(next(&[("c", "n2", 0), ("d", "n2", 9), ("e", "n3", 9)], &["c", "e"]), ["e", "d"]);
        assert_eq!(next(&all, &["b", "c"]), ["c", "e"], "another node takes the place of the same one");
        assert_eq!(next(&all, &["gone", "e"])[0], "e");
        assert_eq!(next(&all, &["a", "e"])[0], "e", "nobody is sent to where it is");
    }

    #[test]
    fn servers_are_spread_over_those_that_are_as_free() {
        let names: Vec<String> = (0..12).map(|it| format!("s{it}")).collect();
        let all: Vec<_> = names.iter().map(|it| (it.as_str(), "n2", 4)).collect();
        let all = [&all[..3], &[("x", "n3", 4), ("y", "n3", 4), ("z", "n3", 4)]].concat();
        let spares = spares(&all);
        let firsts: BTreeSet<String> =
            (0..50).map(|it| spares.next(&format!("of-{it}"), Some("n1"), &[]).remove(0)).collect();
        assert_eq!(firsts.len(), 6, "{firsts:?}");
    }
}
