//! `gk chaos SCENARIO…`.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::ground::{End, Ground};
use super::mended::mended;
use crate::arena::Arena;
use crate::chaos::recovery::{Plan, Scenario, run};
use crate::progress::say;

/// A player that is shown nothing new for so long has noticed something. It is far more than a busy machine does.
const GAP_MAX: Duration = Duration::from_secs(1);

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
    /// Each server has a standby
    #[arg(long)]
    standby: bool,
    /// The store stands still while servers are hit; only process-crash and container-oom are survived then
    #[arg(long, requires = "standby")]
    store_down: bool,
    /// The rooms of mass-loss
    #[arg(long, value_name = "ROOMS", default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=1000))]
    mass_rooms: u16,
    #[command(flatten)]
    ground: Ground,
}

impl Recovery {
    pub(super) async fn run(self) -> Result<()> {
        let Self { scenarios, rounds, seed, standby, store_down, mass_rooms, ground } = self;
        let scenarios = if scenarios.is_empty() { Scenario::all() } else { scenarios };
        if let Some(other) = scenarios.iter().find(|it| store_down && !it.is_proven()) {
            ensure!(
                false,
                "{other} needs the store: leave out --store-down, or name process-crash or container-oom"
            );
        }
        let seed = seed.unwrap_or_else(rand::random);
        let namespace = ground.enter().await?;
        say(&format!(
            "{} scenarios, {rounds} rounds each, --seed {seed}, in the namespace {}",
            scenarios.len(),
            namespace.name()
        ));
        let arena = Arena::open(namespace.clone());
        let plan = Plan { scenarios, rounds, seed, standby, store_down, mass_rooms, gap_max: GAP_MAX };
        let run = async |faults: &_, folder: &_| run(&arena, faults, folder, &plan).await;
        let report = mended(&namespace, run).await?;
        ground
            .leave(
                &namespace,
                End { table: report.table(), json: report.json(), is_clean: report.is_clean() },
            )
            .await
    }
}
