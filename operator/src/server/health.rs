//! Whether a server can be played on: a pure machine per server, fed by the pod and by probes.
//!
//! Silence is not death (I6): a plain server that does not answer takes no rooms and, without one,
//! is replaced; its loss is proven only by the end of its process.

use std::time::Duration;

use tokio::time::Instant;

/// What is known of a server's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not asked yet since this operator leads. Unheard is not absent (I5).
    Unknown,
    /// Has not answered yet.
    Starting,
    /// Answers.
    Ready,
    /// Answered once, and no longer does.
    Unhealthy,
}

/// The answers of one server to its probe.
#[derive(Clone, Debug)]
pub struct Answers {
    threshold: u32,
    failures: u32,
    has_answered: bool,
    asked: bool,
    last_asked: Option<Instant>,
}

/// A pause in asking that is this many times the period is our own fault, not the server's.
const STANDSTILL_PERIODS: u32 = 3;

impl Answers {
    /// Of a server that becomes unhealthy after `threshold` unanswered questions in a row.
    pub fn new(threshold: u32) -> Self {
        Self { threshold, failures: 0, has_answered: false, asked: false, last_asked: None }
    }

    /// Notes whether a question was answered.
    pub fn note(&mut self, answered: bool, period: Duration, now: Instant) {
        // We stood still ourselves: what the server did meanwhile, we do not know.
        let gap = self.last_asked.map(|it| now.duration_since(it)).unwrap_or_default();
        if STANDSTILL_PERIODS * period < gap {
            self.failures = 0;
        }
        self.last_asked = Some(now);
        self.asked = true;
        if answered {
            self.has_answered = true;
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// What follows from the answers so far.
    pub fn health(&self) -> Health {
        match (self.has_answered, self.failures < self.threshold) {
            (true, true) => Health::Ready,
            (true, false) => Health::Unhealthy,
            // A new leader does not know whether the server has ever answered.
            (false, true) if !self.asked => Health::Unknown,
            (false, _) => Health::Starting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(1);

    fn after(answers: &[(u64, bool)]) -> Health {
        let start = Instant::now();
        let mut all = Answers::new(3);
        for (second, answered) in answers {
            all.note(*answered, PERIOD, start + Duration::from_secs(*second));
        }
        all.health()
    }

    #[test]
    fn a_server_is_ready_when_it_answers_and_unhealthy_after_the_threshold() {
        assert_eq!(after(&[]), Health::Unknown);
        assert_eq!(after(&[(0, false), (1, false), (2, false), (3, false)]), Health::Starting);
        assert_eq!(after(&[(0, false), (1, true)]), Health::Ready);
        assert_eq!(after(&[(0, true), (1, false), (2, false)]), Health::Ready);
        assert_eq!(after(&[(0, true), (1, false), (2, false), (3, false)]), Health::Unhealthy);
        assert_eq!(after(&[(0, true), (1, false), (2, false), (3, false), (4, true)]), Health::Ready);
    }

    #[test]
    fn i6_an_operator_that_stood_still_counts_anew() {
        assert_eq!(after(&[(0, true), (1, false), (2, false), (60, false)]), Health::Ready);
        assert_eq!(
            after(&[(0, true), (1, false), (2, false), (60, false), (61, false), (62, false)]),
            Health::Unhealthy
        );
    }
}
