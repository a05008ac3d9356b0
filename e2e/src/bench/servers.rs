//! Hollow game servers: they serve the control protocol, for every hollow pod from within the bench, and there is no game.
//!
//! One listener serves all of them. Which server is meant tells the address that the operator dialled.

mod server;
mod stream;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use gamekeeper_control::{limits, proto::control_server::ControlServer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use super::counts::Counts;
use crate::cluster::{Cluster, Spare};
use server::Server;
use stream::Service;

/// All hollow servers, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Servers with a stream that was greeted.
    pub(super) linked: usize,
    /// Streams that ever were.
    pub(super) links: usize,
    /// Rooms on all servers.
    pub(super) rooms: usize,
    /// How often a room was opened while another server had it.
    pub(super) double_placements: usize,
}

/// The hollow servers.
pub(super) struct Servers {
    registry: Arc<Registry>,
    counts: Counts<Count>,
    addresses: Spare,
    port: u16,
    /// While the operator can reach them.
    open: Option<Open>,
}

/// What ends with the servers' being open to calls.
struct Open {
    streams: CancellationToken,
    /// Accepts connections until it is dropped.
    _listener: JoinSet<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.streams.cancel();
    }
}

impl Servers {
    /// Opens a port at all spare addresses of the cluster, for so many servers.
    pub(super) async fn open(cluster: &Cluster, count: usize) -> Result<Self> {
        let addresses = cluster.answer_at_spare().await?;
        addresses.address(u16::try_from(count).unwrap_or(u16::MAX)).context("so many servers")?;
        let (sender, counts) = Counts::new();
        let registry =
            Arc::new(Registry { all: Mutex::default(), counts: sender, beats: AtomicUsize::new(0) });
        let mut servers = Self { registry, counts, addresses, port: 0, open: None };
        servers.reopen().await?;
        Ok(servers)
    }

    /// Ends all streams and takes no calls, as servers that have lost their network. They keep their rooms.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Takes calls, on the same port as before.
    pub(super) async fn reopen(&mut self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.port)).await;
        let listener = listener.context("listen for the operator")?;
        self.port = listener.local_addr()?.port();
        let streams = CancellationToken::new();
        let service = Service { registry: self.registry.clone(), end: streams.clone() };
        let service = ControlServer::new(service).max_decoding_message_size(limits::COMMAND_BYTES_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let router = tonic::transport::Server::builder().add_service(service);
            // Who waits for a link has a deadline.
            let _ = router.serve_with_incoming(incoming).await;
        });
        self.open = Some(Open { streams, _listener: tasks });
        Ok(())
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where pods are to be, to be such servers.
    pub(super) fn addresses(&self) -> Spare {
        self.addresses
    }

    pub(super) fn counts(&self) -> &Counts<Count> {
        &self.counts
    }

    /// How many beats were sent.
    pub(super) fn beats(&self) -> usize {
        self.registry.beats.load(Ordering::Relaxed)
    }
}

/// The servers by address. One is there as soon as somebody dials it.
struct Registry {
    all: Mutex<All>,
    counts: watch::Sender<Count>,
    /// Beats are too many to wake somebody with each.
    beats: AtomicUsize,
}

#[derive(Default)]
struct All {
    servers: HashMap<IpAddr, Arc<Mutex<Server>>>,
    /// How many servers have the room with this uid.
    homes: HashMap<String, usize>,
}

impl Registry {
    fn server(&self, address: IpAddr) -> Arc<Mutex<Server>> {
        let new = || Arc::new(Mutex::new(Server::new(&address)));
        lock(&self.all).servers.entry(address).or_insert_with(new).clone()
    }

    fn opened(&self, room: &str) {
        let mut all = lock(&self.all);
        let homes = all.homes.entry(room.to_owned()).or_default();
        *homes += 1;
        let is_double = 1 < *homes;
        drop(all);
        self.counts.send_modify(|it| {
            it.rooms += 1;
            it.double_placements += usize::from(is_double);
        });
    }

    fn closed(&self, room: &str) {
        let mut all = lock(&self.all);
        if let Some(homes) = all.homes.get_mut(room) {
            *homes -= 1;
            if *homes == 0 {
                all.homes.remove(room);
            }
        }
        drop(all);
        self.counts.send_modify(|it| it.rooms -= 1);
    }

    fn beaten(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn linked(&self) {
        self.counts.send_modify(|it| {
            it.linked += 1;
            it.links += 1;
        });
    }

    fn unlinked(&self) {
        self.counts.send_modify(|it| it.linked -= 1);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
