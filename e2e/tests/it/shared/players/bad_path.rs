//! Matches on a path that loses, delays and reorders datagrams, and that changes the players' addresses.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::bots::Bots;
use e2e::progress::say;
use e2e::relay::{Path, Relay};
use e2e::testenv::{GameServer, arena_program};
use serde_json::json;
use tokio::time::sleep;

use super::{FLEET, LASTS, all_is_well, rooms, table};
use crate::support::together;

/// Where what would confirm the new address is lost again and again, a client that hears nothing for some tenths of a second
/// takes its seat again by its secret, over another connection: nobody has left.
const RETURNS: u64 = 1;

/// A bad mobile network.
const BAD: Path =
    Path { loss: 0.05, delay: Duration::from_millis(40), jitter: Duration::from_millis(10), reordered: 0.02 };

#[tokio::test]
async fn a_bad_path_and_a_new_address_in_mid_match_cost_ticks_and_nobody_leaves() -> Result<()> {
    together("bad-path", async |arena| {
        arena.ready_fleet_of(GameServer::Arena, FLEET, 1, json!({})).await?;
        let names = ["storm".to_owned()];
        rooms(arena, &names, 2 * LASTS).await?;
        let mut table = table(arena, "storm")?;
        let server: SocketAddr = table.endpoints.first().context("no endpoint")?.parse()?;
        let seed = rand::random();
        say(&format!("{BAD:?} in each direction, seed {seed}"));
        let relay = Relay::start(server, BAD, seed).await?;
        table.endpoints = vec![format!("127.0.0.1:{}", relay.address().port())];
        let bots = Bots::play(&arena_program().await?, &[table]).await?;
        let rebinding = async {
            sleep(LASTS).await;
            relay.rebind().await;
            std::future::pending().await
        };
        let seen = tokio::select! {
            seen = bots.done() => seen?,
            never = rebinding => never,
        };
        all_is_well(arena, &names, &seen, RETURNS).await?;
        let (datagrams, lost, down) = relay.counts();
        let ticks: u64 = seen.iter().map(|it| it.ticks).sum();
        let gap = seen.iter().map(|it| it.max_gap_ticks).max().unwrap_or_default();
        let returns: u64 = seen.iter().map(|it| it.disconnects).sum();
        say(&format!("{datagrams} datagrams, {lost} lost; {ticks} ticks shown, the longest gap {gap}; {returns} came back; {down} bytes down"));
        ensure!(0 < lost && 0 < gap, "the path was a good one: {lost} of {datagrams} datagrams were lost");
        Ok(())
    })
    .await
}
