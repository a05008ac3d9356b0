//! `gk chaos quiet`.

use std::time::Duration;

use anyhow::Result;

use super::ground::{End, Ground};
use super::mended::mended;
use crate::arena::Arena;
use crate::chaos::recovery::quiet;
use crate::progress::say;

/// Break nothing, and take all time of the machine while matches are played: nobody is to take that for a loss
#[derive(Debug, clap::Args)]
pub(super) struct Quiet {
    /// How long; matches do not last longer than an hour
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=55))]
    minutes: u64,
    #[command(flatten)]
    ground: Ground,
}

impl Quiet {
    pub(super) async fn run(self) -> Result<()> {
        let Self { minutes, ground } = self;
        let namespace = ground.enter().await?;
        say(&format!("{minutes} minutes, in the namespace {}", namespace.name()));
        let arena = Arena::open(namespace.clone());
        let run =
            async |faults: &_, folder: &_| quiet(&arena, faults, folder, Duration::from_mins(minutes)).await;
        let calm = mended(&namespace, run).await?;
        ground
            .leave(&namespace, End { table: calm.table(), json: calm.json(), is_clean: calm.is_clean() })
            .await
    }
}
