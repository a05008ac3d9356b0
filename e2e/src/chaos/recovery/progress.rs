//! How far a run is, and how long the rest will take: by the rounds so far.

use std::fmt;
use std::time::Duration;

use super::Plan;
use super::scenario::Scenario;

/// How far it is.
#[derive(Debug)]
pub(super) struct Progress {
    /// Of one scenario.
    rounds: u32,
    /// Of all.
    left: u32,
    played: Vec<(Scenario, Duration)>,
}

impl Progress {
    /// Of a plan that begins.
    pub(super) fn of(plan: &Plan) -> Self {
        let scenarios = u32::try_from(plan.scenarios.len()).unwrap_or(u32::MAX);
        Self { rounds: plan.rounds, left: plan.rounds.saturating_mul(scenarios), played: Vec::new() }
    }

    /// A round is over.
    pub(super) fn took(&mut self, scenario: Scenario, time: Duration) {
        self.left = self.left.saturating_sub(1);
        self.played.push((scenario, time));
    }

    /// So many rounds are not played.
    pub(super) fn leave_out(&mut self, rounds: u32) {
        self.left = self.left.saturating_sub(rounds);
    }

    /// How long the rest will take. What is left of this scenario is like its rounds so far, others are like all so far.
    fn rest(&self) -> Duration {
        let Some((now, _)) = self.played.last() else { return Duration::ZERO };
        let of_now: Vec<_> = self.played.iter().filter(|it| it.0 == *now).map(|it| it.1).collect();
        let count = u32::try_from(of_now.len()).unwrap_or(u32::MAX);
        let left_of_now = self.rounds.saturating_sub(count).min(self.left);
        let all: Vec<_> = self.played.iter().map(|it| it.1).collect();
        mean(&of_now) * left_of_now + mean(&all) * (self.left - left_of_now)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, rest) = (self.played.len(), self.rest().as_secs());
        write!(f, "{done} rounds are played, {} are left: {}:{:02} min", self.left, rest / 60, rest % 60)
    }
}

fn mean(all: &[Duration]) -> Duration {
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    all.iter().sum::<Duration>().checked_div(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_estimated_by_the_rounds_so_far() {
        let mut progress = Progress { rounds: 3, left: 6, played: Vec::new() };
        assert_eq!(progress.rest(), Duration::ZERO);
        for seconds in [2, 4, 3] {
            progress.took(Scenario::ProcessCrash, Duration::from_secs(seconds));
        }
        assert_eq!(progress.rest(), Duration::from_secs(9));
        progress.took(Scenario::NodeCut, Duration::from_secs(70));
        assert_eq!(progress.to_string(), "4 rounds are played, 2 are left: 2:20 min");
        progress.leave_out(2);
        assert_eq!(progress.rest(), Duration::ZERO);
    }
}
