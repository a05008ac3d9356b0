//! The arena's server on a core of its own, and the bench as its operator.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use gamekeeper_control::{Beat, ToOperator, proto};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::Endpoint;

use super::super::attached::Attached;
use super::load::on_core;
use crate::bots::Table;
use crate::wait::eventually;

/// A server is there within a moment, and so are its rooms.
const SOON: Duration = Duration::from_secs(30);

/// As long as a match may last: longer than any window.
const MATCH_SECONDS: &str = "3600";

/// What the server's log says of its allocations, in a build that counts them.
const COUNTED: &str = "allocations_per_tick";

/// A server that runs.
pub(super) struct Server {
    child: Child,
    game_port: u16,
    /// Until rooms are opened.
    attached: Option<Attached>,
    heard: Arc<Mutex<Heard>>,
    tasks: JoinSet<()>,
}

/// What the server has said.
#[derive(Default)]
struct Heard {
    /// Of each room that was opened.
    hashes: Vec<String>,
    beats: Vec<Beat>,
    allocations_per_tick: Option<f64>,
}

impl Server {
    /// Starts one that can host so many rooms, with one thread that ticks.
    pub(super) async fn start(arena: &Path, rooms: usize) -> Result<Self> {
        let (control_port, game_port) = (free_port().await?, free_port().await?);
        let mut command = on_core(0, arena);
        command.args(["server", "--threads", "1", "--grace", "0", "--capacity", &rooms.to_string()]);
        // All bots have one address.
        command.args(["--per-address", "16384"]);
        command.args(["--control-port", &control_port.to_string(), "--game-port", &game_port.to_string()]);
        let mut child = command.stderr(Stdio::piped()).spawn().context("start the arena")?;
        let heard = Arc::<Mutex<Heard>>::default();
        let mut tasks = JoinSet::new();
        let log = BufReader::new(child.stderr.take().context("the arena has no stderr")?);
        tasks.spawn(read_log(log, heard.clone()));
        let address = format!("http://127.0.0.1:{control_port}");
        let channel = eventually("the arena to listen", SOON, async || {
            Ok(Endpoint::from_shared(address.clone())?.connect().await?)
        })
        .await?;
        let attached = Some(Attached::to(channel, rooms).await?);
        Ok(Self { child, game_port, attached, heard, tasks })
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().context("the arena has ended")
    }

    /// Opens rooms 0 to `count`, and goes on to listen.
    pub(super) async fn open(&mut self, count: usize) -> Result<()> {
        let mut attached = self.attached.take().context("rooms are opened once")?;
        for room in 0..count {
            let tenancy = proto::Tenancy {
                namespace: "bench".to_owned(),
                name: name(room),
                uid: format!("uid-of-{}", name(room)),
                epoch: i64::try_from(room)? + 1,
            };
            let parameters = [("map", "harbour"), ("seconds", MATCH_SECONDS)];
            let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
            attached.open(tenancy, parameters.into()).await?;
        }
        let opened = timeout(SOON, attached.opened(count)).await;
        let opened = opened.with_context(|| format!("{count} rooms are not opened within {SOON:?}"))??;
        lock(&self.heard).hashes =
            opened.into_iter().next_back().map(|it| it.certificate_hashes).unwrap_or_default();
        self.tasks.spawn(listen(attached, self.heard.clone()));
        Ok(())
    }

    /// Where a room is.
    pub(super) fn table(&self, room: usize) -> Table {
        Table {
            room: name(room),
            endpoints: vec![format!("127.0.0.1:{}", self.game_port)],
            certificate_hashes: lock(&self.heard).hashes.clone(),
            players: 0,
            tickets: Vec::new(),
        }
    }

    /// Of what was said from here on, the longest p99 counts.
    pub(super) fn forget_beats(&self) {
        lock(&self.heard).beats.clear();
    }

    pub(super) fn tick_p99_ms(&self) -> f64 {
        let longest = lock(&self.heard).beats.iter().map(|it| it.tick_p99).max();
        longest.unwrap_or_default().as_secs_f64() * 1000.0
    }

    pub(super) fn allocations_per_tick(&self) -> Option<f64> {
        lock(&self.heard).allocations_per_tick
    }

    /// Ends it at once: nobody waits for its matches.
    pub(super) async fn end(mut self) -> Result<()> {
        self.child.kill().await.context("end the arena")
    }
}

fn name(room: usize) -> String {
    format!("room-{room}")
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that is free now, for TCP; for UDP it is as likely.
async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

/// Keeps the stream, and hears what comes.
async fn listen(mut attached: Attached, heard: Arc<Mutex<Heard>>) {
    while let Ok(Some(message)) = attached.answers.message().await {
        if let Ok(Some(ToOperator::Beat(beat))) = ToOperator::parse(message) {
            lock(&heard).beats.push(beat);
        }
    }
}

async fn read_log(log: BufReader<tokio::process::ChildStderr>, heard: Arc<Mutex<Heard>>) {
    let mut lines = log.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(counted) = entry[COUNTED].as_f64() {
            lock(&heard).allocations_per_tick = Some(counted);
        }
    }
}
