//! `gk chaos SCENARIO…`.

use anyhow::{Result, bail, ensure};

use super::super::format::Format;
use crate::arena::Arena;
use crate::chaos::recovery::{Folder, Plan, Scenario, run};
use crate::cluster::{Slot, Wish};
use crate::drain::uncordon;
use crate::faults::Faults;
use crate::progress::say;
use crate::target::Target;
use crate::testenv::{self, Env};

#[derive(Debug, clap::Args)]
pub(super) struct Recovery {
    /// What breaks [default: all of it]
    #[arg(value_name = "SCENARIO", value_enum)]
    scenarios: Vec<Scenario>,
    /// How often each is played
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What chance comes from; it is printed [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// How many nodes, at least 2 [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..))]
    nodes: Option<u8>,
    /// The cluster's slot; one that runs is used [default: that of KUBECONFIG, or 0]
    #[arg(long)]
    slot: Option<Slot>,
    /// Leave the namespace as it is at the end, to look around
    #[arg(long)]
    keep: bool,
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Recovery {
    pub(super) async fn run(self) -> Result<()> {
        let Self { scenarios, rounds, seed, nodes, slot, keep, output } = self;
        let seed = seed.unwrap_or_else(rand::random);
        let scenarios = if scenarios.is_empty() { Scenario::all() } else { scenarios };
        let wish = Wish { nodes, ..Wish::default() };
        let env = Env::of(testenv::prepare(Target::choose(slot)?, wish).await?).await?;
        let cluster = env.ours("breaking servers and nodes")?;
        let nodes = cluster.nodes().count();
        ensure!(2 <= nodes, "matches cannot go on elsewhere with {nodes} node: ask for more with --nodes");
        let namespace = env.namespace("chaos").await?;
        let folder = Folder::make(namespace.name())?;
        say(&format!(
            "{} scenarios, {rounds} rounds each, --seed {seed}, in the namespace {}",
            scenarios.len(),
            namespace.name()
        ));
        let faults = Faults::of(cluster, env.client());
        let arena = Arena::open(namespace.clone());
        let plan = Plan { scenarios, rounds, seed };
        let report = tokio::select! {
            report = run(&arena, &faults, &folder, &plan) => report,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        };
        // In any case: nothing stays broken.
        mend(&env, &faults).await?;
        say(&format!("\njournals, logs and the record are in {}", folder.path().display()));
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                bail!("{error:#}; `kubectl delete namespace {}` removes what was made", namespace.name())
            }
        };
        if keep || !report.is_clean() {
            say(&format!("the namespace {} stays, to look around", namespace.name()));
        } else {
            namespace.delete().await?;
        }
        match output {
            Format::Text => println!("{}", report.table()),
            Format::Json => {
                say(&report.table());
                println!("{}", report.json(seed));
            }
        }
        ensure!(report.is_clean(), "not all went as it should: see above");
        Ok(())
    }
}

/// What was broken, and nodes that were to have no pods.
async fn mend(env: &Env, faults: &Faults) -> Result<()> {
    faults.mend().await?;
    for node in faults.cluster().nodes() {
        uncordon(env.kubectl(), &node.to_string()).await?;
    }
    Ok(())
}
