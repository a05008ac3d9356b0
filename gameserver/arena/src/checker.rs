//! A player's own opinion of what a server shows: it takes each step itself, and compares.

mod sent;

use crate::{
    input::Input,
    state::Malformed,
    world::{BySeat, Given, World},
};

use sent::Sent;

/// Ticks that the world may jump back where another server goes on: a tenth of a second between two checkpoints, at
/// thirty ticks a second, and twice as much for one that was not stored any more.
pub const REWIND_TICKS: u32 = 9;

/// Checks one match, as it is shown to one seat.
#[derive(Clone, Debug)]
pub struct Checker {
    seat: u8,
    world: Option<World>,
    sent: Sent,
    counts: Counts,
    rewind_max: u32,
    /// Of the tenancy under which the player is in the room.
    epoch: u64,
    /// Another server has the room, and it is not known yet from where it goes on.
    takeover: Option<u64>,
}

/// What was seen and what was wrong. All but the first two and the gaps should stay zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Ticks that were shown.
    pub ticks: u64,
    /// Checkpoints whose hash was computed here too, by a step of our own.
    pub checkpoints_verified: u64,
    /// Times that ticks were not shown. That is the network's fault, and no reason for mistrust.
    pub gaps: u64,
    /// The most ticks in a row that were not shown.
    pub longest_gap: u64,
    /// Ticks that were shown again, or after a later one.
    pub out_of_order: u64,
    /// Inputs that the server says it dropped, and those that it has not taken although they are old.
    pub missing_inputs: u64,
    /// Checkpoints at which the server had not applied just what was sent, in that order.
    pub input_differences: u64,
    /// Checkpoints whose hash is another one here.
    pub hash_differences: u64,
    /// Steps that lead elsewhere here.
    pub state_differences: u64,
    /// Times that another server went on, from an earlier tick.
    pub takeovers: u64,
    /// The most ticks that were played in vain, before one of them.
    pub longest_rewind: u64,
    /// Inputs that had arrived and were lost with a server, within what it may lose.
    pub lost_inputs: u64,
    /// Takeovers that lost more ticks than they may.
    pub far_rewinds: u64,
    /// What was shown and means nothing.
    pub malformed: u64,
}

/// What is to be thought of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Something was checked, and nothing was wrong.
    pub verified: bool,
    /// Why.
    pub counts: Counts,
}

impl Checker {
    /// For a player that has just come to this seat, and has not sent anything yet.
    pub fn new(seat: u8) -> Self {
        Self {
            seat,
            world: None,
            sent: Sent::default(),
            counts: Counts::default(),
            rewind_max: REWIND_TICKS,
            epoch: 0,
            takeover: None,
        }
    }

    /// Ticks that may be lost with a server, instead of [`REWIND_TICKS`].
    #[must_use]
    pub fn allowing(mut self, rewind_ticks: u32) -> Self {
        self.rewind_max = rewind_ticks;
        self
    }

    /// The player is in the room, for the first time or again. `acknowledged`: inputs up to this one, counted from
    /// 1 as they were [`sent`](Self::sent), are not sent again.
    ///
    /// Under another epoch the world may go on from an earlier tick, and what was acknowledged since is lost. Nothing
    /// else may change by that, and nothing at all under the same epoch; but a game that has seen the player leave
    /// counts its inputs anew.
    pub fn joined(&mut self, epoch: u64, tick: u64, acknowledged: u64) {
        let before = std::mem::replace(&mut self.epoch, epoch);
        if self.world.is_none() {
            return;
        }
        let is_takeover = before != epoch;
        // In each tick, one input counts, or two where there is something to be made up for.
        let lost_max = if is_takeover { 2 * u64::from(self.rewind_max) } else { 0 };
        self.sent.came_again(acknowledged, lost_max);
        if is_takeover {
            self.takeover = Some(tick);
        }
    }

    /// This was sent. In the order in which the server is to apply it.
    pub fn sent(&mut self, input: Input) {
        self.counts.missing_inputs += self.sent.push(input);
    }

    /// This was shown.
    pub fn shown(&mut self, tick: u64, bytes: &[u8]) -> Result<&World, Malformed> {
        let shown = World::of_shown(bytes).and_then(|it| match u64::from(it.tick()) == tick {
            true => Ok(it),
            false => Err(Malformed::Value("tick")),
        });
        let shown = shown.inspect_err(|_| self.counts.malformed += 1)?;
        if let Some(tick) = self.takeover.take() {
            self.take_over(tick, &shown);
        }
        let next = match self.world.take() {
            None => self.adopt(shown),
            Some(before) if shown.tick() <= before.tick() => {
                self.counts.out_of_order += 1;
                before
            }
            Some(before) => {
                let missed = u64::from(shown.tick() - before.tick() - 1);
                if missed == 0 {
                    self.compare(before, &shown);
                } else {
                    self.counts.gaps += 1;
                    self.counts.longest_gap = self.counts.longest_gap.max(missed);
                }
                self.adopt(shown)
            }
        };
        Ok(self.world.insert(next))
    }

    /// What was shown last.
    pub fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    /// Inputs that were sent, and as far as is known have not counted yet. Who keeps this below
    /// [`WAITING_MAX`](crate::intake::WAITING_MAX) has none dropped by the game.
    pub fn in_flight(&self) -> usize {
        self.sent.in_flight()
    }

    /// What was seen up to now.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The verdict on all that was seen up to now.
    pub fn verdict(&self) -> Verdict {
        let Counts {
            ticks: _,
            checkpoints_verified,
            gaps: _,
            longest_gap: _,
            takeovers: _,
            longest_rewind: _,
            lost_inputs: _,
            far_rewinds,
            out_of_order,
            missing_inputs,
            input_differences,
            hash_differences,
            state_differences,
            malformed,
        } = self.counts;
        let wrong = [
            out_of_order,
            missing_inputs,
            input_differences,
            hash_differences,
            state_differences,
            malformed,
            far_rewinds,
        ];
        let verified = 0 < checkpoints_verified && wrong.iter().all(|it| *it == 0);
        Verdict { verified, counts: self.counts }
    }

    /// The first that another server shows is where the next step begins: it was checked by those who saw it when
    /// it was saved. `tick`: the server's last one when the player came in.
    fn take_over(&mut self, tick: u64, shown: &World) {
        let Some(before) = self.world.take() else { return };
        self.counts.takeovers += 1;
        let rewind = u64::from(before.tick()).saturating_sub(tick);
        self.counts.longest_rewind = self.counts.longest_rewind.max(rewind);
        self.counts.far_rewinds += u64::from(u64::from(self.rewind_max) < rewind);
        // It shows no tick that it had taken before the player came.
        self.counts.out_of_order += u64::from(u64::from(shown.tick()) < tick);
        // What never changes in a match.
        let (ours, theirs) = (&before, shown);
        let is_same = (ours.map, ours.seats, ours.length, ours.score_limit)
            == (theirs.map, theirs.seats, theirs.length, theirs.score_limit);
        self.counts.state_differences += u64::from(!is_same);
        self.sent.forget_checkpoints();
    }

    /// Takes the step from the world before, and compares with what is shown.
    fn compare(&mut self, before: World, shown: &World) {
        let mut own = before;
        for seat in 0..shown.seats() {
            match (own.is_present(seat), shown.is_present(seat)) {
                (false, true) => own.join(seat),
                (true, false) => own.leave(seat),
                _ => {}
            }
        }
        let mut given = BySeat::<Given>::default();
        for (seat, player) in shown.players() {
            if let Some(given) = given.get_mut(usize::from(seat)) {
                *given = player.given;
            }
        }
        own.step(&given);
        if own.is_checkpoint() {
            // What the others sent is their affair: each of them checks its own account.
            own.seal(&shown.accounts);
            let (ours, theirs) = (own.checkpoint(), shown.checkpoint());
            if ours == theirs {
                self.counts.checkpoints_verified += 1;
            } else {
                self.counts.hash_differences += 1;
                own.checkpoint = theirs;
            }
        }
        if own != *shown {
            self.counts.state_differences += 1;
        }
    }

    /// What is shown is where the next step begins, even if it is wrong: one mistake is counted once.
    fn adopt(&mut self, shown: World) -> World {
        self.counts.ticks += 1;
        if let Some(player) = shown.player(self.seat) {
            self.sent.estimate(player.given.count);
        }
        let checkpoint = shown.checkpoint();
        if self.sent.is_news(checkpoint.tick) && shown.is_present(self.seat) {
            let is_now = checkpoint.tick == shown.tick();
            let found = self.sent.settle(checkpoint.tick, shown.account(self.seat), is_now);
            self.counts.missing_inputs += found.missing;
            self.counts.lost_inputs += found.lost;
            self.counts.input_differences += u64::from(found.differs);
        }
        shown
    }
}

#[cfg(test)]
mod takeovers;
#[cfg(test)]
mod tests;
