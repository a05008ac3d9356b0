//! A `redis-server` of one test: on a free port of the loopback, in a folder of its own, gone at the end.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use gamekeeper_room::{Checkpoint, Epoch, Schema, Tenancy, Tick};
use gamekeeper_store::{Options, Sealed, Store, StoreError, Taken, Verdict, Written, envelope};
use tokio::time::{Instant, sleep};

pub(crate) const PASSWORD: &str = "correct-horse";

/// What takes longer than this does not come any more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    folder: PathBuf,
    extra: Vec<String>,
}

impl Server {
    pub(crate) async fn start(extra: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_on(port, extra).await
    }

    pub(crate) async fn start_on(port: u16, extra: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("gamekeeper-store-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let extra: Vec<String> = extra.iter().map(|it| (*it).to_owned()).collect();
        let server = Self { child: spawn(port, &folder, &extra), port, folder, extra };
        server.listening().await;
        server
    }

    /// As a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.extra);
        self.listening().await;
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    pub(crate) fn store(&self) -> Store {
        Store::connect(&self.url(), patient()).unwrap()
    }

    /// What `redis-cli` prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "--no-auth-warning", "-a", PASSWORD])
            .args(arguments)
            .output()
            .expect("redis-cli is in the PATH; if not: apt-get install redis-server");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    async fn listening(&self) {
        until("redis-server answers", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.cli(&["PING"]) == "PONG"
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(port: u16, folder: &PathBuf, extra: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--save", "", "--requirepass", PASSWORD, "--masterauth", PASSWORD])
        .arg("--dir")
        .arg(folder)
        .args(extra)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is in the PATH; if not: apt-get install redis-server")
}

/// For machines that are busy with other tests.
pub(crate) fn patient() -> Options {
    Options { timeout: Duration::from_secs(5), ..Options::default() }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Writes until the store takes it.
pub(crate) async fn write_until_taken(store: &Store, tenancy: &Tenancy, tick: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = write(store, tenancy, tick).await;
        match outcome {
            Ok(Verdict::Mine(_)) => return,
            Err(error) if error.is_transient() => assert!(Instant::now() < deadline, "{error}"),
            other => panic!("{other:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// A room of its own for each test, on this epoch.
pub(crate) fn tenancy(uid: &str, epoch: i64) -> Tenancy {
    Tenancy { namespace: "games".into(), name: "duel".into(), uid: uid.into(), epoch: Epoch(epoch) }
}

pub(crate) fn sealed(tenancy: &Tenancy, tick: u64) -> Sealed {
    Sealed {
        uid: tenancy.uid.clone(),
        epoch: tenancy.epoch,
        build: "1.4".into(),
        captured_at: Duration::from_millis(1_764_000_000_123),
        checkpoint: Checkpoint { schema: Schema(1), tick: Tick(tick), state: format!("tick {tick}").into() },
    }
}

pub(crate) async fn write(
    store: &Store,
    tenancy: &Tenancy,
    tick: u64,
) -> Result<Verdict<Written>, StoreError> {
    let mut bytes = Vec::new();
    envelope::encode(&sealed(tenancy, tick), &mut bytes).unwrap();
    store.write(tenancy, Tick(tick), Bytes::from(bytes)).await
}

pub(crate) async fn take(store: &Store, tenancy: &Tenancy, fence: u64) -> Taken {
    match store.take(tenancy, Some(Duration::from_millis(fence))).await.unwrap() {
        Verdict::Mine(taken) => taken,
        other => panic!("{other:?}"),
    }
}
