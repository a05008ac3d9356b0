//! What a player costs: the arena on one core, its bots on the other, beside a bare QUIC echo and a bare UDP echo that carry
//! the same packets.

mod echo;
mod load;
mod server;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::statistics::{figure, median, rounded};
use crate::progress::{say, step};
use crate::{cost, programs, testenv};
pub use echo::{Echo, Kind};
use load::{Load, Reading};
use server::Server;

/// As a real game has it.
const PLAYERS_PER_ROOM: usize = 16;

/// Neither core may be busier, in percent: above that, what is measured is a queue.
const BUSY_MAX: f64 = 85.0;

/// Ticks take no longer, in milliseconds: three quarters of what there is.
const TICK_P99_MAX_MS: f64 = 25.0;

/// For the first load, which every machine carries.
const FIRST_PLAYERS: usize = 8 * PLAYERS_PER_ROOM;

/// How often the load is corrected.
const ATTEMPTS: usize = 4;

/// The share of the allowed load that is aimed at, so that a correction is seldom needed.
const AIM: f64 = 0.93;

/// Rooms that nobody plays in, for what each costs.
const EMPTY_ROOMS: usize = 1000;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each side is measured; the median counts.
    pub rounds: u8,
    /// How long a window is.
    pub window: Duration,
    /// The load; searched for, if none.
    pub players: Option<usize>,
}

/// The programs that are measured.
struct Programs {
    arena: PathBuf,
    ours: PathBuf,
}

/// Measures the cost of players.
pub async fn players(plan: &Plan) -> Result<Value> {
    ensure!(
        2 <= std::thread::available_parallelism()?.get(),
        "this takes two cores: one for the server, one for the bots"
    );
    let arena = testenv::arena_program().await?;
    let programs = Programs { arena, ours: std::env::current_exe().context("find this program")? };
    let before = super::stage::load_average();
    let players = match plan.players {
        Some(players) => players,
        None => highest_load(&programs).await?,
    };
    let (mut ours, mut quinn, mut udp) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        say(&format!("round {round} of {}: {players} players", plan.rounds));
        let reading = arena_at(&programs, players, plan.window).await?;
        let packets = reading.packets;
        tell("arena", &reading);
        ours.push(reading);
        for (kind, of) in [(Kind::Quic, &mut quinn), (Kind::Udp, &mut udp)] {
            let reading = echo::measure(&programs.ours, kind, players, packets, plan.window).await?;
            tell(&format!("{kind:?} echo"), &reading);
            of.push(reading);
        }
    }
    let mut report = report(&ours, &quinn, &udp);
    report["players"] = players.into();
    report["rss_kib_per_room"] = rounded(empty_rooms(&programs).await?).into();
    report["allocations_per_tick"] = allocations(players.min(FIRST_PLAYERS)).await?;
    report["load_average"] = json!({ "before": before, "after": super::stage::load_average() });
    Ok(report)
}

/// The most players for whom neither core is too busy and no tick too late.
async fn highest_load(programs: &Programs) -> Result<usize> {
    const LOOK: Duration = Duration::from_secs(4);
    let (mut players, mut best) = (FIRST_PLAYERS, 0);
    for _ in 0..ATTEMPTS {
        let reading = arena_at(programs, players, LOOK).await?;
        tell(&format!("a look at {players} players"), &reading);
        let busiest = reading.server_percent.max(reading.bots_percent);
        let is_fine = busiest <= BUSY_MAX && reading.tick_p99_ms <= TICK_P99_MAX_MS;
        if is_fine {
            best = best.max(players);
            if AIM * 0.95 * BUSY_MAX <= busiest {
                break;
            }
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of rooms, far below any limit"
        )]
        let rooms = (figure(players) * AIM * BUSY_MAX / busiest / figure(PLAYERS_PER_ROOM)) as usize;
        let next = rooms.max(1) * PLAYERS_PER_ROOM;
        if next == players || (!is_fine && best != 0 && next <= best) {
            break;
        }
        players = next;
    }
    ensure!(best != 0, "{players} players are too many for this machine already");
    Ok(best)
}

/// The arena with so many players, sixteen in a room.
async fn arena_at(programs: &Programs, players: usize, window: Duration) -> Result<Reading> {
    let rooms = players.div_ceil(PLAYERS_PER_ROOM);
    let mut server = Server::start(&programs.arena, rooms).await?;
    server.open(rooms).await?;
    let load = Load { players, per_room: PLAYERS_PER_ROOM, window };
    let reading = load.measure(&programs.arena, &mut server).await;
    server.end().await?;
    reading
}

fn report(ours: &[Reading], quinn: &[Reading], udp: &[Reading]) -> Value {
    let of = |readings: &[Reading], pick: fn(&Reading) -> f64| median(readings.iter().map(pick));
    let cpu_us = |readings: &[Reading]| of(readings, |it| it.cpu_us_per_player_s);
    // What one core-second carries.
    let per_core = |readings: &[Reading]| (1e6 / cpu_us(readings)).floor();
    let pairs = |raw: &[Reading]| -> Vec<f64> {
        ours.iter()
            .zip(raw)
            .map(|(ours, raw)| rounded(raw.cpu_us_per_player_s / ours.cpu_us_per_player_s))
            .collect()
    };
    json!({
        "cpu_us_per_player_s": rounded(cpu_us(ours)),
        "players_per_core": per_core(ours),
        "server_core_percent": rounded(of(ours, |it| it.server_percent)),
        "bots_core_percent": rounded(of(ours, |it| it.bots_percent)),
        "bytes_per_player_s": rounded(of(ours, |it| it.bytes_down_per_player_s)),
        "bytes_per_player_tick": rounded(of(ours, |it| it.bytes_down_per_player_tick)),
        "snapshot_bytes_per_player_tick": rounded(of(ours, |it| it.snapshot_bytes_per_player_tick)),
        "tick_p99_ms": rounded(of(ours, |it| it.tick_p99_ms)),
        "verified": ours.iter().all(|it| it.is_verified),
        "raw_quinn_cpu_us_per_player_s": rounded(cpu_us(quinn)),
        "raw_quinn_players": per_core(quinn),
        "raw_udp_cpu_us_per_player_s": rounded(cpu_us(udp)),
        "raw_udp_players": per_core(udp),
        "ratio": rounded(per_core(ours) / per_core(quinn)),
        "ratios_by_pair": pairs(quinn),
    })
}

fn tell(what: &str, reading: &Reading) {
    say(&format!(
        "  {what}: {:.0} µs of CPU per player and second, server {:.0} %, players {:.0} % of a core, tick p99 {:.1} ms, {:.0} bytes down per player and tick, {:.0} of them snapshots",
        reading.cpu_us_per_player_s,
        reading.server_percent,
        reading.bots_percent,
        reading.tick_p99_ms,
        reading.bytes_down_per_player_tick,
        reading.snapshot_bytes_per_player_tick,
    ));
}

/// KiB that a room costs in which nobody is.
async fn empty_rooms(programs: &Programs) -> Result<f64> {
    let mut server = Server::start(&programs.arena, EMPTY_ROOMS).await?;
    let before = cost::rss_mib(server.pid()?)?;
    server.open(EMPTY_ROOMS).await?;
    let after = cost::rss_mib(server.pid()?)?;
    server.end().await?;
    Ok((after - before) * 1024.0 / figure(EMPTY_ROOMS))
}

/// Allocations of the threads that tick, for each room's tick once they are warm: of a build that counts them.
async fn allocations(players: usize) -> Result<Value> {
    let build = programs::rust_with("arena", "arena", "count-allocations");
    let arena = step("building an arena that counts its allocations", build).await?;
    let counting = Programs { arena, ours: PathBuf::new() };
    let rooms = players.div_ceil(PLAYERS_PER_ROOM);
    let mut server = Server::start(&counting.arena, rooms).await?;
    server.open(rooms).await?;
    let load = Load { players, per_room: PLAYERS_PER_ROOM, window: Duration::from_secs(10) };
    load.measure(&counting.arena, &mut server).await?;
    let counted = server.allocations_per_tick();
    server.end().await?;
    Ok(counted.map_or(Value::Null, |it| rounded(it).into()))
}

const _: () = assert!(PLAYERS_PER_ROOM <= 32, "the arena has no more seats");
