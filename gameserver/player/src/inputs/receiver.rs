//! The server's end: which inputs came, and which are next.

use crate::limits;

/// One slot for each number that may be waited for.
const SLOTS: usize = limits::INPUT_LOST_AFTER;

/// Hands on every input once, in order. What is missing is waited for until one is there that comes
/// [`INPUT_LOST_AFTER`](limits::INPUT_LOST_AFTER) later.
#[derive(Debug)]
pub struct Receiver {
    /// The number of the next input to hand on.
    next: u64,
    /// Inputs that came before their turn, by number modulo the count of slots.
    slots: [Slot; SLOTS],
    counts: Received,
}

#[derive(Debug, Default)]
struct Slot {
    is_taken: bool,
    input: Vec<u8>,
}

/// What became of inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Handed on.
    pub delivered: u64,
    /// Came again, as most do.
    pub repeated: u64,
    /// Did not come in time.
    pub lost: u64,
    /// Were too far ahead.
    pub too_early: u64,
}

impl Receiver {
    /// Beginning after this number.
    pub fn after(number: u64) -> Self {
        Self { next: number.saturating_add(1), slots: Default::default(), counts: Received::default() }
    }

    /// An input came. What is due now, this one or others, goes to `deliver`.
    pub fn receive(&mut self, number: u64, input: &[u8], mut deliver: impl FnMut(u64, &[u8])) {
        if number < self.next {
            self.counts.repeated += 1;
            return;
        }
        if (limits::INPUT_AHEAD_MAX as u64) < number - self.next {
            self.counts.too_early += 1;
            return;
        }
        while SLOTS as u64 <= number - self.next {
            if !self.deliver_next(&mut deliver) {
                self.counts.lost += 1;
                self.next += 1;
            }
        }
        if number == self.next {
            deliver(number, input);
            self.counts.delivered += 1;
            self.next += 1;
        } else if let Some(slot) = slot(&mut self.slots, number) {
            if slot.is_taken {
                self.counts.repeated += 1;
            } else {
                slot.is_taken = true;
                slot.input.clear();
                slot.input.extend_from_slice(input);
            }
        }
        while self.deliver_next(&mut deliver) {}
    }

    /// All up to this one are handed on or given up.
    pub fn acknowledged(&self) -> u64 {
        self.next - 1
    }

    /// What became of inputs.
    pub fn counts(&self) -> Received {
        self.counts
    }

    /// Hands on the next, if it is there.
    fn deliver_next(&mut self, deliver: &mut impl FnMut(u64, &[u8])) -> bool {
        let Some(slot) = slot(&mut self.slots, self.next).filter(|it| it.is_taken) else { return false };
        slot.is_taken = false;
        deliver(self.next, &slot.input);
        self.counts.delivered += 1;
        self.next += 1;
        true
    }
}

fn slot(slots: &mut [Slot], number: u64) -> Option<&mut Slot> {
    slots.get_mut(usize::try_from(number % SLOTS as u64).ok()?)
}
