//! Bots: a process of the arena's own program that plays in all rooms, and tells at the end what it saw.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Child;

use super::rooms::Sighting;
use crate::command::program;

/// What a bot saw, as the program prints it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Played {
    pub(super) room: String,
    pub(super) player: String,
    pub(super) verified: bool,
    pub(super) ended: bool,
    #[serde(default)]
    pub(super) why: Option<String>,
    pub(super) disconnects: u64,
    pub(super) ticks: u64,
    pub(super) checkpoints_verified: u64,
    pub(super) max_gap_ticks: u64,
    pub(super) packets_sent: u64,
    pub(super) packets_lost: u64,
    pub(super) bytes_received: u64,
    pub(super) rtt_ms: Vec<f64>,
    pub(super) winner: Option<String>,
}

/// Bots that play.
pub(super) struct Bots {
    child: Child,
}

impl Bots {
    /// Lets so many play in each room.
    pub(super) async fn play(path: &std::path::Path, rooms: &[(String, Sighting, usize)]) -> Result<Self> {
        let mut command = program(path);
        command.args(["bot", "--plan", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("start the bots")?;
        let mut plan = child.stdin.take().context("the bots have no standard input")?;
        for (room, seen, players) in rooms {
            let line = json!({
                "room": room,
                "endpoints": seen.endpoints,
                "certificateHashes": seen.certificate_hashes,
                "players": players,
            });
            plan.write_all(format!("{line}\n").as_bytes()).await.context("tell the bots where to play")?;
        }
        plan.shutdown().await.context("tell the bots where to play")?;
        Ok(Self { child })
    }

    /// What all of them saw, once the last one is done.
    pub(super) async fn done(mut self) -> Result<Vec<Played>> {
        let output = self.child.stdout.take().context("the bots have no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().await.context("listen to the bots")? {
            all.push(serde_json::from_str(&line).with_context(|| format!("a bot said {line}"))?);
        }
        // It fails if something was not verified: that is told by who counts.
        self.child.wait().await.context("the bots")?;
        Ok(all)
    }
}
