//! `gk bench`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde_json::Value;

use super::format::Format;
use crate::bench::allocate::Load;
use crate::bench::{self, Plan, allocate, checkpoint, idle, players};
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
    Allocate(Allocate),
    Idle(Idle),
    Server(Server),
    Checkpoint(Checkpoint),
}

/// What all benches are asked.
#[derive(Debug, clap::Args)]
struct Common {
    /// The cluster's slot; one that runs is used [default: that of KUBECONFIG, or 0]
    #[arg(long)]
    slot: Option<Slot>,
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Fleets: real pods beside a Deployment, then thousands of pods on hollow nodes beside a bare loop that creates them
#[derive(Debug, clap::Args)]
struct Fleet {
    #[command(flatten)]
    common: Common,
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
}

/// Rooms asked for by many at once, placed on hollow servers, beside a bare loop that only writes their statuses
#[derive(Debug, clap::Args)]
struct Allocate {
    #[command(flatten)]
    common: Common,
    /// How many rooms are asked for in a window, but for slow loads; 3,600 last eight seconds
    #[arg(long, default_value = "3600")]
    rooms: NonZeroUsize,
    /// How often each side is measured under each load; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// How many ask at once
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64", "200"])]
    concurrency: Vec<NonZeroUsize>,
    /// How many rooms a second are asked for, whatever comes of those before
    #[arg(long, value_delimiter = ',', default_values = ["50", "400"])]
    arrivals: Vec<NonZeroU32>,
}

/// A fleet at rest: servers with rooms and links, among ten thousand pods
#[derive(Debug, clap::Args)]
struct Idle {
    #[command(flatten)]
    common: Common,
    /// How many servers are linked and have a room
    #[arg(long, default_value_t = 1000)]
    servers: usize,
    /// How many pods there are in all; the rest are plain servers
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
}

/// A game server on one core, with bots on the other, beside a bare QUIC echo and a bare UDP echo with the same packets
#[derive(Debug, clap::Args)]
struct Server {
    /// How many players [default: as many as both cores carry]
    #[arg(long)]
    players: Option<usize>,
    /// How often each side is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// How many seconds a window is
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Checkpoints: a server whose rooms are kept in a Redis, beside the same one without a store
#[derive(Debug, clap::Args)]
struct Checkpoint {
    /// How large a room's state is, in KiB
    #[arg(long, value_delimiter = ',', default_values = ["8", "64", "256"])]
    state_kib: Vec<NonZeroUsize>,
    /// How often each side is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// How many seconds a window is
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Bench {
    pub(super) async fn run(self) -> Result<()> {
        if cfg!(debug_assertions) {
            return again_for_release().await;
        }
        let (report, output) = match self.what {
            What::Fleet(Fleet { common, only, rounds, real, hollow }) => {
                let plan = Plan { only, rounds, real, hollow };
                (bench::fleet(Target::choose(common.slot)?, &plan).await?, common.output)
            }
            What::Allocate(Allocate { common, rooms, rounds, concurrency, arrivals }) => {
                let concurrency = concurrency.into_iter().map(|it| Load::Concurrency(it.get()));
                let arrivals = arrivals.into_iter().map(|it| Load::ArrivalsPerS(it.get()));
                let plan = allocate::Plan {
                    rooms: rooms.get(),
                    rounds,
                    loads: concurrency.chain(arrivals).collect(),
                };
                (allocate::allocate(Target::choose(common.slot)?, &plan).await?, common.output)
            }
            What::Idle(Idle { common, servers, pods }) => {
                let plan = idle::Plan { servers, pods };
                (idle::idle(Target::choose(common.slot)?, &plan).await?, common.output)
            }
            What::Server(Server { players, rounds, seconds, output }) => {
                let plan = players::Plan { rounds, window: Duration::from_secs(seconds), players };
                (players::players(&plan).await?, output)
            }
            What::Checkpoint(Checkpoint { state_kib, rounds, seconds, output }) => {
                let state_kib = state_kib.into_iter().map(NonZeroUsize::get).collect();
                let plan = checkpoint::Plan { state_kib, rounds, window: Duration::from_secs(seconds) };
                (checkpoint::checkpoint(&plan).await?, output)
            }
        };
        print_report(&report, output);
        Ok(())
    }
}

fn print_report(report: &Value, output: Format) {
    match output {
        Format::Text => print(report, 0),
        Format::Json => println!("{report}"),
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

/// Prints an object as an indented list, and each object of an array under the array's name.
fn print(value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => {
                println!("{indent}{name}:");
                print(value, depth + 1);
            }
            Value::Array(items) if items.iter().all(Value::is_object) => {
                for item in items {
                    println!("{indent}{name}:");
                    print(item, depth + 1);
                }
            }
            _ => println!("{indent}{name}: {value}"),
        }
    }
}
