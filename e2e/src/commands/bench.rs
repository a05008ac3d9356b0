//! `gk bench`.

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde_json::Value;

use super::format::Format;
use crate::bench::{self, Plan};
use crate::cluster::Slot;
use crate::progress::step;
use crate::target::Target;
use crate::{command, programs};

/// Measure something beside what it is made of, in the same run
#[derive(Debug, clap::Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Fleet(Fleet),
}

/// Fleets: real pods beside a Deployment, then thousands of pods on hollow nodes beside a bare loop that creates them
#[derive(Debug, clap::Args)]
struct Fleet {
    /// The cluster's slot; one that runs is used [default: that of KUBECONFIG, or 0]
    #[arg(long)]
    slot: Option<Slot>,
    /// Only one of the two parts
    #[arg(long, value_enum)]
    only: Option<bench::Part>,
    /// How often each side is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// How many servers on real nodes
    #[arg(long, default_value_t = 40)]
    real: usize,
    /// How many servers on hollow nodes
    #[arg(long, default_value_t = 2000)]
    hollow: usize,
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Bench {
    pub(super) async fn run(self) -> Result<()> {
        if cfg!(debug_assertions) {
            return again_for_release().await;
        }
        let What::Fleet(fleet) = self.what;
        let Fleet { slot, only, rounds, real, hollow, output } = fleet;
        let target = Target::choose(slot)?;
        let report = bench::fleet(target, &Plan { only, rounds, real, hollow }).await?;
        match output {
            Format::Text => print(&report, 0),
            Format::Json => println!("{report}"),
        }
        Ok(())
    }
}

/// What is measured is built for release, so what it is measured against and with has to be too.
async fn again_for_release() -> Result<()> {
    let program = step("building the bench for release", programs::rust("e2e", "gk")).await?;
    let mut bench = command::program(&program);
    let status = bench.args(std::env::args_os().skip(1)).status().await.context("cannot run the bench")?;
    if !status.success() {
        bail!("the bench failed: see above");
    }
    Ok(())
}

/// Prints an object as an indented list.
fn print(value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => {
                println!("{indent}{name}:");
                print(value, depth + 1);
            }
            _ => println!("{indent}{name}: {value}"),
        }
    }
}
