//! Bots: a process of the arena's own program that plays in all rooms, and tells at the end what it saw.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::command::{output, program};

/// What a bot saw, as the program prints it.
#[derive(Clone, Debug, Deserialize)]
pub struct Played {
    /// Where it played.
    pub room: String,
    /// By which name.
    pub player: String,
    /// Everything that was checked was right, and it was not nothing.
    pub verified: bool,
    /// It saw the end of the match.
    pub ended: bool,
    /// Why it did not play, or not to the end.
    #[serde(default)]
    pub why: Option<String>,
    /// How often its connection was lost.
    pub disconnects: u64,
    /// Ticks that it was shown.
    pub ticks: u64,
    /// Checkpoints whose hash it computed itself.
    pub checkpoints_verified: u64,
    /// The longest row of ticks that it was not shown.
    pub max_gap_ticks: u64,
    /// QUIC packets that it sent, and how many of them were lost.
    pub packets_sent: u64,
    /// See `packets_sent`.
    pub packets_lost: u64,
    /// In UDP datagrams.
    pub bytes_received: u64,
    /// Of snapshots, without what QUIC adds.
    pub snapshot_bytes: u64,
    /// UDP datagrams that came in.
    pub datagrams_received: u64,
    /// In UDP datagrams.
    pub bytes_sent: u64,
    /// UDP datagrams that went out.
    pub datagrams_sent: u64,
    /// One measurement a second.
    pub rtt_ms: Vec<f64>,
    /// What the game said at the end.
    pub winner: Option<String>,
}

/// A room, and who is to play there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// The room's name or uid.
    pub room: String,
    /// Of its status, as `ADDRESS:PORT`.
    pub endpoints: Vec<String>,
    /// Of its status.
    pub certificate_hashes: Vec<String>,
    /// How many bots.
    pub players: usize,
    /// One for each, where the fleet asks for them.
    pub tickets: Vec<String>,
}

/// Bots that play.
#[derive(Debug)]
pub struct Bots {
    child: Child,
}

impl Bots {
    /// Lets them play.
    pub async fn play(path: &Path, tables: &[Table]) -> Result<Self> {
        let mut command = program(path);
        command.args(["bot", "--plan", "-"]);
        Self::play_by(command, tables).await
    }

    /// The same, by a command that reads the plan from its standard input.
    pub async fn play_by(mut command: Command, tables: &[Table]) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("start the bots")?;
        let mut plan = child.stdin.take().context("the bots have no standard input")?;
        for table in tables {
            let line = serde_json::to_string(table)?;
            plan.write_all(format!("{line}\n").as_bytes()).await.context("tell the bots where to play")?;
        }
        plan.shutdown().await.context("tell the bots where to play")?;
        Ok(Self { child })
    }

    /// The process that they are in.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Lets them leave now. What they saw until then is said as ever.
    pub async fn leave(self) -> Result<Vec<Played>> {
        if let Some(pid) = self.child.id() {
            output(program("kill").args(["-s", "TERM", &pid.to_string()]))
                .await
                .context("tell the bots to leave")?;
        }
        self.done().await
    }

    /// What all of them saw, once the last one is done.
    pub async fn done(mut self) -> Result<Vec<Played>> {
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
