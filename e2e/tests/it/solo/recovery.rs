//! Small runs of `gk chaos SCENARIO`: one round each of what breaks in the ways that differ most.

use anyhow::{Result, ensure};
use e2e::chaos::recovery::{Folder, Plan, Scenario, run};
use e2e::faults::Faults;
use e2e::progress::say;

use crate::support::alone;

#[tokio::test]
async fn p4_matches_outlive_their_server_and_their_node_and_nobody_leaves() -> Result<()> {
    recover("recovery", &[Scenario::ProcessCrash, Scenario::PauseResume, Scenario::NodeCut]).await
}

#[tokio::test]
async fn i8_matches_run_on_without_the_store_or_without_the_operator() -> Result<()> {
    recover("recovery-alone", &[Scenario::RedisKill, Scenario::PartitionOperator]).await
}

async fn recover(name: &str, scenarios: &[Scenario]) -> Result<()> {
    alone(name, async |arena| {
        let env = arena.namespace().env();
        let faults = Faults::of(env.ours("breaking servers and nodes")?, env.client());
        let folder = Folder::make(arena.namespace().name())?;
        let plan = Plan { scenarios: scenarios.to_vec(), rounds: 1, seed: rand::random() };
        say(&format!("{plan:?}, in {}", folder.path().display()));
        let report = run(arena, &faults, &folder, &plan).await;
        // In any case: all other scenarios need what was broken.
        faults.mend().await?;
        let report = report?;
        say(&report.table());
        ensure!(report.is_clean(), "not all went as it should: {}", report.table());
        folder.remove()
    })
    .await
}
