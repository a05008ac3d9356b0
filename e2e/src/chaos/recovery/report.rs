//! What came out, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use gamekeeper_checker::report::Spread;
use serde_json::{Value, json};

use super::Plan;
use super::scenario::Scenario;

/// What came of a room whose server was hit, or that should not have noticed anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is played again.
    Recovered {
        /// From the fault until the last of its players saw the first tick.
        playing: Duration,
        /// How much of what was played is lost.
        lost: Option<Duration>,
    },
    /// Nobody noticed, and nobody was to.
    PlayedOn,
    /// Not as expected: in words.
    Failed(String),
}

/// What came of one round.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) scenario: Scenario,
    pub(super) round: u32,
    /// From the fault until the operator noticed something.
    pub(super) noticed: Option<Duration>,
    /// And until it was sure.
    pub(super) detect: Option<Duration>,
    /// By the rooms' names.
    pub(super) fates: BTreeMap<String, Fate>,
    /// How long the round took.
    pub(super) took: Duration,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    seed: u64,
    standby: bool,
    store_down: bool,
    outcomes: Vec<Outcome>,
    /// Rounds that did not come to their end, and why.
    broken: Vec<(Scenario, String)>,
    /// Of a scenario, or of none in particular.
    violations: Vec<(Option<Scenario>, String)>,
}

impl Outcome {
    fn playing(&self) -> impl Iterator<Item = Duration> {
        self.fates.values().filter_map(|it| match it {
            Fate::Recovered { playing, .. } => Some(*playing),
            Fate::PlayedOn | Fate::Failed(_) => None,
        })
    }

    fn lost(&self) -> impl Iterator<Item = Duration> {
        self.fates.values().filter_map(|it| match it {
            Fate::Recovered { lost, .. } => *lost,
            Fate::PlayedOn | Fate::Failed(_) => None,
        })
    }

    fn failed(&self) -> impl Iterator<Item = (&String, &String)> {
        self.fates.iter().filter_map(|(room, fate)| match fate {
            Fate::Failed(why) => Some((room, why)),
            Fate::Recovered { .. } | Fate::PlayedOn => None,
        })
    }

    /// Whether it was as expected.
    pub(super) fn is_well(&self) -> bool {
        self.failed().next().is_none()
    }

    /// A line for who watches.
    pub(super) fn line(&self) -> String {
        let mut line = format!("  {} {}:", self.scenario, self.round);
        let count = self.playing().count();
        // Writing to a text cannot fail.
        if let Some(detect) = self.detect {
            let _ = write!(line, " sure after {} ms,", detect.as_millis());
        }
        if let Some(last) = self.playing().max() {
            let _ = write!(line, " {count} rooms are played again, the last after {} ms,", last.as_millis());
        }
        if let Some(lost) = self.lost().max() {
            let _ = write!(line, " {} ms are lost at most,", lost.as_millis());
        }
        let on = self.fates.values().filter(|it| **it == Fate::PlayedOn).count();
        if 0 < on {
            let _ = write!(line, " {on} rooms noticed nothing,");
        }
        let _ = write!(line, " in {:.1} s", self.took.as_secs_f64());
        for (room, why) in self.failed() {
            let _ = write!(line, "\n    {room} FAILED: {why}");
        }
        line
    }
}

impl Report {
    /// Of nothing yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let Plan { seed, standby, store_down, .. } = *plan;
        Self { seed, standby, store_down, outcomes: Vec::new(), broken: Vec::new(), violations: Vec::new() }
    }

    pub(super) fn add(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }

    pub(super) fn broken(&mut self, scenario: Scenario, why: String) {
        self.broken.push((scenario, why));
    }

    pub(super) fn violations(&mut self, of: Option<Scenario>, what: impl IntoIterator<Item = String>) {
        self.violations.extend(what.into_iter().map(|it| (of, it)));
    }

    /// Whether all went as it should.
    pub fn is_clean(&self) -> bool {
        let has_failed = !self.outcomes.iter().all(Outcome::is_well);
        self.broken.is_empty() && self.violations.is_empty() && !has_failed
    }

    fn scenarios(&self) -> Vec<Scenario> {
        let played = self.outcomes.iter().map(|it| it.scenario);
        let mut all: Vec<_> = played.chain(self.broken.iter().map(|it| it.0)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn of(&self, scenario: Scenario) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |it| it.scenario == scenario)
    }

    fn failed(&self, scenario: Scenario) -> usize {
        let rooms = self.of(scenario).map(|it| it.failed().count()).sum::<usize>();
        rooms + self.broken.iter().filter(|it| it.0 == scenario).count()
    }

    /// A table for people, with all that went wrong.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<20}{:>7}{:>10}{:>8}{:>20}{:>20}{:>22}{:>16}\n",
            "SCENARIO",
            "ROUNDS",
            "RECOVERED",
            "FAILED",
            "NOTICED P50 / P99",
            "SURE P50 / P99",
            "PLAYED AGAIN P50/P99",
            "LOST P50/P99"
        );
        for scenario in self.scenarios() {
            let rounds = self.of(scenario).count();
            let recovered = self.of(scenario).flat_map(Outcome::playing).count();
            // Writing to a text cannot fail.
            let _ = writeln!(
                table,
                "{:<20}{rounds:>7}{recovered:>10}{:>8}{:>20}{:>20}{:>22}{:>16}",
                scenario.to_string(),
                self.failed(scenario),
                pair(self.of(scenario).filter_map(|it| it.noticed)),
                pair(self.of(scenario).filter_map(|it| it.detect)),
                pair(self.of(scenario).flat_map(Outcome::playing)),
                pair(self.of(scenario).flat_map(Outcome::lost)),
            );
        }
        for outcome in &self.outcomes {
            for (room, why) in outcome.failed() {
                let _ = writeln!(table, "{} {}: {room}: {why}", outcome.scenario, outcome.round);
            }
        }
        for (scenario, why) in &self.broken {
            let _ = writeln!(table, "{scenario}: {why}");
        }
        for (scenario, what) in &self.violations {
            let of = scenario.map_or_else(|| "a promise was broken".to_owned(), |it| it.to_string());
            let _ = writeln!(table, "{of}: {what}");
        }
        table
    }

    /// An object for programs. Times are in milliseconds; of what never happened they are null.
    pub fn json(&self) -> Value {
        let scenarios = self.scenarios().into_iter().map(|scenario| {
            let violations = self.violations.iter().filter(|it| it.0 == Some(scenario)).map(|it| &it.1);
            json!({
                "scenario": scenario.to_string(),
                "rounds": self.of(scenario).count(),
                "detect_ms": json_of(self.of(scenario).filter_map(|it| it.detect)),
                "playing_ms": json_of(self.of(scenario).flat_map(Outcome::playing)),
                "lost_ms": json_of(self.of(scenario).flat_map(Outcome::lost)),
                "recovered": self.of(scenario).flat_map(Outcome::playing).count(),
                "failed": self.failed(scenario),
                "violations": violations.collect::<Vec<_>>(),
            })
        });
        let other: Vec<_> = self.violations.iter().filter(|it| it.0.is_none()).map(|it| &it.1).collect();
        json!({
            "seed": self.seed,
            "standby": self.standby,
            "store_down": self.store_down,
            "scenarios": scenarios.collect::<Vec<_>>(),
            "violations": other,
        })
    }
}

/// For people.
fn pair(all: impl Iterator<Item = Duration>) -> String {
    spread(all).map_or_else(|| "-".to_owned(), |it| format!("{:.0} / {:.0} ms", it.p50, it.p99))
}

/// In milliseconds; with null for what never happened.
fn json_of(all: impl Iterator<Item = Duration>) -> Value {
    let spread = spread(all);
    json!({ "p50": spread.map(|it| it.p50), "p99": spread.map(|it| it.p99), "max": spread.map(|it| it.max) })
}

fn spread(all: impl Iterator<Item = Duration>) -> Option<Spread> {
    Spread::of(all.map(|it| it.as_secs_f64() * 1000.0))
}

#[cfg(test)]
mod tests;
