//! `gk chaos SCENARIO`: one round of all that breaks. What is wrong is a match that is not played again or that moved, and all
//! that the checker finds; times are for measurements on a machine that does nothing else.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::chaos::recovery::{Folder, Plan, Scenario, run};
use e2e::faults::Faults;
use e2e::progress::say;

use crate::support::{Arena, alone};

/// As many as a busy machine can play.
const MASS_ROOMS: u16 = 60;

/// How long a player may be shown nothing while others' servers are hit. Who is never shown anything again is found at the end
/// of the round.
const GAP_MAX: Duration = Duration::from_mins(1);

#[tokio::test]
async fn p4_matches_outlive_whatever_breaks_and_nobody_leaves() -> Result<()> {
    alone("recovery", async |arena| recover(arena, plan(Scenario::all())).await).await
}

#[tokio::test]
async fn p4_with_a_standby_a_match_goes_on_though_the_store_is_away() -> Result<()> {
    let plan = Plan { standby: true, store_down: true, ..plan(vec![Scenario::ProcessCrash]) };
    alone("recovery-standby", async |arena| recover(arena, plan).await).await
}

fn plan(scenarios: Vec<Scenario>) -> Plan {
    Plan {
        scenarios,
        rounds: 1,
        seed: rand::random(),
        standby: false,
        store_down: false,
        mass_rooms: MASS_ROOMS,
        gap_max: GAP_MAX,
    }
}

async fn recover(arena: &Arena, plan: Plan) -> Result<()> {
    let env = arena.namespace().env();
    let faults = Faults::of(env.ours("breaking servers and nodes")?, env.client());
    let folder = Folder::make(arena.namespace().name())?;
    say(&format!("{plan:?}, in {}", folder.path().display()));
    let report = run(arena, &faults, &folder, &plan).await;
    // In any case: all other scenarios need what was broken.
    faults.mend().await?;
    let report = report?;
    say(&report.table());
    ensure!(report.is_clean(), "not all went as it should: {}", report.table());
    folder.remove()
}
