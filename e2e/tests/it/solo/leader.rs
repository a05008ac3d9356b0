//! Leaders end, again and again, and one stands still and wakes.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::faults::Signal;
use futures::future::try_join_all;
use rand::RngExt as _;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::{Arena, Operators, alone};

const FLEET: &str = "arena";

const KILLS: u32 = 20;

/// Matches that begin and end all the time, beside those that last.
const TABLES: usize = 6;

/// Longer than a lease.
const STANDSTILL: Duration = Duration::from_secs(6);

#[tokio::test]
async fn killing_the_leader_20_times_ends_no_match_and_gives_no_room_two_servers() -> Result<()> {
    alone("leader", async |arena| {
        let operators = Operators::of(arena.namespace().env());
        operators.available().await?;
        arena.ready_fleet(FLEET, 12, json!({})).await?;
        let lasting = try_join_all(["a", "b"].map(|room| arena.start(room, FLEET))).await?;
        let enough = CancellationToken::new();
        let disturb = async {
            let outcome = disturb(&operators).await;
            enough.cancel();
            outcome
        };
        let tables = try_join_all((0..TABLES).map(|table| matches(arena, table, &enough)));
        let (kept, played) = tokio::join!(disturb, tables);
        kept?;
        let played: usize = played?.into_iter().sum();
        e2e::progress::say(&format!("{played} matches were played while leaders were killed"));
        // Each leader has had something to do.
        ensure!(usize::try_from(KILLS)? < played, "only {played} matches were played");
        for game in lasting {
            game.goes_on()?;
            arena.finish(game).await?;
        }
        operators.available().await?;
        let nodes = operators.nodes().await?;
        ensure!(1 < nodes.len(), "all operators are on {nodes:?}: who loses it has nobody left to watch");
        arena.settled(FLEET).await?;
        // No room had a second server.
        let tally = arena.verdict()?;
        ensure!(
            (tally.placed, tally.servers) == (played + 2, played + 2),
            "{tally:?} after {played} matches"
        );
        Ok(())
    })
    .await
}

async fn disturb(operators: &Operators) -> Result<()> {
    let mut leader = operators.leader(None).await?;
    for _ in 0..KILLS {
        operators.kill(&leader).await?;
        leader = operators.leader(Some(&leader)).await?;
        // Anywhere between its first request and its daily business.
        let moment = rand::rng().random_range(0..1500);
        sleep(Duration::from_millis(moment)).await;
    }
    operators.available().await?;
    let leader = operators.leader(None).await?;
    operators.signal(&leader, Signal::Stop).await?;
    let next = operators.leader(Some(&leader)).await;
    sleep(STANDSTILL).await;
    // In any case: it would stand still for ever.
    operators.signal(&leader, Signal::Cont).await?;
    let next = next?;
    sleep(STANDSTILL).await;
    let still = operators.leader(None).await?;
    ensure!(still == next, "{leader:?} woke, and {still:?} leads instead of {next:?}");
    Ok(())
}

/// Plays one match after the other, and returns how many.
async fn matches(arena: &Arena, table: usize, enough: &CancellationToken) -> Result<usize> {
    let mut played = 0;
    while !enough.is_cancelled() {
        let room = format!("table-{table}-{played}");
        let game = arena.start(&room, FLEET).await?;
        let length = rand::rng().random_range(500..4000);
        sleep(Duration::from_millis(length)).await;
        arena.finish(game).await?;
        let status = arena.room_status(&room)?;
        ensure!(status.recoveries == 0, "{room} was placed again: {status:?}");
        played += 1;
    }
    Ok(played)
}
