//! What the checker says of a part of a run, by its journals and its record. It is a program of its own, that knows nothing of what the
//! runner believes to have seen.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use gamekeeper_checker::Report;

use super::folder::Part;
use super::scenario::Scenario;
use crate::command::program;
use crate::files::write_whole;
use crate::programs;
use crate::progress::step;

/// The package and its program.
const CHECKER: &str = "gamekeeper-checker";

/// What it found, in the folder of the part.
const FILE: &str = "verdict.json";

/// Builds the checker.
pub(super) async fn checker() -> Result<PathBuf> {
    step("building the checker", programs::rust(CHECKER, CHECKER)).await
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Broken promises, each of a scenario or of none in particular.
    pub(super) violations: Vec<(Option<Scenario>, String)>,
    /// When the steps of recoveries were taken: a table for people.
    pub(super) steps: String,
}

/// Lets it judge. Leaves its whole answer, and a picture of each fault.
pub(super) async fn of(checker: &Path, part: &Part) -> Result<Verdict> {
    let mut command = program(checker);
    command.arg(part.path()).args(["--output", "json", "--timeline"]).arg(part.timeline());
    // It fails when it has found something: that is told by what it prints.
    let output = command.output().await.context("run the checker")?;
    let words = String::from_utf8_lossy(&output.stderr);
    let found = read(&output.stdout).with_context(|| format!("the checker says: {words}"))?;
    write_whole(&part.path().join(FILE), &output.stdout)?;
    Ok(found)
}

fn read(answer: &[u8]) -> Result<Verdict> {
    let report: Report = serde_json::from_slice(answer).context("understand the checker's answer")?;
    let steps = report.steps();
    let Report { scenarios, violations } = report;
    let of_scenarios = scenarios.into_iter().flat_map(|it| {
        let scenario = Scenario::from_str(&it.scenario, false).ok();
        it.violations.into_iter().map(move |it| (scenario, it))
    });
    let violations = violations.into_iter().map(|it| (None, it)).chain(of_scenarios).collect();
    Ok(Verdict { violations, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_told_with_their_scenario_and_steps_for_people() {
        let answer = br#"{
            "scenarios": [
                { "scenario": "node-cut", "rounds": 1, "recovered": 2, "violations": ["two owners"],
                  "steps": [{ "step": "placed", "p50": 310.2, "p99": 340.0, "max": 340.0 }] },
                { "scenario": "etcd-kill", "rounds": 1, "violations": [] }
            ],
            "violations": ["too early"]
        }"#;
        let expected = [(None, "too early".to_owned()), (Some(Scenario::NodeCut), "two owners".to_owned())];
        assert_eq!(read(answer).unwrap().violations, expected);
        let steps = read(answer).unwrap().steps;
        assert!(
            steps.contains("node-cut, 2 rooms") && steps.contains("placed") && steps.contains("310"),
            "{steps}"
        );
        assert!(read(b"it broke down").is_err());
    }
}
