//! `arena server`, as it is started in a pod.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    sync::oneshot,
    task::JoinHandle,
};

use super::soon;

/// A process.
pub(crate) struct Server {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
    pub(crate) control: SocketAddr,
    pub(crate) players: SocketAddr,
}

impl Server {
    /// Starts it at ports that are free, which its log tells.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[]).await
    }

    /// The same, with this environment.
    pub(crate) async fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let ports = ["--control-port", "0", "--game-port", "0"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_arena"))
            .args([&["server"], &ports[..], arguments].concat())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("arena server starts");
        let (log, (serving, line)) = (Arc::<Mutex<Vec<String>>>::default(), oneshot::channel());
        let stderr = child.stderr.take().unwrap();
        let reader = tokio::spawn(read(stderr, log.clone(), serving));
        let line = soon("a server that serves", line).await.unwrap_or_else(|_| panic!("{log:?}"));
        let port = |field: &str| {
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            let address = entry[field].as_str().unwrap_or_else(|| panic!("no {field} in {line}"));
            SocketAddr::from((Ipv4Addr::LOCALHOST, address.parse::<SocketAddr>().unwrap().port()))
        };
        Self { control: port("control_address"), players: port("players_address"), child, log, reader }
    }

    /// Memory in use.
    pub(crate) fn rss_kib(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop, and waits until it has: well, and without a panic of any of its tasks or threads.
    pub(crate) async fn stop(mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "it runs: {:?}", self.log);
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let status: ExitStatus = soon("the end of the server", self.child.wait()).await.unwrap();
        soon("the end of its log", self.reader).await.unwrap();
        let log = self.log.lock().unwrap().join("\n");
        assert!(status.success(), "{status}: {log}");
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("ERROR"), "{log}");
        assert!(log.contains("all rooms are closed"), "{log}");
    }
}

async fn read(from: ChildStderr, log: Arc<Mutex<Vec<String>>>, serving: oneshot::Sender<String>) {
    let (mut lines, mut serving) = (BufReader::new(from).lines(), Some(serving));
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains(r#""message":"serving""#)
            && let Some(serving) = serving.take()
        {
            let _ = serving.send(line.clone());
        }
        log.lock().unwrap().push(line);
    }
}
