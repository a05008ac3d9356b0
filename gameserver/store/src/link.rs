//! The one connection to the store: made when it is wanted, made anew when it broke, with pauses in between.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, RedisError, RedisResult, ServerErrorKind,
    Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
};
use tokio::{
    net::lookup_host,
    sync::OwnedMutexGuard,
    time::{Instant, sleep_until, timeout},
};

use crate::{StoreError, address::Address, backoff::pause_after};

/// A connection that many calls share.
#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// Which of the connections since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Generation(u64);

/// One call's share in the connection.
pub(crate) struct Line {
    link: Arc<Link>,
    connection: Connection,
    generation: Generation,
    /// A question is under way.
    is_asking: bool,
}

/// The connection, or the way to it.
pub(crate) struct Link {
    address: Address,
    /// An attempt to connect takes no longer.
    patience: Duration,
    /// One attempt at a time, and the others wait for it.
    connecting: Arc<tokio::sync::Mutex<()>>,
    slot: Mutex<Slot>,
    /// Where the name of a single node led to when it was last connected to.
    found_at: Mutex<Option<SocketAddr>>,
}

#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    generation: Generation,
    failures: u32,
    /// Of the last attempt, while there is no connection, and when that began.
    failure: Option<(StoreError, Instant)>,
    not_before: Option<Instant>,
}

impl Line {
    /// Asks the node that has the key, which is the command's own, on the one connection to that node.
    pub(crate) async fn ask(&mut self, key: &str, command: &Cmd) -> RedisResult<Value> {
        self.is_asking = true;
        let outcome = match &mut self.connection {
            Connection::Single(it) => it.req_packed_command(command).await,
            Connection::Cluster(it) => {
                let route = Route::with_key(key, SlotAddr::Master);
                let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
                it.route_command(command.clone(), route).await
            }
        };
        self.is_asking = false;
        outcome.and_then(Value::extract_error)
    }

    /// Gives the connection up if this error says that it, or the node at its end, is of no use any more: one that serves no
    /// more may have become a replica, and the name leads to another one by now.
    pub(crate) fn failed(&self, error: &RedisError) {
        if error.kind() != ErrorKind::Server(ServerErrorKind::ResponseError) {
            self.give_up();
        }
    }

    /// A cluster's connections are mended one by one by its own client, and a node that hangs is no reason to
    /// give up those to the others.
    fn give_up(&self) {
        if matches!(self.connection, Connection::Single(_)) {
            self.link.drop_connection(self.generation);
        }
    }
}

impl Drop for Line {
    /// Whoever stopped waiting for an answer leaves a connection that may never answer again: the next call
    /// gets a new one.
    fn drop(&mut self) {
        if self.is_asking {
            self.give_up();
        }
    }
}

impl Link {
    /// To a store whose calls may take so long.
    pub(crate) fn new(address: Address, timeout: Duration) -> Arc<Self> {
        let patience = match address {
            // Then the call that wants it learns what went wrong.
            Address::Single(_) => timeout / 2,
            // A node that hangs is waited for twice, once for its address and once for its slots.
            Address::Cluster { .. } => timeout * 3,
        };
        Arc::new(Self {
            address,
            patience,
            connecting: Arc::default(),
            slot: Mutex::default(),
            found_at: Mutex::default(),
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The connection; a new one, if there is none and none was tried just now.
    pub(crate) async fn line(self: &Arc<Self>) -> Result<Line, StoreError> {
        loop {
            let found = self.slot().found()?;
            if let Some((connection, generation)) = found {
                return Ok(Line { link: self.clone(), connection, generation, is_asking: false });
            }
            let turn = self.connecting.clone().lock_owned().await;
            // Whoever had the turn before may have got one, or may have failed.
            if self.slot().found()?.is_none() {
                self.clone().begin(turn);
            }
        }
    }

    /// Waits until there is a connection, or an attempt has failed that began since now: the pauses are waited for. What fails
    /// then says something of now.
    pub(crate) async fn try_anew(self: &Arc<Self>) -> Result<(), StoreError> {
        let now = Instant::now();
        loop {
            let not_before = match &*self.slot() {
                Slot { connection: Some(_), .. } => return Ok(()),
                Slot { failure: Some((failure, began)), .. } if now <= *began => return Err(failure.clone()),
                Slot { not_before, .. } => *not_before,
            };
            sleep_until(not_before.unwrap_or(now)).await;
            // What came of it is seen above.
            let _ = self.line().await;
        }
    }

    /// In a task of its own, which ends with its patience: a call that waits for it may have less.
    fn begin(self: Arc<Self>, turn: OwnedMutexGuard<()>) {
        tokio::spawn(async move {
            let began = Instant::now();
            let outcome = match timeout(self.patience, self.connect()).await {
                Ok(outcome) => outcome.map_err(|it| StoreError::of_connecting(&it, self.patience)),
                Err(_) => Err(StoreError::Timeout(self.patience)),
            };
            self.slot().settle(outcome, began);
            drop(turn);
        });
    }

    /// The connection of this generation is of no use any more.
    fn drop_connection(&self, generation: Generation) {
        let mut slot = self.slot();
        if slot.generation == generation {
            slot.connection = None;
        }
    }

    async fn connect(&self) -> RedisResult<Connection> {
        match &self.address {
            Address::Single(client) => self.connect_to(client).await.map(Connection::Single),
            Address::Cluster { client, first } => match client.get_async_connection().await {
                Ok(connection) => Ok(Connection::Cluster(connection)),
                Err(error) => Err(multiplexed(first).await.err().unwrap_or(error)),
            },
        }
    }

    /// To where its name leads; to where it led last, if nobody knows: those who do may be lost with a node.
    /// Over TLS always by the name, which the certificate is for.
    async fn connect_to(&self, client: &Client) -> RedisResult<MultiplexedConnection> {
        let info = client.get_connection_info();
        let ConnectionAddr::Tcp(host, port) = info.addr() else { return multiplexed(client).await };
        let found = timeout(self.patience / 2, lookup_host((host.as_str(), *port))).await;
        let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let addresses: Vec<_> = match (found, self.found_at()) {
            (Ok(addresses), _) => addresses.collect(),
            (Err(_), Some(known)) => vec![known],
            (Err(error), None) => return Err(error.into()),
        };
        let mut failure = RedisError::from(io::Error::from(io::ErrorKind::NotFound));
        for address in addresses {
            let there = ConnectionAddr::Tcp(address.ip().to_string(), address.port());
            match multiplexed(&Client::open(info.clone().set_addr(there))?).await {
                Ok(connection) => {
                    self.set_found(address);
                    return Ok(connection);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn found_at(&self) -> Option<SocketAddr> {
        *self.found_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_found(&self, address: SocketAddr) {
        *self.found_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// Nothing that could panic is done while it is locked.
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn multiplexed(client: &Client) -> RedisResult<MultiplexedConnection> {
    // The library's own limits are shorter than what a call may take here.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

impl Slot {
    /// The connection if there is one, the last failure if it is too early for another attempt.
    fn found(&self) -> Result<Option<(Connection, Generation)>, StoreError> {
        if let Some(connection) = &self.connection {
            return Ok(Some((connection.clone(), self.generation)));
        }
        match (&self.failure, self.not_before) {
            (Some((failure, _)), Some(not_before)) if Instant::now() < not_before => Err(failure.clone()),
            _ => Ok(None),
        }
    }

    fn settle(&mut self, outcome: Result<Connection, StoreError>, began: Instant) {
        match outcome {
            Ok(connection) => {
                let generation = Generation(self.generation.0 + 1);
                *self = Self { connection: Some(connection), generation, ..Self::default() };
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.failure = Some((error, began));
                self.not_before = Some(Instant::now() + pause_after(self.failures));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    fn link_to(host: &str) -> Arc<Link> {
        Link::new(Address::parse(&format!("redis://{host}"), PATIENCE).unwrap(), PATIENCE)
    }

    #[tokio::test]
    async fn p4_where_a_name_led_last_is_gone_to_when_nobody_knows_the_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = link_to("nowhere.invalid");
        assert!(link.line().await.is_err(), "there is no such name");
        link.set_found(listener.local_addr().unwrap());
        let again = link.clone();
        tokio::spawn(async move { again.try_anew().await });
        timeout(Duration::from_secs(20), listener.accept()).await.expect("somebody comes").unwrap();
    }

    #[tokio::test]
    async fn where_a_name_leads_now_comes_before_where_it_led_last() {
        let [old, new] = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
        let (old, new) = (old.await.unwrap(), new.await.unwrap());
        let link = link_to(&format!("localhost:{}", new.local_addr().unwrap().port()));
        link.set_found(old.local_addr().unwrap());
        tokio::spawn(async move { link.try_anew().await });
        tokio::select! {
            _ = old.accept() => panic!("the old one"),
            it = timeout(Duration::from_secs(20), new.accept()) => drop(it.expect("somebody comes").unwrap()),
        }
    }

    #[tokio::test]
    async fn i7_a_question_does_not_fail_by_what_failed_before_it_was_asked() {
        let link = link_to("localhost:1");
        assert!(link.line().await.is_err(), "nobody listens there");
        assert_eq!(link.slot().failures, 1);
        assert!(link.try_anew().await.is_err());
        assert_eq!(link.slot().failures, 2);
    }
}
