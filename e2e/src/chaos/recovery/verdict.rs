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

/// Broken promises, each of a scenario or of none in particular. Leaves its whole answer, and a picture of each fault.
pub(super) async fn violations(checker: &Path, part: &Part) -> Result<Vec<(Option<Scenario>, String)>> {
    let mut command = program(checker);
    command.arg(part.path()).args(["--output", "json", "--timeline"]).arg(part.path().join("timeline"));
    // It fails when it has found something: that is told by what it prints.
    let output = command.output().await.context("run the checker")?;
    let words = String::from_utf8_lossy(&output.stderr);
    let found = read(&output.stdout).with_context(|| format!("the checker says: {words}"))?;
    write_whole(&part.path().join(FILE), &output.stdout)?;
    Ok(found)
}

fn read(answer: &[u8]) -> Result<Vec<(Option<Scenario>, String)>> {
    let Report { scenarios, violations } =
        serde_json::from_slice(answer).context("understand the checker's answer")?;
    let of_scenarios = scenarios.into_iter().flat_map(|it| {
        let scenario = Scenario::from_str(&it.scenario, false).ok();
        it.violations.into_iter().map(move |it| (scenario, it))
    });
    Ok(violations.into_iter().map(|it| (None, it)).chain(of_scenarios).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_told_with_their_scenario() {
        let answer = br#"{
            "scenarios": [
                { "scenario": "node-cut", "rounds": 1, "recovered": 2, "violations": ["two owners"] },
                { "scenario": "etcd-kill", "rounds": 1, "violations": [] }
            ],
            "violations": ["too early"]
        }"#;
        let expected = [(None, "too early".to_owned()), (Some(Scenario::NodeCut), "two owners".to_owned())];
        assert_eq!(read(answer).unwrap(), expected);
        assert!(read(b"it broke down").is_err());
    }
}
