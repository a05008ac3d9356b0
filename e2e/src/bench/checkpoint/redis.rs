//! A Redis of the bench: on a free port of the loopback, gone at the end.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use redis::aio::MultiplexedConnection;

use crate::wait::eventually;

const SOON: Duration = Duration::from_secs(10);

/// The server.
pub(super) struct Redis {
    child: Child,
    port: u16,
    folder: PathBuf,
}

/// What it was asked so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    /// Scripts that were run.
    pub(super) writes: f64,
    /// Bytes that came in.
    pub(super) bytes: f64,
}

/// A connection without anything of ours.
#[derive(Clone)]
pub(super) struct Raw(MultiplexedConnection);

impl Redis {
    /// As the chart's: with an append-only file that is synced every second.
    pub(super) async fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("gamekeeper-bench-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("start redis-server; if it is missing: apt-get install redis-server")?;
        let redis = Self { child, port, folder };
        eventually("Redis to answer", SOON, async || redis.calls().await.map(drop)).await?;
        Ok(redis)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) async fn connection(&self) -> Result<Raw> {
        Ok(Raw(redis::Client::open(self.url())?.get_multiplexed_async_connection().await?))
    }

    /// What it was asked so far.
    pub(super) async fn calls(&self) -> Result<Calls> {
        let mut connection = self.connection().await?.0;
        let commands: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await?;
        let traffic: String = redis::cmd("INFO").arg("stats").query_async(&mut connection).await?;
        let count = |text: &str, name: &str| {
            let rest = text.lines().find_map(|it| it.strip_prefix(name)).unwrap_or("0");
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<f64>().unwrap_or_default()
        };
        Ok(Calls {
            writes: count(&commands, "cmdstat_evalsha:calls="),
            bytes: count(&traffic, "total_net_input_bytes:"),
        })
    }
}

impl Calls {
    pub(super) fn since(&self, before: &Self) -> Self {
        Self { writes: self.writes - before.writes, bytes: self.bytes - before.bytes }
    }
}

impl Raw {
    pub(super) async fn set(&mut self, lane: usize, value: Bytes) -> Result<()> {
        let set = redis::cmd("SET").arg(format!("raw-{lane}")).arg(&value[..]).to_owned();
        Ok(set.exec_async(&mut self.0).await?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
