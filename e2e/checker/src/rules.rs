//! What may not be.

mod inputs;
mod owners;
mod players;
mod states;

use std::fmt;

use crate::{History, Record, history::Room, record::Fault};

/// What is allowed beyond what the record of a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How much longer than the checkpoint interval an acknowledged input may be on its way into a checkpoint.
    pub margin_ms: u64,
}

/// A promise or an invariant is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The last scenario and round before it; none: it came before all of them.
    pub scenario: Option<(String, u32)>,
    /// What happened.
    pub text: String,
}

/// One tick and a little: the store is asked after the tick, and answers.
const MARGIN_MS: u64 = 50;

impl Default for Limits {
    fn default() -> Self {
        Self { margin_ms: MARGIN_MS }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scenario {
            Some((scenario, round)) => write!(f, "{scenario} {round}: {}", self.text),
            None => self.text.fmt(f),
        }
    }
}

/// Where rules write down what they find.
struct Findings<'a> {
    record: &'a Record,
    found: Vec<Violation>,
}

impl Findings<'_> {
    fn add(&mut self, at_ns: u64, text: String) {
        let scenario = self.record.before(at_ns).map(|it| (it.scenario.clone(), it.round));
        self.found.push(Violation { scenario, text });
    }

    fn add_of(&mut self, fault: &Fault, text: String) {
        self.found.push(Violation { scenario: Some((fault.scenario.clone(), fault.round)), text });
    }
}

/// Holds all rules against a run.
pub fn check(history: &History, record: &Record, limits: Limits) -> Vec<Violation> {
    let mut findings = Findings { record, found: Vec::new() };
    for journal in &history.full {
        findings.add(0, format!("the journal {journal} is full: what came then is not known"));
    }
    for (uid, room) in &history.rooms {
        owners::check(room, &mut findings);
        states::check(room, &history.full, &mut findings);
        inputs::check(room, limits, &mut findings);
        players::check(uid, room, &mut findings);
    }
    for fault in &record.faults {
        for uid in fault.rooms.iter().filter(|it| !history.rooms.contains_key(*it)) {
            findings.add_of(fault, format!("no journal knows the room {uid}"));
        }
    }
    findings.found
}

/// For people.
fn ms(ns: u64) -> u64 {
    ns / 1_000_000
}

/// The fault of which a restore is the answer, if the room is one of those that were hit.
fn cause<'a>(record: &'a Record, uid: &str, room: &Room, at_ns: u64) -> Option<&'a Fault> {
    let is_hit = |it: &&Fault| it.rooms.iter().any(|hit| hit == uid || *hit == room.name);
    record.before(at_ns).filter(is_hit)
}
