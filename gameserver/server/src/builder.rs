//! What a server is made of, checked and bound before anything runs.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    thread,
    time::Duration,
};

use gamekeeper_control::limits;
use gamekeeper_player::admission::Admission;
use gamekeeper_room::GameMaker;
use tokio::net::TcpListener;

use crate::{
    clock::Clock,
    convert::Identity,
    listener,
    players::{self, Hashes, Hold, Host, PlayersError, Seekers},
    pulse::Pulse,
    rooms::Rooms,
    server::Server,
    standby::Standby,
    state::{State, StateError},
    vault::Vault,
};

/// The control port of a fleet that does not say otherwise.
const CONTROL_PORT: u16 = 9600;

/// More would be no game: the pause of a thread is not shorter than a millisecond.
const TICK_RATE_MAX: u32 = 1000;

/// More threads than any pod has cores.
const THREADS_MAX: usize = 256;

/// The longest time that Kubernetes is asked to wait for a pod's end in practice; it kills before, if told so.
const PATIENCE: Duration = Duration::from_hours(24);

/// A lost room is with its next owner within so long, also when its node is lost.
const HOLD: Duration = Duration::from_secs(4);

/// Where a port is.
#[derive(Clone, Copy, Debug)]
enum At {
    Port(u16),
    Address(SocketAddr),
}

/// Makes a [`Server`].
#[must_use]
pub struct Builder {
    maker: Arc<dyn GameMaker>,
    control: At,
    players: Option<At>,
    admission: Admission,
    per_address: usize,
    hold: Option<Duration>,
    capacity: u32,
    tick_rate: u32,
    threads: usize,
    patience: Duration,
    state: Option<State>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A server hosts 1 to 4,096 rooms.
    #[error("a capacity of {0} rooms, where 1 to 4096 are possible")]
    Capacity(u32),
    /// A room ticks 1 to 1,000 times a second.
    #[error("a tick rate of {0}, where 1 to 1000 are possible")]
    TickRate(u32),
    /// Rooms are ticked by 1 to 256 threads.
    #[error("{0} threads, where 1 to 256 are possible")]
    Threads(usize),
    /// The control port cannot be had.
    #[error("cannot listen on the control address {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Rooms cannot be kept as it says.
    #[error("cannot keep rooms in the store")]
    State(#[source] StateError),
    /// Players cannot come in.
    #[error("cannot let players in at {address}")]
    Players {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: PlayersError,
    },
}

impl Builder {
    pub(crate) fn new(maker: impl GameMaker) -> Self {
        Self {
            maker: Arc::new(maker),
            control: At::Port(CONTROL_PORT),
            players: None,
            admission: Admission::Open,
            per_address: players::OF_ONE_ADDRESS_MAX,
            hold: None,
            capacity: 1,
            tick_rate: 30,
            threads: thread::available_parallelism().map_or(1, |it| it.get().min(THREADS_MAX)),
            patience: PATIENCE,
            state: None,
        }
    }

    /// Where the operator comes in, at all addresses: the fleet's `spec.control.port`. Without it, 9600. It is
    /// to be reached by operators only.
    pub fn control_port(mut self, port: u16) -> Self {
        self.control = At::Port(port);
        self
    }

    /// Where the operator comes in, at one address only.
    pub fn control_address(mut self, address: SocketAddr) -> Self {
        self.control = At::Address(address);
        self
    }

    /// Where players come in by QUIC, at all addresses: a `containerPort` of the fleet's `spec.ports`, UDP. Without
    /// it, the server has no transport of ours, and brings its own.
    pub fn players_port(mut self, port: u16) -> Self {
        self.players = Some(At::Port(port));
        self
    }

    /// Where players come in by QUIC, at one address only.
    pub fn players_address(mut self, address: SocketAddr) -> Self {
        self.players = Some(At::Address(address));
        self
    }

    /// Whom the players' port lets in: the fleet's `spec.admission`. Without it, everybody.
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = admission;
        self
    }

    /// How many connections one address may have, or 64 bits of IPv6. Without it, 256. More where many players
    /// come through one proxy; then that is what has to keep floods away.
    pub fn connections_per_address(mut self, connections: usize) -> Self {
        self.per_address = connections;
        self
    }

    /// How long the players' port holds somebody whose room is not here, because it may be about to come: at most six
    /// seconds. Without it, four seconds on a server with [`state`](Self::state), which gets the rooms of lost ones:
    /// players know where to go before the operator does. On others, nobody is held.
    pub fn hold_early_arrivals(mut self, patience: Duration) -> Self {
        self.hold = Some(patience);
        self
    }

    /// How many rooms the process hosts, 1 to 4,096. Without it, one.
    pub fn capacity(mut self, rooms: u32) -> Self {
        self.capacity = rooms;
        self
    }

    /// Ticks per second, 1 to 1,000. Without it, 30.
    pub fn tick_rate(mut self, hz: u32) -> Self {
        self.tick_rate = hz;
        self
    }

    /// How many threads tick the rooms, 1 to 256. Without it, one for every core that the process has.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How long rooms are played on once the process is told to stop. Without it, a day: what ends the wait
    /// is then the pod's `terminationGracePeriodSeconds`.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where rooms are kept, so that another server can go on with them, and this one with those of others: the fleet's
    /// `spec.state`. Without it, a match is lost with its server.
    pub fn state(mut self, state: Option<State>) -> Self {
        self.state = state;
        self
    }

    /// Checks it all and binds the ports. To be called within a tokio runtime.
    pub async fn bind(self) -> Result<Server, BindError> {
        let Self {
            maker,
            control,
            players,
            admission,
            per_address,
            hold,
            capacity,
            tick_rate,
            threads,
            patience,
            state,
        } = self;
        if !limits::CAPACITY.contains(&capacity) {
            return Err(BindError::Capacity(capacity));
        }
        let tick_rate = NonZeroU32::new(tick_rate)
            .filter(|it| it.get() <= TICK_RATE_MAX)
            .ok_or(BindError::TickRate(tick_rate))?;
        if !(1..=THREADS_MAX).contains(&threads) {
            return Err(BindError::Threads(threads));
        }
        let (listener, control_address) = listen(control).await?;
        let clock = Clock::start();
        let hold = hold.unwrap_or_else(|| if state.is_some() { HOLD } else { Duration::ZERO });
        let stands_by = state.is_some() && players.is_some();
        let standby = stands_by.then(|| Standby::new(clock));
        let vault =
            state.map(|it| Vault::new(it, clock, standby.clone())).transpose().map_err(BindError::State)?;
        let (rooms, hashes, seekers) = (Rooms::default(), Hashes::default(), Seekers::default());
        let host = Host {
            rooms: rooms.clone(),
            admission,
            clock,
            tick_rate,
            hashes: hashes.clone(),
            per_address,
            hold: Hold::for_at_most(hold, seekers.clone()),
            standby: standby.as_ref().map(|it| it.receiver().clone()),
        };
        let gate = players.map(|at| bind_players(at, host)).transpose()?;
        Ok(Server {
            maker,
            listener,
            control_address,
            // Random, and not from anything that a restart would repeat.
            identity: Identity {
                boot_id: format!("{:032x}", rand::random::<u128>()),
                capacity,
                stands_by,
                hashes,
                restores: vault.is_some(),
            },
            gate,
            tick_rate,
            threads,
            patience,
            clock,
            pulse: Pulse::new(clock, threads),
            rooms,
            vault,
            standby,
            seekers,
        })
    }
}

fn bind_players(at: At, host: Host) -> Result<players::Gate, BindError> {
    let (address, bound) = match at {
        At::Address(address) => (address, players::bind(address, host)),
        At::Port(port) => {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            match players::bind(both, host.clone()) {
                Err(PlayersError::Socket(error)) if is_without_ipv6(&error) => {
                    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
                    (address, players::bind(address, host))
                }
                bound => (both, bound),
            }
        }
    };
    bound.map_err(|source| BindError::Players { address, source })
}

/// Whether it failed for another reason than that the port is not to be had.
fn is_without_ipv6(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

async fn listen(at: At) -> Result<(TcpListener, SocketAddr), BindError> {
    let (address, bound) = match at {
        At::Address(address) => (address, listener::bind(address).await),
        At::Port(port) => {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            match listener::bind(both).await {
                // There is no IPv6 here.
                Err(error) if is_without_ipv6(&error) => {
                    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
                    (address, listener::bind(address).await)
                }
                bound => (both, bound),
            }
        }
    };
    let named = bound.and_then(|it| Ok((it.local_addr()?, it)));
    let (address, listener) = named.map_err(|source| BindError::Listen { address, source })?;
    Ok((listener, address))
}
