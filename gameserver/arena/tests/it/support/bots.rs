//! `arena bot`, in a process of its own, so that what attackers cost does not count for them.

use std::{net::SocketAddr, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

use super::soon;

/// Where some of them play.
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) bots: usize,
    pub(crate) tickets: Vec<String>,
}

/// Bots at play.
pub(crate) struct Bots(Child);

impl Bots {
    /// Lets bots into all these rooms of a server.
    pub(crate) async fn start(server: SocketAddr, hashes: &[String], rooms: &[Room]) -> Self {
        Self::start_with(&[], &[server], hashes, rooms).await
    }

    /// The same, where the rooms may be at several places, and with more arguments.
    pub(crate) async fn start_with(
        arguments: &[&str],
        servers: &[SocketAddr],
        hashes: &[String],
        rooms: &[Room],
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arena"))
            .args(["bot", "--plan", "-"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("arena bot starts");
        let line = |it: &Room| {
            json!({
                "room": it.name, "endpoints": servers.iter().map(ToString::to_string).collect::<Vec<_>>(), "certificateHashes": hashes,
                "players": it.bots, "tickets": it.tickets,
            })
        };
        let plan = rooms.iter().map(|it| line(it).to_string()).collect::<Vec<_>>().join("\n");
        let mut input = child.stdin.take().unwrap();
        input.write_all(plan.as_bytes()).await.unwrap();
        drop(input);
        Self(child)
    }

    /// What became of each.
    pub(crate) async fn played(self) -> Vec<Value> {
        let output = soon("the end of the bots", self.0.wait_with_output()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|it| serde_json::from_str(it).expect("a line is a JSON object")).collect()
    }
}
