//! One server that is suspected.

use std::time::Duration;

use tokio::time::Instant;

use super::{ASK_EVERY, ASK_SELDOM, CONFIRM, Cause, Finding, GREETING, PRESUME, Verdict, Who};

/// So many refusals prove that nothing listens: one may be a mistake of something between us.
const REFUSALS: u8 = 2;

/// From a first refusal to the next attempt.
const REFUSED_AGAIN: Duration = Duration::from_millis(20);

/// What was found of a server.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "what was found by one says nothing of what others found")]
pub(super) struct Suspect {
    pub(super) node: String,
    pub(super) cause: Cause,
    /// When it was suspected.
    pub(super) noticed: Instant,
    /// What was found before says nothing.
    pub(super) counts_from: Instant,
    hang_timeout: Duration,
    refusals: u8,
    /// We did reach its kernel, since.
    connected: Option<Instant>,
    /// We did not.
    is_silent: bool,
    /// We did not at some time, and what it sent on its stream meanwhile may take long to arrive.
    was_silent: bool,
    /// A witness reached it.
    is_reached: bool,
    pub(super) ask_at: Instant,
    /// Until when an answer may come.
    asked_until: Option<Instant>,
    pub(super) verdict: Option<Verdict>,
    pub(super) is_cut_off: bool,
    pub(super) is_told: bool,
}

impl Suspect {
    pub(super) fn new(node: String, cause: Cause, hang_timeout: Duration, now: Instant) -> Self {
        Self {
            node,
            cause,
            noticed: now,
            counts_from: now,
            hang_timeout,
            refusals: 0,
            connected: None,
            is_silent: false,
            was_silent: false,
            is_reached: false,
            ask_at: now,
            asked_until: None,
            verdict: None,
            is_cut_off: false,
            is_told: false,
        }
    }

    /// A refusal is a proof, however long we slept; nothing else is.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        (self.counts_from, self.ask_at) = (now, now);
        (self.connected, self.is_silent, self.is_reached, self.asked_until) = (None, false, false, None);
    }

    /// Its stream broke although it was suspected already: that may be because its process ended.
    pub(super) fn broke(&mut self, now: Instant) {
        self.cause = Cause::Broke;
        self.connected = None;
        self.ask_at = self.ask_at.min(now);
    }

    pub(super) fn found(&mut self, who: Who, finding: Finding, asked: Instant, now: Instant) {
        if who == Who::Us {
            self.asked_until = None;
        }
        match (finding, who) {
            // Of an earlier suspicion, which was wrong.
            (Finding::Refused, _) if asked < self.noticed => (),
            (Finding::Refused, _) => {
                self.refusals = self.refusals.saturating_add(1);
                self.connected = None;
                self.ask_at = self.ask_at.min(now + REFUSED_AGAIN);
            }
            // Older than what is known since.
            _ if asked < self.counts_from => (),
            (Finding::Connected, Who::Us) => {
                (self.refusals, self.is_silent) = (0, false);
                self.connected.get_or_insert(now);
            }
            (Finding::Connected, Who::Witness) => (self.refusals, self.is_reached) = (0, true),
            (Finding::Silent, Who::Us) => {
                (self.connected, self.is_silent, self.was_silent) = (None, true, true);
            }
            // The other witness may have reached it.
            (Finding::Silent, Who::Witness) => (),
        }
    }

    /// What follows from what was found.
    pub(super) fn judge(
        &self,
        may_hang: impl Fn() -> bool,
        is_node_lost: impl Fn() -> bool,
        now: Instant,
    ) -> Option<Verdict> {
        if REFUSALS <= self.refusals {
            return (self.verdict != Some(Verdict::Proven)).then_some(Verdict::Proven);
        }
        if self.verdict.is_some() {
            return None;
        }
        let is_due = |patience: Duration| self.counts_from + patience <= now;
        if self.connected.is_some_and(|it| it + self.patience() <= now) && may_hang() {
            return Some(Verdict::Hang);
        }
        // A stream that broke a moment ago may be one of many that only have to be made anew.
        let least = if self.cause == Cause::Quiet { CONFIRM } else { self.hang_timeout + CONFIRM };
        (self.connected.is_none() && is_due(least) && is_node_lost()).then_some(Verdict::Presumed)
    }

    /// How long it may give no sign of life although its kernel answers.
    fn patience(&self) -> Duration {
        match self.cause {
            // It gave none for the `hangTimeout` already.
            Cause::Quiet => CONFIRM,
            Cause::Broke => self.hang_timeout + CONFIRM,
            Cause::Unheard => GREETING.max(self.hang_timeout + CONFIRM),
        }
    }

    pub(super) fn seems_to_hang(&self) -> bool {
        self.connected.is_some()
    }

    /// Whether nobody has reached it so far.
    pub(super) fn is_unreached(&self) -> bool {
        self.is_silent || 0 < self.refusals
    }

    pub(super) fn is_reached(&self) -> bool {
        self.is_reached
    }

    /// Whether we do not reach it.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// When it last gave a sign of life, at the earliest.
    pub(super) fn since(&self) -> Instant {
        match self.cause {
            Cause::Quiet => self.noticed.checked_sub(self.hang_timeout).unwrap_or(self.noticed),
            Cause::Broke | Cause::Unheard => self.noticed,
        }
    }

    /// Whether we do not reach it for so long that it is no hiccup.
    pub(super) fn is_out_of_reach(&self, now: Instant) -> bool {
        self.is_silent && self.verdict.is_none() && self.counts_from + PRESUME <= now
    }

    /// Whether it is to be greeted anew, now that it is within reach again: over the stream that there was, TCP may wait for
    /// as long as it was silent before it tries again, and without one its link may pause after dials that failed.
    pub(super) fn wants_to_be_greeted(&mut self) -> bool {
        let is_due = self.connected.is_some() && std::mem::take(&mut self.was_silent);
        if is_due && self.cause == Cause::Quiet {
            self.cause = Cause::Broke;
        }
        is_due
    }

    /// Whether people were told of more than a suspicion.
    pub(super) fn was_told(&self) -> bool {
        self.verdict.is_some() || self.is_cut_off
    }

    pub(super) fn is_asked(&self, now: Instant) -> bool {
        self.asked_until.is_some_and(|it| now < it)
    }

    /// Whether it is to be reached, and one has not seen yet that it can be. Of a loss its link keeps asking.
    pub(super) fn wants_to_be_asked(&self, now: Instant) -> bool {
        self.verdict.is_none() && self.connected.is_none() && !self.is_asked(now) && self.ask_at <= now
    }

    pub(super) fn ask(&mut self, now: Instant) {
        // An answer that gets lost must not keep it from being asked again.
        self.asked_until = Some(now + 2 * ASK_EVERY);
        self.ask_at = now + if self.is_cut_off { ASK_SELDOM } else { ASK_EVERY };
    }
}
