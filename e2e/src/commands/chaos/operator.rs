//! `gk chaos operator`.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::super::format::Format;
use crate::arena::Arena;
use crate::chaos::{self, Plan};
use crate::cluster::{Slot, Wish};
use crate::drain::uncordon;
use crate::progress::say;
use crate::target::Target;
use crate::testenv::{self, Env};

/// The longest life of a room.
const LONGEST: Duration = Duration::from_mins(1);

/// Kill and stop the operator's leader again and again, hit servers and drain a node, while rooms live on three fleets
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
    /// How many rooms are made, two a second
    #[arg(long, default_value_t = 300)]
    rooms: usize,
    /// How often the leader is hit; a third as many servers are
    #[arg(long, default_value_t = 30)]
    faults: u32,
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

impl Operator {
    pub(super) async fn run(self) -> Result<()> {
        let Self { rooms, faults, seed, nodes, slot, keep, output } = self;
        let seed = seed.unwrap_or_else(rand::random);
        let wish = Wish { nodes, ..Wish::default() };
        let env = Env::of(testenv::prepare(Target::choose(slot)?, wish).await?).await?;
        let nodes = env.ours("hitting servers and draining a node")?.nodes().count();
        ensure!(2 <= nodes, "one of {nodes} nodes cannot be drained: ask for more with --nodes");
        let namespace = env.namespace("chaos").await?;
        say(&format!("{rooms} rooms, {faults} faults, --seed {seed}, in the namespace {}", namespace.name()));
        let arena = Arena::open(namespace.clone());
        let plan = Plan { rooms, faults, seed, longest: LONGEST };
        let report = tokio::select! {
            report = chaos::operator(&arena, &plan) => report,
            _ = tokio::signal::ctrl_c() => {
                mend(&env).await?;
                bail!("interrupted; `kubectl delete namespace {}` removes what was made", namespace.name());
            }
        }?;
        let is_kept = keep || !report.findings.is_clean();
        if is_kept {
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
        ensure!(report.findings.is_clean(), "promises were broken: see above");
        Ok(())
    }
}

/// No node stays cordoned.
async fn mend(env: &Env) -> Result<()> {
    for node in env.ours("mending")?.nodes() {
        uncordon(env.kubectl(), &node.to_string()).await?;
    }
    Ok(())
}
