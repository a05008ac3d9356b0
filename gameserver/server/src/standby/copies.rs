//! The copies of others' rooms that are kept in memory: the newest of each, pure.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use gamekeeper_room::{Epoch, Tick};
use gamekeeper_store::envelope::Label;

/// All copies together, and what of them is still coming in. As much as two thousand rooms of 64 KiB, and an eighth of
/// what a pod of a gibibyte has: rooms that are here to be played come first.
pub(crate) const BYTES_MAX: usize = 128 * 1024 * 1024;

/// What a copy costs beside its bytes: so that many small ones have their limit, too.
pub(crate) const BYTES_AROUND: usize = 256;

/// A copy that was not renewed for so long is dropped. Whoever lost its server is restored within seconds, or from the
/// store.
const LIFETIME: Duration = Duration::from_secs(10);

/// The newest copy of each room.
#[derive(Debug)]
pub(crate) struct Copies {
    bytes_max: usize,
    bytes: usize,
    rooms: HashMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    age: (Epoch, Tick),
    envelope: Bytes,
    at: Duration,
}

/// A copy of a room, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Of the owner that sent it.
    pub(crate) epoch: Epoch,
    pub(crate) envelope: Bytes,
    /// So long ago it was here last, whether new or as before.
    pub(crate) silence: Duration,
}

impl Copies {
    /// So many bytes at most.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, rooms: HashMap::new() }
    }

    /// Sets so many bytes aside for what is coming in. `false`: there are not so many.
    pub(crate) fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.bytes.saturating_add(bytes) <= self.bytes_max;
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// They are not needed any more.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Takes a copy for which [`BYTES_AROUND`] and its length were set aside. An older one than there is is dropped: paths
    /// may change their order, and an earlier owner may not know yet.
    pub(crate) fn put(&mut self, label: Label, envelope: Bytes, now: Duration) {
        let Label { uid, epoch, tick } = label;
        let age = (epoch, tick);
        let dropped = match self.rooms.get_mut(&uid) {
            Some(kept) if age < kept.age => envelope,
            Some(kept) => {
                (kept.age, kept.at) = (age, now);
                std::mem::replace(&mut kept.envelope, envelope)
            }
            None => {
                self.rooms.insert(uid, Kept { age, envelope, at: now });
                return;
            }
        };
        self.release(BYTES_AROUND + dropped.len());
    }

    /// The room has ended, or its owner has no part in it any more.
    pub(crate) fn end(&mut self, uid: &str, epoch: Epoch) {
        if self.rooms.get(uid).is_some_and(|it| it.age.0 <= epoch) {
            self.remove(uid);
        }
    }

    /// The newest copy of a room.
    pub(crate) fn find(&self, uid: &str, now: Duration) -> Option<Copy> {
        let Kept { age: (epoch, _), envelope, at } = self.rooms.get(uid)?;
        let silence = now.saturating_sub(*at);
        Some(Copy { epoch: *epoch, envelope: envelope.clone(), silence })
    }

    /// Drops what nobody renews.
    pub(crate) fn drop_old(&mut self, now: Duration) {
        let old = |it: &Kept| LIFETIME <= now.saturating_sub(it.at);
        let uids: Vec<String> =
            self.rooms.iter().filter(|(_, kept)| old(kept)).map(|(uid, _)| uid.clone()).collect();
        uids.iter().for_each(|it| self.remove(it));
    }

    /// How many rooms there are, and what they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.rooms.len(), self.bytes)
    }

    fn remove(&mut self, uid: &str) {
        if let Some(kept) = self.rooms.remove(uid) {
            self.release(BYTES_AROUND + kept.envelope.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn label(uid: &str, epoch: i64, tick: u64) -> Label {
        Label { uid: uid.to_owned(), epoch: Epoch(epoch), tick: Tick(tick) }
    }

    /// Whether it was taken.
    fn come(copies: &mut Copies, uid: &str, age: (i64, u64), length: usize, now: Duration) -> bool {
        let fits = copies.reserve(BYTES_AROUND + length);
        if fits {
            copies.put(label(uid, age.0, age.1), vec![7; length].into(), now);
        }
        fits
    }

    #[test]
    fn p4_the_newest_copy_of_a_room_is_kept_whatever_order_they_come_in() {
        let mut copies = Copies::new(BYTES_MAX);
        for (age, length) in [((5, 3), 1), ((5, 2), 2), ((6, 1), 3), ((5, 9), 4)] {
            assert!(come(&mut copies, "a", age, length, ms(age.1)));
        }
        let silence = ms(6);
        let newest = Copy { epoch: Epoch(6), envelope: vec![7; 3].into(), silence };
        assert_eq!(copies.find("a", ms(7)), Some(newest), "and what is old does not make it younger");
        assert_eq!(copies.size(), (1, BYTES_AROUND + 3));
    }

    #[test]
    fn a_copy_that_comes_again_is_as_young_as_that() {
        let mut copies = Copies::new(BYTES_MAX);
        come(&mut copies, "a", (5, 3), 1, ms(0));
        come(&mut copies, "a", (5, 3), 1, ms(400));
        assert_eq!(copies.find("a", ms(500)).unwrap().silence, ms(100));
    }

    #[test]
    fn a_room_that_has_ended_is_dropped_unless_it_is_a_later_owners() {
        let mut copies = Copies::new(BYTES_MAX);
        come(&mut copies, "a", (5, 3), 1, ms(0));
        copies.end("a", Epoch(4));
        assert!(copies.find("a", ms(0)).is_some());
        copies.end("a", Epoch(5));
        copies.end("b", Epoch(5));
        assert_eq!((copies.find("a", ms(0)), copies.size()), (None, (0, 0)));
    }

    #[test]
    fn what_nobody_renews_is_dropped() {
        let mut copies = Copies::new(BYTES_MAX);
        come(&mut copies, "a", (5, 3), 1, ms(0));
        come(&mut copies, "b", (5, 3), 1, ms(1));
        copies.drop_old(LIFETIME);
        assert_eq!((copies.find("a", LIFETIME), copies.size().0), (None, 1));
    }

    #[test]
    fn there_are_never_more_bytes_than_allowed_and_those_that_go_make_room() {
        let mut copies = Copies::new(3 * BYTES_AROUND + 100);
        assert!(come(&mut copies, "a", (5, 1), 60, ms(0)));
        assert!(!come(&mut copies, "b", (5, 1), 600, ms(0)));
        assert!(come(&mut copies, "b", (5, 1), 40, ms(0)));
        assert!(
            !come(&mut copies, "a", (5, 2), 300, ms(0)),
            "both are there while one takes the place of the other"
        );
        copies.end("b", Epoch(5));
        assert!(come(&mut copies, "a", (5, 2), 100, ms(0)));
        assert_eq!(copies.size(), (1, BYTES_AROUND + 100));
    }

    proptest! {
        #[test]
        fn bytes_are_neither_lost_nor_counted_twice(
            steps in prop::collection::vec((0..4_u8, 0..3_usize, 1..4_i64, 0..4_u64, 0..300_usize), 0..100),
        ) {
            let mut copies = Copies::new(2000);
            let mut now = ms(0);
            for (what, room, epoch, tick, length) in steps {
                let uid = ["a", "b", "c"][room];
                match what {
                    0 | 1 => drop(come(&mut copies, uid, (epoch, tick), length, now)),
                    2 => copies.end(uid, Epoch(epoch)),
                    _ => {
                        now += ms(100 * tick * 20);
                        copies.drop_old(now);
                    }
                }
                let kept: usize = copies.rooms.values().map(|it| BYTES_AROUND + it.envelope.len()).sum();
                prop_assert_eq!(copies.bytes, kept);
                prop_assert!(kept <= 2000);
            }
        }
    }
}
