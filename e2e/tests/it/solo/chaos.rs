//! A small run of `gk chaos operator`.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::chaos::{self, Plan};
use e2e::progress::say;

use crate::support::alone;

const ROOMS: usize = 40;

const LONGEST: Duration = Duration::from_secs(15);

#[tokio::test]
async fn no_room_is_lost_or_doubled_while_leaders_servers_and_a_node_go_away() -> Result<()> {
    alone("chaos", async |arena| {
        // The nodes of other clusters have other names, and what is on them is not ours to move.
        arena.namespace().env().ours("draining a node")?;
        let plan = Plan { rooms: ROOMS, faults: 4, seed: rand::random(), longest: LONGEST };
        say(&format!("{plan:?}"));
        let report = chaos::operator(arena, &plan).await?;
        say(&report.table());
        ensure!(report.findings.is_clean(), "{:#?}", report.findings);
        ensure!(report.findings.rooms == ROOMS, "{} rooms were judged", report.findings.rooms);
        Ok(())
    })
    .await
}
