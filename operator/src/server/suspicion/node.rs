//! A node with suspects: whether anything of it answers anybody. One question decides for all servers on it.

use tokio::time::Instant;

use super::{Finding, PRESUME, PRESUME_ALONE, Who};

/// What was found of a node.
#[derive(Clone, Debug)]
pub(super) struct NodeSuspicion {
    /// What was found before says nothing.
    pub(super) counts_from: Instant,
    /// Something of it answered somebody: its kubelet, or a server.
    answered: Option<Instant>,
    /// Its kubelet answers us not.
    is_silent: bool,
    /// Also when we had just reached the API server: it is not we who are cut off.
    is_vouched_for: bool,
    /// Nor a witness.
    is_confirmed: bool,
    pub(super) ask_at: Instant,
    pub(super) ask_witnesses_at: Instant,
    /// Suspects that were shown to witnesses.
    pub(super) samples: usize,
}

impl NodeSuspicion {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            counts_from: now,
            answered: None,
            is_silent: false,
            is_vouched_for: false,
            is_confirmed: false,
            ask_at: now,
            ask_witnesses_at: now,
            samples: 0,
        }
    }

    pub(super) fn begin_anew(&mut self, now: Instant) {
        *self = Self { samples: self.samples, ..Self::new(now) };
    }

    pub(super) fn answered(&mut self, now: Instant) {
        // From here on, silence has to be found again.
        *self = Self {
            answered: Some(now),
            ask_at: self.ask_at,
            ask_witnesses_at: self.ask_witnesses_at,
            samples: self.samples,
            ..Self::new(now)
        };
    }

    /// `renewed` is when the request was sent that last renewed our lease.
    pub(super) fn found(
        &mut self,
        who: Who,
        finding: Finding,
        asked: Instant,
        renewed: Option<Instant>,
        now: Instant,
    ) {
        match (finding, who) {
            (Finding::Connected | Finding::Refused, _) => self.answered(now),
            // Asked before we stood still, or before it answered.
            (Finding::Silent, _) if asked < self.counts_from => (),
            (Finding::Silent, Who::Us) => {
                self.is_silent = true;
                self.is_vouched_for |= renewed.is_some_and(|it| self.counts_from < it && it <= asked);
                self.answered = None;
            }
            (Finding::Silent, Who::Witness) => self.is_confirmed = true,
        }
    }

    pub(super) fn answers(&self) -> bool {
        self.answered.is_some()
    }

    /// Whether we do not reach it.
    pub(super) fn seems_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether nothing of it answers anybody, for long enough.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let patience = if self.is_confirmed { PRESUME } else { PRESUME_ALONE };
        self.is_silent && self.is_vouched_for && self.counts_from + patience <= now
    }
}
