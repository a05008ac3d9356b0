//! What players send on its way into the world: a queue for each, and a budget, so that who sends more does
//! not do more.

use crate::{
    input::Input,
    state::{Malformed, read::Reader},
    world::{Account, BySeat, GIVEN_MAX, Given, Order},
};

/// Inputs of one player that wait. As many as a room holds for one tick, so a server that stood still for a
/// second loses none. When there are more, the oldest is dropped, and counted.
pub const WAITING_MAX: usize = 32;

/// Ticks without an input that a player may make up for, by two inputs per tick. As many as can wait: so a
/// queue that has grown while the network stood still is empty again soon after, and does not stay as a delay
/// for the rest of the match. In the long run nobody has more than one input per tick.
const CREDIT_MAX: u8 = 32;

const _: () = assert!(CREDIT_MAX as usize == WAITING_MAX);

/// The queues of all players.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    queues: BySeat<Queue>,
}

/// What one player sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Queue {
    /// A ring.
    inputs: [Input; WAITING_MAX],
    /// Where the oldest is.
    head: u8,
    /// How many wait.
    count: u8,
    /// So many may still count.
    credit: u8,
    account: Account,
    /// The number of the newest input that came. Not of any use to the game: it tells, of a restored one, up to
    /// where its players were heard.
    newest: u8,
}

impl Intake {
    /// A player comes: nothing it sent before matters.
    pub fn join(&mut self, seat: u8) {
        if let Some(queue) = self.queues.get_mut(usize::from(seat)) {
            *queue = Queue::default();
        }
    }

    /// A player goes: what still waits is not done.
    pub fn leave(&mut self, seat: u8) {
        if let Some(queue) = self.queues.get_mut(usize::from(seat)) {
            queue.count = 0;
        }
    }

    /// A player sent something. Bytes that mean nothing are no input.
    pub fn put(&mut self, seat: u8, bytes: &[u8]) {
        let queue = self.queues.get_mut(usize::from(seat));
        if let (Some(queue), Some(input)) = (queue, Input::parse(bytes)) {
            queue.push(input);
        }
    }

    /// What counts in the next tick. Who sent nothing does nothing: no input is repeated.
    pub fn take(&mut self) -> BySeat<Given> {
        let mut given = BySeat::<Given>::default();
        for (queue, given) in self.queues.iter_mut().zip(&mut given) {
            queue.credit = CREDIT_MAX.min(queue.credit.saturating_add(1));
            for _ in 0..GIVEN_MAX.min(queue.credit) {
                let Some(input) = queue.pop() else { break };
                queue.credit -= 1;
                queue.account.apply(input.to_bytes());
                given.push(Order { buttons: input.buttons, aim: input.aim });
            }
        }
        given
    }

    /// What became of the inputs up to now.
    pub fn accounts(&self) -> BySeat<Account> {
        self.queues.map(|it| it.account)
    }

    /// How many inputs of this seat came since its player did, and the number in the newest.
    pub fn heard(&self, seat: u8) -> (u32, u8) {
        let Some(queue) = self.queues.get(usize::from(seat)) else { return (0, 0) };
        let Account { applied, dropped, .. } = queue.account;
        (applied.wrapping_add(dropped.into()).wrapping_add(queue.count.into()), queue.newest)
    }

    /// Appends what [`read`](Self::read) needs.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for queue in &self.queues {
            let Account { applied, dropped, digest } = queue.account;
            out.extend(applied.to_le_bytes());
            out.extend(dropped.to_le_bytes());
            out.extend(digest.to_le_bytes());
            out.extend([queue.newest, queue.credit, queue.count]);
            queue.waiting().for_each(|it| out.extend(it.to_bytes()));
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut intake = Self::default();
        for queue in &mut intake.queues {
            queue.account = Account { applied: reader.u32()?, dropped: reader.u16()?, digest: reader.u16()? };
            let [newest, credit, count] = reader.array()?;
            if CREDIT_MAX < credit || WAITING_MAX < usize::from(count) {
                return Err(Malformed::Value("inputs"));
            }
            queue.credit = credit;
            for _ in 0..count {
                queue.push(Input::parse(&reader.array::<3>()?).ok_or(Malformed::Value("inputs"))?);
            }
            queue.newest = newest;
        }
        Ok(intake)
    }
}

impl Queue {
    fn push(&mut self, input: Input) {
        self.newest = input.number;
        if usize::from(self.count) == WAITING_MAX {
            let _ = self.pop();
            self.account.dropped = self.account.dropped.saturating_add(1);
        }
        if let Some(place) = self.inputs.get_mut(place(self.head, self.count)) {
            *place = input;
            self.count += 1;
        }
    }

    fn pop(&mut self) -> Option<Input> {
        let input = self.waiting().next()?;
        self.head = self.head.wrapping_add(1);
        self.count -= 1;
        Some(input)
    }

    fn waiting(&self) -> impl Iterator<Item = Input> {
        (0..self.count).filter_map(|it| self.inputs.get(place(self.head, it)).copied())
    }
}

/// In the ring, whose length divides 256, so that its head may wrap around.
fn place(head: u8, offset: u8) -> usize {
    const { assert!(256 % WAITING_MAX == 0) };
    usize::from(head.wrapping_add(offset)) % WAITING_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(intake: &mut Intake, numbers: impl IntoIterator<Item = u8>) {
        numbers.into_iter().for_each(|it| intake.put(0, &[1, it, it]));
    }

    /// The aims that count in the next tick.
    fn taken(intake: &mut Intake) -> Vec<u8> {
        intake.take()[0].orders().map(|it| it.aim.0).collect()
    }

    #[test]
    fn one_input_per_tick_counts() {
        let mut intake = Intake::default();
        for tick in 0..200 {
            sent(&mut intake, [tick]);
            assert_eq!(taken(&mut intake), [tick]);
        }
        assert_eq!(intake.accounts()[0].applied, 200);
    }

    #[test]
    fn who_was_not_heard_for_a_while_catches_up() {
        let mut intake = Intake::default();
        (0..10).for_each(|_| assert!(taken(&mut intake).is_empty()));
        sent(&mut intake, 0..10);
        for tick in 0..5 {
            assert_eq!(taken(&mut intake), [2 * tick, 2 * tick + 1]);
        }
        assert!(taken(&mut intake).is_empty());
    }

    #[test]
    fn a_flood_gives_no_more_than_one_input_per_tick() {
        let mut intake = Intake::default();
        for tick in 1..=1000 {
            sent(&mut intake, 0..100);
            assert!(!taken(&mut intake).is_empty());
            assert_eq!(intake.accounts()[0].applied, tick, "nothing was saved up");
        }
        assert_eq!(intake.accounts()[0].dropped, u16::MAX);
    }

    #[test]
    fn the_oldest_input_is_dropped_and_counted() {
        let mut intake = Intake::default();
        sent(&mut intake, 0..34);
        assert_eq!(taken(&mut intake), [2]);
        assert_eq!(intake.accounts()[0].dropped, 2);
    }

    #[test]
    fn what_means_nothing_is_no_input() {
        let mut intake = Intake::default();
        intake.put(0, b"hello");
        intake.put(0, &[255, 0, 0]);
        intake.put(200, &[1, 0, 0]);
        assert_eq!(intake, Intake::default());
    }

    #[test]
    fn who_comes_again_starts_anew() {
        let mut intake = Intake::default();
        sent(&mut intake, 0..3);
        taken(&mut intake);
        intake.leave(0);
        assert!(taken(&mut intake).is_empty());
        assert_eq!(intake.accounts()[0].applied, 1);
        intake.join(0);
        assert_eq!(intake.queues[0], Queue::default());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut intake = Intake::default();
        for tick in 0..50 {
            sent(&mut intake, 0..tick % 3);
            taken(&mut intake);
            let mut bytes = Vec::new();
            intake.write(&mut bytes);
            let mut reader = Reader(&bytes);
            let mut read = Intake::read(&mut reader).unwrap();
            assert!(reader.0.is_empty());
            assert_eq!(read.accounts(), intake.accounts());
            assert_eq!(read.heard(0), intake.heard(0));
            assert_eq!(read.take(), intake.clone().take());
            assert!(Intake::read(&mut Reader(&bytes[..bytes.len() - 1])).is_err());
        }
    }
}
