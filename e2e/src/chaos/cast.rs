//! Who takes part: the fleets, and the rooms that a seed makes.

use std::time::Duration;

use gamekeeper_crds::room::Recovery;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::Plan;
use crate::testenv::GameServer;

/// A fleet of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fleet {
    pub(super) name: &'static str,
    pub(super) server: GameServer,
    pub(super) servers: i32,
    /// On a server; plain ones have one.
    pub(super) most_rooms: Option<i32>,
}

/// Twice the places, and more, that rooms need at a time: some servers are lost, and some are on a node that is drained.
pub(super) const FLEETS: [Fleet; 3] = [
    Fleet { name: "plain", server: GameServer::Plain, servers: 36, most_rooms: None },
    Fleet { name: "go", server: GameServer::Go, servers: 6, most_rooms: Some(8) },
    Fleet { name: "rust", server: GameServer::Rust, servers: 6, most_rooms: Some(8) },
];

/// The shortest life of a room.
const SHORTEST: Duration = Duration::from_secs(1);

/// A room that is to be made and played.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) fleet: Fleet,
    pub(super) recovery: Recovery,
    /// How long its match lasts.
    pub(super) life: Duration,
    /// When it is made, after the start.
    pub(super) at: Duration,
}

/// The rooms of a plan.
pub(super) fn parts(plan: &Plan, chance: &mut StdRng) -> Vec<Part> {
    let recoveries = [Recovery::Restart, Recovery::Restore, Recovery::Fail];
    let part = |(number, fleet): (usize, &Fleet)| Part {
        name: format!("{}-{number}", fleet.name),
        fleet: *fleet,
        recovery: recoveries[chance.random_range(0..recoveries.len())],
        // A server reads it with one digit.
        life: Duration::from_millis(
            100 * u64::try_from(chance.random_range(SHORTEST..=plan.longest).as_millis() / 100).unwrap_or(10),
        ),
        at: chance.random_range(Duration::ZERO..plan.span()),
    };
    (0..plan.rooms).zip(FLEETS.iter().cycle()).map(part).collect()
}

impl Part {
    /// What is special about the room, as a merge patch.
    pub(super) fn manifest(&self) -> Value {
        let mut spec = json!({ "recovery": self.recovery });
        if self.is_shared() {
            let seconds = format!("{:.1}", self.life.as_secs_f64());
            spec["parameters"] = json!({ "seconds": seconds, "result": self.name });
        }
        json!({ "spec": spec })
    }

    /// Whether its server has others beside it. Then it ends its matches by itself, and has a result.
    pub(super) fn is_shared(&self) -> bool {
        self.fleet.most_rooms.is_some()
    }
}
