//! Matches on paths without fault.

use anyhow::{Result, ensure};
use e2e::bots::Bots;
use e2e::testenv::{GameServer, arena_program};
use serde_json::json;

use super::{FLEET, LASTS, all_is_well, rooms, table};
use crate::support::together;

#[tokio::test]
async fn bots_play_matches_to_their_end_and_every_checkpoint_is_right() -> Result<()> {
    together("players", async |arena| {
        arena.ready_fleet_of(GameServer::Arena, FLEET, 2, json!({})).await?;
        let names: Vec<_> = (1..=4).map(|it| format!("match-{it}")).collect();
        rooms(arena, &names, LASTS).await?;
        let tables = names.iter().map(|it| table(arena, it)).collect::<Result<Vec<_>>>()?;
        let seen = Bots::play(&arena_program().await?, &tables).await?.done().await?;
        all_is_well(arena, &names, &seen, 0).await?;
        let checkpoints: u64 = seen.iter().map(|it| it.checkpoints_verified).sum();
        ensure!(
            checkpoints > 16 * (LASTS.as_secs() - 4),
            "{checkpoints} checkpoints were verified: {seen:#?}"
        );
        Ok(())
    })
    .await
}
