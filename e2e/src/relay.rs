//! A bad path between players and a server: UDP datagrams are lost, late and out of order, by a seed.
//!
//! Every player gets a socket of its own towards the server, as behind a router that translates addresses; and like such
//! a router it can forget all of them at once, after which players come from other ports.

use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// No datagram of a path with an MTU of 1,500 bytes is longer.
const LONGEST: usize = 2048;

/// Datagrams under way. More are lost, as in a full router.
const UNDER_WAY_MAX: usize = 65_536;

/// What a path does to datagrams, in each direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    /// The share that is lost, from 0 to 1.
    pub loss: f64,
    /// How long one takes.
    pub delay: Duration,
    /// By how much that differs from one to the next, to either side.
    pub jitter: Duration,
    /// The share that is overtaken: it takes as long again.
    pub reordered: f64,
}

/// A relay that runs until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    commands: mpsc::Sender<()>,
    counts: Arc<Counts>,
    _tasks: JoinSet<()>,
}

/// What went through.
#[derive(Debug, Default)]
struct Counts {
    datagrams: AtomicU64,
    bytes_down: AtomicU64,
    lost: AtomicU64,
}

/// A datagram under way, by the time when it arrives.
struct Flight {
    due: Instant,
    number: u64,
    bytes: Vec<u8>,
    by: Arc<UdpSocket>,
    to: SocketAddr,
}

impl Relay {
    /// Between players, who send to [`Relay::address`], and a server.
    pub async fn start(server: SocketAddr, path: Path, seed: u64) -> Result<Self> {
        let socket = Arc::new(bind(server).await?);
        let address = socket.local_addr()?;
        let (commands, received) = mpsc::channel(1);
        let (flights, departures) = mpsc::channel(UNDER_WAY_MAX);
        let counts = Arc::<Counts>::default();
        let mut tasks = JoinSet::new();
        let lane =
            Lane { path, chance: StdRng::seed_from_u64(seed), number: 0, flights, counts: counts.clone() };
        tasks.spawn(deliver(departures));
        tasks.spawn(
            Router { server, socket, lane, players: HashMap::new(), replies: JoinSet::new() }.run(received),
        );
        Ok(Self { address, commands, counts, _tasks: tasks })
    }

    /// Where players send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets all players: what they send from now on comes from other ports.
    pub async fn rebind(&self) {
        // It ends with us only.
        let _ = self.commands.send(()).await;
    }

    /// How many datagrams came in, how many of them were lost, and how many bytes went to players.
    pub fn counts(&self) -> (u64, u64, u64) {
        let Counts { datagrams, bytes_down, lost } = &*self.counts;
        let read = |it: &AtomicU64| it.load(Ordering::Relaxed);
        (read(datagrams), read(lost), read(bytes_down))
    }
}

async fn bind(towards: SocketAddr) -> Result<UdpSocket> {
    let any: IpAddr =
        if towards.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).await.context("open a UDP socket")
}

/// One direction's dice.
struct Lane {
    path: Path,
    chance: StdRng,
    number: u64,
    flights: mpsc::Sender<Flight>,
    counts: Arc<Counts>,
}

impl Lane {
    /// For another direction, with dice of its own.
    fn another(&mut self) -> Self {
        let Self { path, chance, number: _, flights, counts } = self;
        let (flights, counts) = (flights.clone(), counts.clone());
        Self { path: *path, chance: StdRng::from_rng(chance), number: 0, flights, counts }
    }

    fn send(&mut self, bytes: &[u8], by: &Arc<UdpSocket>, to: SocketAddr) {
        let Path { loss, delay, jitter, reordered } = self.path;
        self.counts.datagrams.fetch_add(1, Ordering::Relaxed);
        let shift = jitter.mul_f64(2.0 * self.chance.random::<f64>());
        let extra = if self.chance.random_bool(reordered) { delay } else { Duration::ZERO };
        if self.chance.random_bool(loss) {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.number += 1;
        let due = Instant::now() + (delay + shift + extra).saturating_sub(jitter);
        let flight = Flight { due, number: self.number, bytes: bytes.to_vec(), by: by.clone(), to };
        if self.flights.try_send(flight).is_err() {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Takes in what players send, and begins a way back for each.
struct Router {
    server: SocketAddr,
    socket: Arc<UdpSocket>,
    lane: Lane,
    players: HashMap<SocketAddr, Arc<UdpSocket>>,
    replies: JoinSet<()>,
}

impl Router {
    async fn run(mut self, mut commands: mpsc::Receiver<()>) {
        let mut buffer = [0; LONGEST];
        loop {
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    // Of an answer that nobody waited for.
                    let Ok((length, player)) = received else { continue };
                    let Ok(upstream) = self.upstream(player).await else { continue };
                    self.lane.send(buffer.get(..length).unwrap_or_default(), &upstream, self.server);
                }
                Some(()) = commands.recv() => {
                    self.players.clear();
                    self.replies.abort_all();
                }
            }
        }
    }

    async fn upstream(&mut self, player: SocketAddr) -> Result<Arc<UdpSocket>> {
        if let Some(known) = self.players.get(&player) {
            return Ok(known.clone());
        }
        let upstream = Arc::new(bind(self.server).await?);
        self.players.insert(player, upstream.clone());
        let mut lane = self.lane.another();
        let (from, socket) = (upstream.clone(), self.socket.clone());
        self.replies.spawn(async move {
            let mut buffer = [0; LONGEST];
            loop {
                let Ok(length) = from.recv(&mut buffer).await else { continue };
                lane.counts.bytes_down.fetch_add(length as u64, Ordering::Relaxed);
                lane.send(buffer.get(..length).unwrap_or_default(), &socket, player);
            }
        });
        Ok(upstream)
    }
}

/// Lets every datagram arrive when its time has come.
async fn deliver(mut departures: mpsc::Receiver<Flight>) {
    let mut under_way = BinaryHeap::<Flight>::new();
    loop {
        let next = under_way.peek().map(|it| it.due);
        let arrival = async {
            match next {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            departed = departures.recv() => match departed {
                Some(flight) => under_way.push(flight),
                None => return,
            },
            () = arrival => {
                while under_way.peek().is_some_and(|it| it.due <= Instant::now()) {
                    let Some(Flight { bytes, by, to, .. }) = under_way.pop() else { break };
                    // Whoever has gone does not get it.
                    let _ = by.send_to(&bytes, to).await;
                }
            }
        }
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Flight {}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flight {
    /// The earliest is the greatest, as a heap has it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const GOOD: Path = Path { loss: 0.0, delay: Duration::ZERO, jitter: Duration::ZERO, reordered: 0.0 };
    const SOON: Duration = Duration::from_secs(5);

    async fn echo() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; LONGEST];
            loop {
                let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
                socket.send_to(from.port().to_string().as_bytes(), from).await.unwrap();
            }
        });
        address
    }

    async fn ask(player: &UdpSocket, relay: &Relay) -> Option<String> {
        player.send_to(b"who am I", ("127.0.0.1", relay.address().port())).await.unwrap();
        let mut buffer = [0; LONGEST];
        let length = timeout(SOON, player.recv(&mut buffer)).await.ok()?.ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[tokio::test]
    async fn a_player_is_one_port_until_the_router_forgets_it() {
        let relay = Relay::start(echo().await, GOOD, 1).await.unwrap();
        let player = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let first = ask(&player, &relay).await.unwrap();
        assert_eq!(ask(&player, &relay).await.unwrap(), first);
        relay.rebind().await;
        assert_ne!(ask(&player, &relay).await.unwrap(), first);
        assert_eq!(relay.counts().0, 6);
    }

    #[tokio::test]
    async fn a_path_that_loses_everything_loses_everything() {
        let relay = Relay::start(echo().await, Path { loss: 1.0, ..GOOD }, 1).await.unwrap();
        let player = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..10 {
            player.send_to(b"lost", ("127.0.0.1", relay.address().port())).await.unwrap();
        }
        let mut seen = relay.counts();
        while seen.0 < 10 {
            tokio::task::yield_now().await;
            seen = relay.counts();
        }
        assert_eq!(seen, (10, 10, 0));
    }
}
