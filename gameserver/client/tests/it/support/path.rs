//! A path between players and a server that a test holds in its hands.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use gamekeeper_player::frame::{Endpoint, Place};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{net::UdpSocket, sync::mpsc, task::JoinSet};

/// The path; gone when it is dropped.
pub(crate) struct Path {
    address: SocketAddr,
    road: Arc<Road>,
    commands: mpsc::UnboundedSender<()>,
    _task: JoinSet<()>,
}

struct Road {
    weather: Mutex<Weather>,
}

/// By which socket, to whom, what.
type Held = (Arc<UdpSocket>, SocketAddr, Vec<u8>);

struct Weather {
    loss: f64,
    is_cut: bool,
    /// What waits until the path is open again.
    held: Option<Vec<Held>>,
    chance: StdRng,
}

impl Path {
    /// To a server, with this share of lost packets.
    pub(crate) async fn to(server: SocketAddr, loss: f64, seed: u64) -> Self {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = socket.local_addr().unwrap();
        let chance = StdRng::seed_from_u64(seed);
        let weather = Mutex::new(Weather { loss, is_cut: false, held: None, chance });
        let road = Arc::new(Road { weather });
        let (commands, rebind) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(carry(socket, server, road.clone(), rebind));
        Self { address, road, commands, _task: task }
    }

    /// The server's place, as it is seen from here.
    pub(crate) fn place(&self, of_server: &Place) -> Place {
        let endpoint = Endpoint { address: self.address.ip().to_string(), port: self.address.port() };
        Place { endpoints: vec![endpoint], ..of_server.clone() }
    }

    /// Nothing goes through any more.
    pub(crate) fn cut(&self) {
        self.road.weather.lock().unwrap().is_cut = true;
    }

    /// What is sent waits, as before a process that stands still.
    pub(crate) fn hold(&self) {
        self.road.weather.lock().unwrap().held = Some(Vec::new());
    }

    /// What has waited arrives.
    pub(crate) fn release(&self) {
        let held = self.road.weather.lock().unwrap().held.take().unwrap_or_default();
        held.iter().for_each(|(by, to, bytes)| send(by, *to, bytes));
    }

    /// Players come from other ports from now on.
    pub(crate) fn rebind(&self) {
        self.commands.send(()).unwrap();
    }
}

impl Road {
    fn send(&self, by: &Arc<UdpSocket>, to: SocketAddr, bytes: &[u8]) {
        let mut weather = self.weather.lock().unwrap();
        let loss = weather.loss;
        if weather.is_cut || weather.chance.random_bool(loss) {
            return;
        }
        match &mut weather.held {
            Some(held) => held.push((by.clone(), to, bytes.to_vec())),
            None => send(by, to, bytes),
        }
    }
}

fn send(by: &UdpSocket, to: SocketAddr, bytes: &[u8]) {
    // A full buffer is a loss like any other.
    let _ = by.try_send_to(bytes, to);
}

async fn carry(
    socket: Arc<UdpSocket>,
    server: SocketAddr,
    road: Arc<Road>,
    mut rebind: mpsc::UnboundedReceiver<()>,
) {
    let mut players = HashMap::<SocketAddr, Arc<UdpSocket>>::new();
    let (mut replies, mut buffer) = (JoinSet::new(), [0; 2048]);
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                let Ok((length, player)) = received else { continue };
                let upstream = players.entry(player).or_insert_with(|| {
                    let upstream = Arc::new(upstream());
                    replies.spawn(reply(upstream.clone(), socket.clone(), player, road.clone()));
                    upstream
                });
                road.send(upstream, server, &buffer[..length]);
            }
            Some(()) = rebind.recv() => {
                players.clear();
                replies.abort_all();
            }
        }
    }
}

async fn reply(from: Arc<UdpSocket>, by: Arc<UdpSocket>, player: SocketAddr, road: Arc<Road>) {
    let mut buffer = [0; 2048];
    loop {
        let Ok(length) = from.recv(&mut buffer).await else { continue };
        road.send(&by, player, &buffer[..length]);
    }
}

fn upstream() -> UdpSocket {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    UdpSocket::from_std(socket).unwrap()
}
