//! What was broken on purpose, as the runner wrote it down.

use serde::{Deserialize, Serialize};

/// The record of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// In the order of time.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What the logs tell.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its name.
    pub scenario: String,
    /// Of the scenario, from 0 or 1.
    pub round: u32,
    /// When.
    pub fault_mono_ns: u64,
    /// What was done, in words.
    #[serde(default)]
    pub fault: String,
    /// The uids of the rooms that lose their server by it. Empty: none is to notice it.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// The fleet's `state.fenceAfter`.
    pub fence_ms: u64,
    /// The fleet's `state.checkpointInterval`.
    pub interval_ms: u64,
}

/// Something that an operator, or a new owner, did or knew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Such as noticed, confirmed, placed, fenced, status.
    pub step: String,
    /// When.
    pub mono_ns: u64,
    /// The uid or the name of the room that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The pod that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What kind of loss it is taken for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl Record {
    /// Reads the runner's file: this object, or only the list of faults.
    pub fn parse(text: &[u8]) -> serde_json::Result<Self> {
        let value: serde_json::Value = serde_json::from_slice(text)?;
        let mut record = match value.is_array() {
            true => Self { faults: serde_json::from_value(value)?, steps: Vec::new() },
            false => serde_json::from_value(value)?,
        };
        record.faults.sort_by_key(|it| it.fault_mono_ns);
        Ok(record)
    }

    /// The last fault before this time.
    pub fn before(&self, mono_ns: u64) -> Option<&Fault> {
        self.faults.iter().rev().find(|it| it.fault_mono_ns <= mono_ns)
    }

    /// When the fault behind this one came, or the end of time.
    pub fn until(&self, fault: &Fault) -> u64 {
        let later = self.faults.iter().map(|it| it.fault_mono_ns).find(|it| fault.fault_mono_ns < *it);
        later.unwrap_or(u64::MAX)
    }
}
