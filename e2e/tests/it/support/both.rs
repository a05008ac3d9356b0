//! Scenarios for every game server that speaks the control protocol, whoever wrote it.

use anyhow::{Context as _, Result};
use e2e::arena::Arena;
use e2e::testenv::GameServer;
use futures::future::try_join;
use serde_json::{Value, json};

use super::together;

/// One of the servers that speak the control protocol, and the fleet that a scenario has of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) server: GameServer,
    pub(crate) fleet: &'static str,
}

/// Written by the manual alone, and made with the SDK.
pub(crate) const BOTH: [Kind; 2] =
    [Kind { server: GameServer::Go, fleet: "go" }, Kind { server: GameServer::Rust, fleet: "rust" }];

/// Plays a scenario with both servers at the same time; others may run beside.
pub(crate) async fn with_both(name: &str, play: impl AsyncFn(&Arena, Kind) -> Result<()>) -> Result<()> {
    together(name, async |arena| {
        let [one, other] = BOTH;
        let told = async |kind: Kind| play(arena, kind).await.with_context(|| format!("{:?}", kind.server));
        try_join(told(one), told(other)).await.map(drop)
    })
    .await
}

impl Kind {
    /// Makes the fleet, and waits until all its servers are ready; `rooms` is the fleet's `spec.rooms`.
    pub(crate) async fn ready(self, arena: &Arena, replicas: i32, rooms: Value) -> Result<()> {
        let change = json!({ "spec": { "rooms": rooms } });
        arena.ready_fleet_of(self.server, self.fleet, replicas, change).await
    }

    /// The name of a room of this fleet.
    pub(crate) fn room(self, name: impl std::fmt::Display) -> String {
        format!("{}-{name}", self.fleet)
    }
}
