//! What came of a run: for programs, with names that stay, and for people.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use crate::{
    Record, Violation,
    measure::{Measured, STEPS},
};

/// Of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// In the order in which they were played first.
    pub scenarios: Vec<Scenario>,
    /// What was broken before the first of them.
    pub violations: Vec<String>,
}

/// All rounds of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scenario {
    /// Its name.
    pub scenario: String,
    /// How often it was played.
    pub rounds: usize,
    /// From the fault to when an operator noticed something, of each round the latest: for people.
    #[serde(skip)]
    pub noticed_ms: Option<Spread>,
    /// From the fault to when it was sure that all servers that were hit are lost.
    pub detect_ms: Option<Spread>,
    /// From the fault to the first tick at the slowest player of a room.
    pub playing_ms: Option<Spread>,
    /// Play that was lost.
    pub lost_ms: Option<Spread>,
    /// Rooms that were hit and are played again by all who were there.
    pub recovered: usize,
    /// Rooms that were hit and are not.
    pub failed: usize,
    /// How long after the fault each step of a recovery was taken, of all rooms, in the order of [`STEPS`]; without
    /// those that nobody saw.
    pub steps: Vec<Taken>,
    /// In words.
    pub violations: Vec<String>,
}

/// When a step was taken, in milliseconds after the fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// One of [`STEPS`].
    pub step: String,
    /// Of all rooms.
    #[serde(flatten)]
    pub ms: Spread,
}

/// Of some measurements: by nearest rank, so that each is one that was made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// All but one of a hundred are not above.
    pub p99: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// `None`: nothing was measured.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let rank = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).copied().map(rounded)
        };
        Some(Self { p50: rank(50)?, p99: rank(99)?, max: rank(100)? })
    }
}

impl Report {
    /// Of what was found.
    pub fn new(record: &Record, measured: &[Measured], violations: &[Violation]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for fault in &record.faults {
            if !names.contains(&fault.scenario.as_str()) {
                names.push(&fault.scenario);
            }
        }
        let scenario = |name: &str| {
            let of: Vec<&Measured> = measured.iter().filter(|it| it.scenario == name).collect();
            let is_of = |it: &&Violation| it.scenario.as_ref().is_some_and(|(it, _)| it == name);
            let recovered = of.iter().filter(|it| it.playing_ms.is_some()).count();
            Scenario {
                scenario: name.to_owned(),
                rounds: record.faults.iter().filter(|it| it.scenario == name).count(),
                noticed_ms: latest(&of, |it| it.noticed_ms),
                detect_ms: latest(&of, |it| it.detect_ms),
                playing_ms: Spread::of(of.iter().filter_map(|it| it.playing_ms)),
                lost_ms: Spread::of(of.iter().filter_map(|it| it.lost_ms)),
                recovered,
                failed: of.len() - recovered,
                steps: taken(&of),
                violations: violations.iter().filter(is_of).map(ToString::to_string).collect(),
            }
        };
        let of_none = violations.iter().filter(|it| it.scenario.is_none());
        Self {
            scenarios: names.into_iter().map(scenario).collect(),
            violations: of_none.map(ToString::to_string).collect(),
        }
    }

    /// No promise was broken, and every room came back.
    pub fn is_good(&self) -> bool {
        let is_good = |it: &Scenario| it.failed == 0 && it.violations.is_empty();
        self.violations.is_empty() && self.scenarios.iter().all(is_good)
    }

    /// For people: when the steps were taken.
    pub fn steps(&self) -> String {
        let mut out = String::new();
        for it in self.scenarios.iter().filter(|it| !it.steps.is_empty()) {
            let head = format!("{}, {} rooms", it.scenario, it.recovered + it.failed);
            let _ = writeln!(out, "{head:<36}{:>8}{:>8}{:>8}   (ms after the fault)", "p50", "p99", "max");
            for Taken { step, ms: Spread { p50, p99, max } } in &it.steps {
                let _ = writeln!(out, "  {step:<34}{p50:>8.0}{p99:>8.0}{max:>8.0}");
            }
        }
        out
    }

    /// For people: the scenarios, the steps of each room, what was broken.
    pub fn table(&self, measured: &[Measured]) -> String {
        let mut out = String::new();
        let heads = ("rounds", "noticed", "sure", "played again", "play lost", "failed");
        let _ = writeln!(
            out,
            "{:22} {:>6} {:>16} {:>16} {:>16} {:>16} {:>7}   (ms: p50 / p99)",
            "scenario", heads.0, heads.1, heads.2, heads.3, heads.4, heads.5
        );
        for it in &self.scenarios {
            let spreads = [it.noticed_ms, it.detect_ms, it.playing_ms, it.lost_ms];
            let [noticed, sure, playing, lost] = spreads.map(pair);
            let (name, rounds, failed) = (&it.scenario, it.rounds, it.failed);
            let _ = writeln!(
                out,
                "{name:22} {rounds:>6} {noticed:>16} {sure:>16} {playing:>16} {lost:>16} {failed:>7}"
            );
        }
        if !measured.is_empty() {
            let _ = write!(out, "\n{:22} {:16}", "after (ms)", "room");
            for it in STEPS {
                let _ = write!(out, " {it:>9}");
            }
            let _ = writeln!(out, " {:>7}", "lost");
        }
        for it in measured {
            let _ = write!(out, "{:22} {:16.16}", format!("{} {}", it.scenario, it.round), it.room);
            for step in it.steps {
                let _ = write!(out, " {:>9}", one(step));
            }
            let _ = writeln!(out, " {:>7}", one(it.lost_ms));
        }
        let of_scenarios = self.scenarios.iter().flat_map(|it| &it.violations);
        for (index, violation) in self.violations.iter().chain(of_scenarios).enumerate() {
            let _ = writeln!(out, "{}broken: {violation}", if index == 0 { "\n" } else { "" });
        }
        out
    }
}

/// When each step was taken, as far as anybody saw it.
fn taken(of: &[&Measured]) -> Vec<Taken> {
    let steps = STEPS.into_iter().enumerate().filter_map(|(index, step)| {
        let ms = Spread::of(of.iter().filter_map(|it| it.steps[index]))?;
        Some(Taken { step: step.to_owned(), ms })
    });
    steps.collect()
}

/// Of the rooms of each round, the latest time: a node is lost when all of its servers are.
fn latest(of: &[&Measured], time: impl Fn(&Measured) -> Option<f64>) -> Option<Spread> {
    let mut rounds: BTreeMap<u32, f64> = BTreeMap::new();
    for it in of {
        if let Some(time) = time(it) {
            let latest = rounds.entry(it.round).or_insert(time);
            *latest = latest.max(time);
        }
    }
    Spread::of(rounds.into_values())
}

fn pair(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |it| format!("{:.0} / {:.0}", it.p50, it.p99))
}

fn one(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |it| format!("{it:.0}"))
}

/// To tenths: nothing here is known better.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
