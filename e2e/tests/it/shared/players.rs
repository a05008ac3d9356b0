//! Matches of bots over QUIC, who check every tick.

mod bad_path;
mod matches;
mod tickets;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::bots::{Played, Table};
use futures::future::try_join_all;
use gamekeeper_crds::room::Phase;
use serde_json::json;

use crate::support::Arena;

/// The fleet of arenas.
const FLEET: &str = "arena";

/// Long enough for some checkpoints, one a second.
const LASTS: Duration = Duration::from_secs(12);

/// Makes rooms and waits until all of them run.
async fn rooms(arena: &Arena, names: &[String], lasts: Duration) -> Result<()> {
    let spec = json!({ "spec": {
        "seats": 4,
        "parameters": { "map": "harbour", "seconds": lasts.as_secs().to_string() },
    } });
    try_join_all(names.iter().map(|it| arena.create_room(it, FLEET, spec.clone()))).await?;
    for name in names {
        let runs = |it: &Arena| {
            let phase = it.room_status(name)?.phase;
            ensure!(phase == Phase::Running, "it is {phase:?}");
            Ok(())
        };
        arena.eventually(&format!("{name} to run"), runs).await?;
    }
    Ok(())
}

/// Four bots in a room, where its status says that it is.
fn table(arena: &Arena, room: &str) -> Result<Table> {
    let status = arena.room_status(room)?;
    ensure!(!status.certificate_hashes.is_empty(), "{room} does not say by what its server is known");
    Ok(Table {
        room: room.to_owned(),
        endpoints: status.endpoints.iter().map(|it| format!("{}:{}", it.address, it.port)).collect(),
        certificate_hashes: status.certificate_hashes,
        players: 4,
        tickets: Vec::new(),
    })
}

/// Whether all saw a match without fault to its end, and the same winner as the room's result. Each may have lost its
/// connection and come back to its seat `returns` times.
async fn all_is_well(arena: &Arena, names: &[String], seen: &[Played], returns: u64) -> Result<()> {
    for name in names {
        let bots: Vec<_> = seen.iter().filter(|it| it.room == *name).collect();
        ensure!(bots.len() == 4, "{name}: {} bots", bots.len());
        for bot in &bots {
            ensure!(bot.verified && bot.ended && bot.disconnects <= returns, "{bot:#?}");
        }
        let finished = |it: &Arena| {
            let status = it.room_status(name)?;
            ensure!(status.phase == Phase::Finished, "it is {:?}", status.phase);
            Ok(status.result)
        };
        let result = arena.eventually(&format!("{name} to be Finished"), finished).await?;
        let winner = result.get("winner").with_context(|| format!("{name} has no winner: {result:?}"))?;
        ensure!(
            bots.iter().all(|it| it.winner.as_ref() == Some(winner)),
            "{name} was won by {winner}: {bots:#?}"
        );
    }
    Ok(())
}
