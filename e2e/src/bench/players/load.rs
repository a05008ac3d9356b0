//! Bots at work, and what that costs on both sides.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use super::server::Server;
use crate::bench::statistics::figure;
use crate::bots::{Bots, Played, Table};
use crate::command::program;
use crate::cost::cpu_s;

/// Until all have come and deltas are small.
pub(super) const WARM_UP: Duration = Duration::from_secs(4);

/// Bots stay a little longer than they are measured.
const MARGIN: Duration = Duration::from_secs(2);

/// As the arena ticks.
const TICKS_PER_S: f64 = 30.0;

/// What QUIC adds to a datagram of ours: header, tag, and the frame's own header.
const QUIC_BYTES: f64 = 31.0;

/// A number of players.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) players: usize,
    pub(super) per_room: usize,
    pub(super) window: Duration,
}

/// How long packets are, without what QUIC adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packets {
    pub(super) up: usize,
    pub(super) down: usize,
}

/// What was measured in one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) cpu_us_per_player_s: f64,
    pub(super) server_percent: f64,
    pub(super) bots_percent: f64,
    pub(super) tick_p99_ms: f64,
    pub(super) bytes_down_per_player_s: f64,
    /// Of QUIC packets, acknowledgements too.
    pub(super) bytes_down_per_player_tick: f64,
    /// Of snapshots, without what QUIC adds.
    pub(super) snapshot_bytes_per_player_tick: f64,
    pub(super) packets: Packets,
    pub(super) is_verified: bool,
}

impl Load {
    /// Lets bots play on a server, and measures both.
    pub(super) async fn measure(&self, arena: &Path, server: &mut Server) -> Result<Reading> {
        let mut command = on_core(1, arena);
        let stay = WARM_UP + self.window + MARGIN;
        command.args(["bot", "--plan", "-", "--seconds", &stay.as_secs_f64().to_string()]);
        let tables: Vec<Table> = (0..self.players.div_ceil(self.per_room))
            .map(|room| Table {
                players: self.per_room.min(self.players - room * self.per_room),
                ..server.table(room)
            })
            .collect();
        let bots = Bots::play_by(command, &tables).await?;
        let pid = bots.pid().context("the bots have ended")?;
        sleep(WARM_UP).await;
        let (of_server, of_bots) = (cpu_s(server.pid()?)?, cpu_s(pid)?);
        server.forget_beats();
        sleep(self.window).await;
        let (of_server, of_bots) = (cpu_s(server.pid()?)? - of_server, cpu_s(pid)? - of_bots);
        let tick_p99_ms = server.tick_p99_ms();
        let seen = bots.done().await?;
        Ok(Reading { tick_p99_ms, ..self.reading(of_server, of_bots, &seen) })
    }

    fn reading(&self, of_server: f64, of_bots: f64, seen: &[Played]) -> Reading {
        let seconds = self.window.as_secs_f64();
        let sum = |of: fn(&Played) -> u64| seen.iter().map(|it| big(of(it))).sum::<f64>().max(1.0);
        let (down, up) = (sum(|it| it.bytes_received), sum(|it| it.bytes_sent));
        let size = |bytes: f64, datagrams: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a datagram's length")]
            let size = (bytes / datagrams - QUIC_BYTES).max(1.0) as usize;
            size
        };
        let per_tick = down / sum(|it| it.ticks);
        Reading {
            cpu_us_per_player_s: of_server * 1e6 / seconds / figure(self.players),
            server_percent: 100.0 * of_server / seconds,
            bots_percent: 100.0 * of_bots / seconds,
            tick_p99_ms: 0.0,
            bytes_down_per_player_s: per_tick * TICKS_PER_S,
            bytes_down_per_player_tick: per_tick,
            snapshot_bytes_per_player_tick: sum(|it| it.snapshot_bytes) / sum(|it| it.ticks),
            packets: Packets {
                up: size(up, sum(|it| it.datagrams_sent)),
                down: size(down, sum(|it| it.datagrams_received)),
            },
            is_verified: seen.len() == self.players && seen.iter().all(|it| it.verified),
        }
    }
}

/// A program on one core, and on no other.
pub(super) fn on_core(core: u8, path: &Path) -> tokio::process::Command {
    let mut command = program("taskset");
    command.args(["--cpu-list", &core.to_string()]).arg(path);
    command
}

#[allow(clippy::cast_precision_loss, reason = "counts of a minute")]
fn big(count: u64) -> f64 {
    count as f64
}
