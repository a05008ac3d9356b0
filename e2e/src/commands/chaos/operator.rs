//! `gk chaos operator`.

use std::time::Duration;

use anyhow::{Result, bail};

use super::ground::{End, Ground, how_to_remove, uncordon_all};
use crate::arena::Arena;
use crate::chaos::{self, Plan};
use crate::progress::say;

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
    #[command(flatten)]
    ground: Ground,
}

impl Operator {
    pub(super) async fn run(self) -> Result<()> {
        let Self { rooms, faults, seed, ground } = self;
        let seed = seed.unwrap_or_else(rand::random);
        let namespace = ground.enter().await?;
        say(&format!("{rooms} rooms, {faults} faults, --seed {seed}, in the namespace {}", namespace.name()));
        let arena = Arena::open(namespace.clone());
        let plan = Plan { rooms, faults, seed, longest: LONGEST };
        let report = tokio::select! {
            report = chaos::operator(&arena, &plan) => report,
            _ = tokio::signal::ctrl_c() => {
                uncordon_all(namespace.env()).await?;
                bail!("interrupted; {}", how_to_remove(&namespace));
            }
        }?;
        let (table, json) = (report.table(), report.json(seed));
        ground.leave(&namespace, End { table, json, is_clean: report.findings.is_clean() }).await
    }
}
