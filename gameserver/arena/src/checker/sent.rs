//! What a player sent, held against what the server says it applied.

use std::collections::VecDeque;

use crate::{input::Input, world::Account};

/// Inputs that were sent and not applied by the time of a checkpoint: two seconds of them. More are missing,
/// for no network that one can play on takes as long.
const LATE_MAX: usize = 64;

/// Inputs that are remembered while nothing is shown. Who sends more in vain has lost the oldest.
const KEPT_MAX: usize = 1024;

/// Accounts that are remembered for a server that begins again at an earlier tick: as many seconds.
const MARKS_MAX: usize = 4;

/// The player's side of its account.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// What was sent since the first of `marks`, with its number. Numbers of what is known to be lost are left out.
    inputs: VecDeque<(u64, Input)>,
    /// The number of the newest input.
    newest: u64,
    /// Accounts that were found right, the newest last. None: nothing has counted before the first input.
    marks: VecDeque<Mark>,
    /// The checkpoint that was looked at last.
    settled_at: u32,
    /// Of what was sent, so many may not have counted yet.
    in_flight: usize,
    /// The player came again, and what became of its inputs is not known yet.
    return_: Option<Return>,
}

/// What was applied at a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    account: Account,
    /// The last input that counted.
    number: u64,
}

/// The player came again, and what was lost by that does not show yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Return {
    stories: Vec<Story>,
    /// More than one explains the first account that shows what was lost: a digest is short. The next account tells which
    /// it is.
    is_in_doubt: bool,
}

/// What may have become of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Story {
    /// They counted from here on.
    from: Mark,
    /// Those after this one are lost,
    kept: u64,
    /// up to this one: what the server has acknowledged is not sent again.
    acknowledged: u64,
}

/// What was wrong at a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Inputs that will not count any more.
    pub(super) missing: u64,
    /// Others counted than were sent, or in another order.
    pub(super) differs: bool,
    /// Inputs that were lost with a server, as may be.
    pub(super) lost: u64,
}

/// How the account of a server can be explained.
#[derive(Clone, Copy, Debug)]
struct Explained {
    mark: Mark,
    /// One of those that were sent after the return has counted: the rest is certain.
    is_certain: bool,
}

impl Sent {
    /// One more was sent. Says how many are lost by that.
    pub(super) fn push(&mut self, input: Input) -> u64 {
        self.newest += 1;
        self.in_flight += 1;
        self.inputs.push_back((self.newest, input));
        if self.inputs.len() <= KEPT_MAX {
            return 0;
        }
        let settled = self.base().number;
        self.inputs.pop_front().map_or(0, |(number, _)| u64::from(settled < number))
    }

    /// So many counted in this tick, by what is shown of it.
    pub(super) fn estimate(&mut self, count: u8) {
        self.in_flight = self.in_flight.saturating_sub(count.into());
    }

    /// What was sent and has not counted yet, as far as is known.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The player came again: what was acknowledged is not sent again, and the newest `lost_max` of it may be lost.
    pub(super) fn came_again(&mut self, acknowledged: u64, lost_max: u64) {
        let mut stories = match self.return_.take() {
            // It was lost by an earlier return, if at all, and has still to show.
            Some(earlier) if lost_max == 0 => earlier.stories,
            _ => self.stories(acknowledged, lost_max),
        };
        // Or the game has seen the player leave, and counts anew.
        let from = Mark { account: Account::default(), number: acknowledged };
        stories.push(Story { from, kept: acknowledged, acknowledged });
        self.return_ = Some(Return { stories, is_in_doubt: false });
        self.in_flight = self.inputs.iter().filter(|(number, _)| acknowledged < *number).count();
    }

    /// The server begins again at an earlier tick: its checkpoints are news again.
    pub(super) fn forget_checkpoints(&mut self) {
        self.settled_at = 0;
    }

    /// This checkpoint was not looked at yet.
    pub(super) fn is_news(&self, checkpoint: u32) -> bool {
        self.settled_at < checkpoint
    }

    /// Holds an account of the server against what was sent. `is_now`: nothing has counted since.
    pub(super) fn settle(&mut self, checkpoint: u32, theirs: Account, is_now: bool) -> Found {
        self.settled_at = checkpoint;
        let mut found = Found::default();
        match self.return_.take() {
            None => self.settle_on(theirs, &mut found),
            Some(return_) => self.settle_return(return_, theirs, &mut found),
        }
        let settled = self.base().number;
        let mut waiting = self.inputs.iter().filter(|(number, _)| settled < *number).count();
        // What is acknowledged and lost is not late.
        while self.return_.is_none() && LATE_MAX < waiting {
            // What is late is the oldest.
            if let Some(late) = self.inputs.iter().position(|(number, _)| settled < *number) {
                self.inputs.remove(late);
            }
            waiting -= 1;
            found.missing += 1;
        }
        if self.return_.is_none() {
            self.in_flight = if is_now { waiting } else { self.in_flight.min(waiting) };
        }
        found
    }

    fn settle_on(&mut self, theirs: Account, found: &mut Found) {
        let base = self.base();
        found.missing += u64::from(theirs.dropped.saturating_sub(base.account.dropped));
        match self.explain(base, theirs, None) {
            Some(explained) => self.keep(explained.mark),
            None => {
                found.differs = true;
                self.believe(theirs);
            }
        }
    }

    /// Looks for what became of the inputs.
    fn settle_return(&mut self, return_: Return, theirs: Account, found: &mut Found) {
        let mut explained: Vec<(Story, Explained)> = Vec::new();
        for story in &return_.stories {
            let Story { from, kept, acknowledged } = *story;
            let Some(it) = self.explain(from, theirs, Some((kept, acknowledged))) else { continue };
            // From an earlier mark it is the same.
            let is_same = |other: &Story| (other.kept, other.acknowledged) == (kept, acknowledged);
            if !explained.iter().any(|(other, _)| is_same(other)) {
                explained.push((*story, it));
            }
        }
        let first = explained.first().copied();
        let Some((Story { kept, acknowledged, .. }, Explained { mark, is_certain })) = first else {
            found.differs = true;
            return self.believe(theirs);
        };
        if !is_certain {
            // Nothing that was sent since has counted, so what was lost does not show.
            self.return_ = Some(return_);
            return;
        }
        if 1 < explained.len() && !return_.is_in_doubt {
            let stories = explained.into_iter().map(|it| it.0).collect();
            self.return_ = Some(Return { stories, is_in_doubt: true });
            return;
        }
        let before = self.inputs.len();
        self.inputs.retain(|(number, _)| *number <= kept || acknowledged < *number);
        found.lost = before.abs_diff(self.inputs.len()) as u64;
        // Accounts of before are of no use any more: the next return is to be explained from here.
        self.marks.clear();
        self.keep(mark);
    }

    /// What may have become of the inputs: all that was acknowledged still counts, or the newest of it were lost with the
    /// server.
    fn stories(&self, acknowledged: u64, lost_max: u64) -> Vec<Story> {
        let origin = (self.marks.is_empty()).then(Mark::default);
        let bases: Vec<Mark> = self.marks.iter().rev().copied().chain(origin).collect();
        let went_on = (0..=lost_max).flat_map(|lost| {
            let kept = acknowledged.saturating_sub(lost);
            let is_before = move |it: &&Mark| it.number <= kept || kept == acknowledged;
            bases.iter().filter(is_before).map(move |from| Story { from: *from, kept, acknowledged })
        });
        went_on.collect()
    }

    /// Tells whether this is the account if what was sent after a mark has counted in order, without `gap`: what was
    /// sent after its first number and up to its second.
    fn explain(&self, from: Mark, theirs: Account, gap: Option<(u64, u64)>) -> Option<Explained> {
        let (kept, acknowledged) = gap.unwrap_or((0, 0));
        let newly = theirs.applied.checked_sub(from.account.applied)?;
        let mut mark = from;
        let counts = |number: u64| from.number < number && (number <= kept || acknowledged < number);
        let mut inputs = self.inputs.iter().filter(|(number, _)| counts(*number));
        for _ in 0..newly {
            let (number, input) = inputs.next()?;
            mark.account.apply(input.to_bytes());
            mark.number = *number;
        }
        (mark.account.digest == theirs.digest).then_some(Explained {
            mark: Mark { account: theirs, ..mark },
            is_certain: acknowledged < mark.number,
        })
    }

    /// What was applied, as far as it was found right.
    fn base(&self) -> Mark {
        self.marks.back().copied().unwrap_or_default()
    }

    fn keep(&mut self, mark: Mark) {
        self.marks.push_back(mark);
        if MARKS_MAX < self.marks.len() {
            self.marks.pop_front();
        }
        let first = self.marks.front().map_or(0, |it| it.number);
        while self.inputs.front().is_some_and(|(number, _)| *number <= first) {
            self.inputs.pop_front();
        }
    }

    /// Goes on from an account that is wrong, so that one mistake is counted once.
    fn believe(&mut self, theirs: Account) {
        let base = self.base();
        let newly = usize::try_from(theirs.applied.wrapping_sub(base.account.applied)).unwrap_or(usize::MAX);
        let after = self.inputs.iter().filter(|(number, _)| base.number < *number).map(|(number, _)| *number);
        let number = after.take(newly).last().unwrap_or(base.number);
        self.marks.clear();
        self.keep(Mark { account: theirs, number });
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::tests::anything;

    const HEARD: u64 = 40;
    const LOST: u64 = 12;

    /// A player, and a server that loses what was sent before the player's return.
    struct Play {
        random: StdRng,
        sent: Sent,
        theirs: Account,
    }

    impl Play {
        fn on(&mut self, numbers: std::ops::RangeInclusive<u64>) {
            for number in numbers {
                let input = anything(&mut self.random);
                self.sent.push(input);
                if !(HEARD - LOST + 1..=HEARD).contains(&number) {
                    self.theirs.apply(input.to_bytes());
                }
            }
        }

        fn settle(&mut self, checkpoint: u32) -> Found {
            self.sent.settle(checkpoint, self.theirs, true)
        }

        /// Up to the player's return.
        fn returned(seed: u64) -> Self {
            let random = StdRng::seed_from_u64(seed);
            let mut play = Self { random, sent: Sent::default(), theirs: Account::default() };
            play.on(1..=20);
            assert_eq!(play.settle(30), Found::default(), "SEED {seed}");
            play.on(21..=HEARD);
            play.sent.came_again(HEARD, LOST);
            play
        }
    }

    #[test]
    fn p4_a_digest_that_fits_two_stories_is_not_taken_for_the_wrong_one() {
        let mut in_doubt = 0;
        for seed in 0..10_000 {
            let mut play = Play::returned(seed);
            play.on(HEARD + 1..=55);
            let first = play.settle(60);
            in_doubt += u32::from(play.sent.return_.is_some());
            play.on(56..=85);
            let second = play.settle(90);
            assert!(!first.differs && !second.differs, "SEED {seed}: {first:?}, {second:?}");
            assert_eq!(first.lost + second.lost, LOST, "SEED {seed}");
            assert_eq!(play.sent.return_, None, "SEED {seed}");
        }
        assert!(0 < in_doubt, "nothing was in doubt");
    }

    #[test]
    fn p4_who_comes_again_before_it_shows_what_was_lost_is_told_then() {
        for seed in 0..10_000 {
            let mut play = Play::returned(seed);
            play.on(HEARD + 1..=50);
            play.sent.came_again(50, 0);
            play.on(51..=55);
            let first = play.settle(60);
            play.sent.came_again(55, 0);
            play.on(56..=85);
            let second = play.settle(90);
            play.on(86..=95);
            let third = play.settle(120);
            let all = [first, second, third];
            assert!(!all.iter().any(|it| it.differs), "SEED {seed}: {all:?}");
            assert_eq!(all.iter().map(|it| it.lost).sum::<u64>(), LOST, "SEED {seed}: {all:?}");
            assert_eq!(play.sent.return_, None, "SEED {seed}");
        }
    }
}
