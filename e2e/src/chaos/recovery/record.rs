//! What was done and when, for the checker: beside the journals, which tell what came of it.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::scenario::Scenario;
use super::steps::Step;
use crate::clock::Moment;
use crate::files::write_whole;

/// The name of the file in the folder of the part.
pub(super) const FILE: &str = "record.json";

/// The record of a part of a run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Record {
    faults: Vec<Entry>,
    steps: Vec<Step>,
}

/// A fault.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) scenario: Scenario,
    pub(super) round: u32,
    #[serde(rename = "fault_mono_ns")]
    pub(super) at: Moment,
    /// What was done, in words.
    pub(super) fault: String,
    /// The uids of the rooms that lose their server. Empty: none should notice it.
    pub(super) rooms: Vec<String>,
    /// The fleet's `state.fenceAfter`.
    pub(super) fence_ms: u64,
    /// The fleet's `state.checkpointInterval`.
    pub(super) interval_ms: u64,
}

impl Record {
    /// Adds a round, and writes all of it: a run that is interrupted can be judged too.
    pub(super) fn add(&mut self, folder: &Path, fault: Entry, steps: &[Step]) -> Result<()> {
        self.faults.push(fault);
        self.steps.extend_from_slice(steps);
        self.write(folder)
    }

    /// Writes it.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_whole(&folder.join(FILE), &serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_names_are_those_that_the_checker_reads() {
        let folder = std::env::temp_dir().join(format!("gamekeeper-record-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fault = Entry {
            scenario: Scenario::NodeCut,
            round: 2,
            at: Moment(7),
            fault: "node-2 loses the network".to_owned(),
            rooms: vec!["uid".to_owned()],
            fence_ms: 1000,
            interval_ms: 100,
        };
        let step =
            Step { name: "placed", at: Moment(9), room: Some("room-1".to_owned()), server: None, kind: None };
        Record::default().add(&folder, fault, &[step]).unwrap();
        let read: Value = serde_json::from_slice(&std::fs::read(folder.join(FILE)).unwrap()).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let fault = json!({
            "scenario": "node-cut", "round": 2, "fault_mono_ns": 7, "fault": "node-2 loses the network",
            "rooms": ["uid"], "fence_ms": 1000, "interval_ms": 100,
        });
        let step = json!({ "step": "placed", "mono_ns": 9, "room": "room-1" });
        assert_eq!(read, json!({ "faults": [fault], "steps": [step] }));
    }
}
