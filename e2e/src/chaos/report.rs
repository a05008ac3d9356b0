//! What came out, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use gamekeeper_crds::room::Phase;
use serde_json::{Value, json};

use super::cast::FLEETS;
use super::evidence::{Case, Evidence};
use super::havoc::Deeds;
use super::judge::Findings;

/// So many rooms of a kind are told of one by one.
const SHOWN: usize = 20;

/// What came out.
#[derive(Debug)]
pub struct Report {
    /// Broken promises.
    pub findings: Findings,
    deeds: Deeds,
    fleets: Vec<Row>,
    took: Duration,
}

/// What was seen of a fleet's rooms.
#[derive(Debug)]
struct Row {
    fleet: &'static str,
    rooms: usize,
    finished: usize,
    failed: usize,
    /// How often rooms were placed again.
    recoveries: i32,
    answers: usize,
    /// From a room's making until its first address was seen: the median, and the longest.
    placed: Option<(Duration, Duration)>,
}

impl Report {
    pub(super) fn new(evidence: &Evidence, findings: Findings, deeds: Deeds, took: Duration) -> Self {
        let fleets = FLEETS.map(|fleet| row(fleet.name, evidence)).into();
        Self { findings, deeds, fleets, took }
    }

    /// A table for people, with every broken promise.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<8}{:>7}{:>10}{:>8}{:>14}{:>10}{:>16}{:>16}\n",
            "FLEET",
            "ROOMS",
            "FINISHED",
            "FAILED",
            "PLACED AGAIN",
            "ANSWERS",
            "PLACED, MEDIAN",
            "PLACED, LATEST"
        );
        for row in &self.fleets {
            let (median, latest) = row.placed.unwrap_or_default();
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "{:<8}{:>7}{:>10}{:>8}{:>14}{:>10}{:>13} ms{:>13} ms",
                row.fleet,
                row.rooms,
                row.finished,
                row.failed,
                row.recoveries,
                row.answers,
                median.as_millis(),
                latest.as_millis()
            );
        }
        let Deeds { leaders_killed, leaders_stopped, servers_killed, servers_deleted, drain } = self.deeds;
        let _ = writeln!(
            text,
            "\n{leaders_killed} leaders were killed and {leaders_stopped} stopped, {servers_killed} servers killed and \
             {servers_deleted} deleted by force; a node was drained in {} s. It took {} s in all.\n",
            drain.as_secs(),
            self.took.as_secs()
        );
        let Findings { rooms: _, lost, doubled, ended_by_us, homeless, unseen_ends } = &self.findings;
        for (what, rooms) in [
            ("lost", lost),
            ("on two servers, or on one with too many", doubled),
            ("ended before their time by us", ended_by_us),
            ("published without an address", homeless),
            ("played again after an end that nobody saw", unseen_ends),
        ] {
            let _ = writeln!(text, "{:>4} rooms {what}", rooms.len());
            list(&mut text, rooms);
        }
        text
    }

    /// An object for programs.
    pub fn json(&self, seed: u64) -> Value {
        let Findings { rooms, lost, doubled, ended_by_us, homeless, unseen_ends } = &self.findings;
        let Deeds { leaders_killed, leaders_stopped, servers_killed, servers_deleted, drain } = self.deeds;
        let sum = |of: fn(&Row) -> usize| self.fleets.iter().map(of).sum::<usize>();
        json!({
            "rooms": rooms,
            "lost": lost.len(),
            "doubled": doubled.len(),
            "ended_by_us": ended_by_us.len(),
            "homeless": homeless.len(),
            "unseen_ends": unseen_ends.len(),
            "finished": sum(|it| it.finished),
            "failed": sum(|it| it.failed),
            "recoveries": self.fleets.iter().map(|it| it.recoveries).sum::<i32>(),
            "answers": sum(|it| it.answers),
            "leaders_killed": leaders_killed,
            "leaders_stopped": leaders_stopped,
            "servers_killed": servers_killed,
            "servers_deleted": servers_deleted,
            "drain_s": drain.as_secs(),
            "seconds": self.took.as_secs(),
            "seed": seed,
        })
    }
}

fn list(text: &mut String, rooms: &BTreeMap<String, String>) {
    for (room, why) in rooms.iter().take(SHOWN) {
        let _ = writeln!(text, "     {room}: {why}");
    }
    if SHOWN < rooms.len() {
        let _ = writeln!(text, "     … and {} more", rooms.len() - SHOWN);
    }
}

fn row(fleet: &'static str, evidence: &Evidence) -> Row {
    let cases: Vec<_> = evidence.cases.iter().filter(|it| it.part.fleet.name == fleet).collect();
    let status = |case: &&Case| case.end.clone().unwrap_or_default();
    let in_phase = |phase| cases.iter().filter(|it| status(it).phase == phase).count();
    let placed = cases.iter().filter_map(|it| Some(it.tenancies.first()?.from.duration_since(it.created)));
    let mut placed: Vec<_> = placed.collect();
    placed.sort();
    Row {
        fleet,
        rooms: cases.len(),
        finished: in_phase(Phase::Finished),
        failed: in_phase(Phase::Failed),
        recoveries: cases.iter().map(|it| status(it).recoveries).sum(),
        answers: cases.iter().flat_map(|it| &it.heard).map(|it| it.answers).sum(),
        placed: placed.get(placed.len() / 2).copied().zip(placed.last().copied()),
    }
}
