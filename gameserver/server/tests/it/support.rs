//! A server under test, and an operator that talks to it. Nothing here waits without a deadline.

mod game;
mod operator;
mod redis;

use std::{future::Future, net::SocketAddr, time::Duration};

use gamekeeper_server::{
    Builder, Contact, Entrance, PlayerName, Rooms, RunError, Server, Standing, State, Stopped,
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use game::{Games, say};
pub(crate) use operator::{HEARTBEAT, Operator, close, open, tenancy};
pub(crate) use redis::Redis;

/// Everything that is awaited comes within this time, on a busy machine too, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something, and says what it was if it does not come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(it) => it,
        Err(late) => panic!("never came ({late}): {what}"),
    }
}

/// A server that runs.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) rooms: Rooms,
    pub(crate) contact: Contact,
    pub(crate) boot_id: String,
    pub(crate) games: Games,
    pub(crate) stop: CancellationToken,
    /// Where players come in by QUIC, and what they know the server by.
    pub(crate) players: Option<SocketAddr>,
    pub(crate) hashes: Vec<String>,
    pub(crate) standing: Standing,
    task: JoinHandle<Result<Stopped, RunError>>,
}

impl TestServer {
    /// One that keeps its rooms in this Redis.
    pub(crate) async fn with_store(redis: &Redis, fence_after: Duration) -> Self {
        let state = State { url: redis.url(), checkpoint_interval: Duration::from_millis(30), fence_after };
        Self::start(|it| it.capacity(4).players_address(loopback()).state(Some(state))).await
    }

    /// With sixty ticks a second and two threads, and what `change` changes.
    pub(crate) async fn start(change: impl FnOnce(Builder) -> Builder) -> Self {
        let games = Games::default();
        let builder = Server::builder(games.clone()).control_address(loopback()).tick_rate(60).threads(2);
        let server = change(builder).bind().await.expect("a server");
        let stop = CancellationToken::new();
        Self {
            address: server.control_address(),
            rooms: server.rooms(),
            contact: server.contact(),
            boot_id: server.boot_id().to_owned(),
            games,
            players: server.players_address(),
            hashes: server.certificate_hashes(),
            standing: server.standing(),
            stop: stop.clone(),
            task: tokio::spawn(server.run(stop)),
        }
    }

    /// One that can host so many rooms.
    pub(crate) async fn with_capacity(rooms: u32) -> Self {
        Self::start(|it| it.capacity(rooms)).await
    }

    pub(crate) fn room(&self, name: &str) -> Entrance {
        self.rooms.by_name(name).unwrap_or_else(|| panic!("{name} is not here"))
    }

    /// A player comes and says something.
    pub(crate) fn play(&self, room: &str, player: &str, input: &str) {
        let room = self.room(room);
        let presence = room.join(&PlayerName::new(player).unwrap()).unwrap();
        room.input(presence, input.as_bytes()).unwrap();
    }

    /// Waits until the room has taken so many more ticks.
    pub(crate) async fn ticks(&self, room: &str, more: u64) {
        let room = self.room(room);
        let goal = room.tick().0 + more;
        let reached = async {
            while room.tick().0 < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(&format!("{more} ticks of {}", room.name()), reached).await;
    }

    /// Ends it as a crash does: nobody is told. Returns the last tick of this room.
    pub(crate) async fn crash(mut self, room: &str) -> u64 {
        let room = self.room(room);
        self.task.abort();
        let _ = (&mut self.task).await;
        // Its threads end with the tick that they are in.
        let mut before = u64::MAX;
        while before != room.tick().0 {
            before = room.tick().0;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        before
    }

    /// How it ended.
    pub(crate) async fn stopped(mut self) -> Stopped {
        soon("the end of the server", &mut self.task).await.expect("it did not panic").expect("it could run")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Threads of the process that hang in a game would stay.
        self.games.release();
        self.stop.cancel();
    }
}

/// A port that is free.
pub(crate) fn loopback() -> SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, 0).into()
}
