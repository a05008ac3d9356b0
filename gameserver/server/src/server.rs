//! A game server: bound, then run until it is told to stop.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use gamekeeper_room::{GameMaker, Host, host::Event};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    builder::Builder,
    clock::Clock,
    control::Service,
    convert::Identity,
    desk::{Desk, NOTES_MAX, Note},
    listener,
    opener::Openers,
    players::{Gate, Seekers},
    pulse::{Contact, Pulse},
    rooms::Rooms,
    standby::{Standby, Standing},
    vault::Vault,
    witness::Witness,
    worker::{Frame, Workers},
};

/// Streams of one connection: one is needed, and another while it is replaced.
const STREAMS_MAX: u32 = 4;

/// A peer whose machine is gone says nothing of it, and would keep its connection for hours.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Connections that were accepted and not served yet.
const ACCEPTED_MAX: usize = 8;

/// How long streams and threads may take to end when the server does. What hangs then is left to the end of
/// the process.
const FAREWELL: Duration = Duration::from_secs(2);

/// A game server whose control port is bound.
pub struct Server {
    pub(crate) maker: Arc<dyn GameMaker>,
    pub(crate) listener: TcpListener,
    pub(crate) control_address: SocketAddr,
    pub(crate) identity: Identity,
    pub(crate) tick_rate: NonZeroU32,
    pub(crate) threads: usize,
    pub(crate) patience: Duration,
    pub(crate) clock: Clock,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) rooms: Rooms,
    pub(crate) gate: Option<Gate>,
    pub(crate) vault: Option<Vault>,
    pub(crate) standby: Option<Standby>,
    pub(crate) seekers: Seekers,
}

/// How a server has ended, as it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// All rooms were closed.
    Empty,
    /// It was not waited for so many rooms any longer.
    WithRooms(usize),
}

/// Why a server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There are too many in the process or on the machine.
    #[error("cannot start the threads that tick")]
    Threads(#[source] io::Error),
}

impl Server {
    /// A server of this maker's games.
    pub fn builder(maker: impl GameMaker) -> Builder {
        Builder::new(maker)
    }

    /// The way in for players.
    pub fn rooms(&self) -> Rooms {
        self.rooms.clone()
    }

    /// When the operator was heard last.
    pub fn contact(&self) -> Contact {
        self.pulse.contact()
    }

    /// How copies of rooms go, to the standby of this server and from those that it stands by for.
    pub fn standing(&self) -> Standing {
        Standby::standing(self.standby.as_ref())
    }

    /// Where the operator comes in: of port 0, the one that was chosen.
    pub fn control_address(&self) -> SocketAddr {
        self.control_address
    }

    /// Where players come in, if they do so by our transport: of port 0, the one that was chosen.
    pub fn players_address(&self) -> Option<SocketAddr> {
        self.gate.as_ref().and_then(Gate::address)
    }

    /// The hashes of the certificates that players may meet, as the room's status tells them.
    pub fn certificate_hashes(&self) -> Vec<String> {
        self.identity.hashes.get()
    }

    /// The name of this process, new with every one.
    pub fn boot_id(&self) -> &str {
        &self.identity.boot_id
    }

    /// Serves until `stop` is cancelled and all rooms are closed, or its patience has run out.
    ///
    /// A thread that hangs in a game is left behind: return from `main` soon.
    pub async fn run(self, stop: CancellationToken) -> Result<Stopped, RunError> {
        let (clock, tick_rate, patience) = (self.clock, self.tick_rate, self.patience);
        let capacity = usize::try_from(self.identity.capacity).unwrap_or(usize::MAX);
        let (control_address, boot_id, threads) =
            (self.control_address, &self.identity.boot_id, self.threads);
        let players_address = self.players_address();
        let players_port = players_address.map(|it| it.port());
        let players_address = players_address.map(tracing::field::display);
        info!(%control_address, players_address, boot_id, capacity, threads, tick_rate, "serving");
        let (stream_notes, from_streams) = mpsc::channel(NOTES_MAX);
        let (thread_notes, from_threads) = mpsc::channel(NOTES_MAX);
        let (alive, mut ended) = mpsc::channel(1);
        let (desk_notes, own_notes) = (thread_notes.clone(), thread_notes.clone());
        let frame = Frame { clock, pulse: self.pulse.clone(), notes: thread_notes, tick_rate, alive };
        let openers = Openers::start(&self.maker, capacity, &frame).map_err(RunError::Threads)?;
        let workers = Workers::start(threads, capacity, &frame).map_err(RunError::Threads)?;
        drop(frame);

        // Streams and connections end after the desk, so that it can say goodbye.
        let (hang_up, tasks) = (CancellationToken::new(), TaskTracker::new());
        let service = Service {
            notes: stream_notes,
            pulse: self.pulse.clone(),
            witness: Witness::new(),
            capacity,
            restores: self.vault.is_some(),
            stands_by: self.standby.is_some(),
            tasks: tasks.clone(),
            stop: hang_up.clone(),
            streams: AtomicU64::new(1),
        };
        let served = serve(self.listener, service, &tasks, &hang_up);
        let standby = self.standby.zip(players_port);
        if let Some(gate) = self.gate {
            if let Some((standby, _)) = &standby {
                tasks.spawn(standby.clone().run(gate.endpoint(), hang_up.clone()));
            }
            // A desk that is so busy has told every room meanwhile, or will be asked by the next Hello.
            let renewed = move || drop(desk_notes.try_send(Note::Room(Event::Restate)));
            tasks.spawn(gate.run(hang_up.clone(), renewed));
        }
        tasks.spawn(hang_up.clone().run_until_cancelled_owned(self.seekers.clone().ask(own_notes.clone())));
        let vault = self.vault.clone();
        let desk = Desk {
            host: Host::new(capacity),
            identity: self.identity,
            clock,
            tick_rate,
            pulse: self.pulse,
            rooms: self.rooms,
            openers,
            workers,
            vault: self.vault,
            standby,
            standing_by: None,
            seekers: self.seekers,
            schema: self.maker.schema(),
            build: self.maker.build(),
            notes: own_notes,
            callers: HashMap::new(),
            made: None,
        };
        let left = desk.run(from_streams, from_threads, stop, patience).await;
        hang_up.cancel();
        if let Some(vault) = vault {
            tasks.spawn(async move { vault.close().await });
        }
        tasks.close();
        farewell(served, &tasks, &mut ended).await;
        info!("stopped");
        Ok(if left == 0 { Stopped::Empty } else { Stopped::WithRooms(left) })
    }
}

/// Serves the control port until `hang_up` is cancelled.
fn serve(
    listener: TcpListener,
    service: Service,
    tasks: &TaskTracker,
    hang_up: &CancellationToken,
) -> JoinHandle<Result<(), tonic::transport::Error>> {
    let (lines, incoming) = mpsc::channel(ACCEPTED_MAX);
    tasks.spawn(listener::accept(listener, lines, hang_up.clone()));
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(service.limited());
    let incoming = ReceiverStream::new(incoming).map(Ok::<_, io::Error>);
    tokio::spawn(server.serve_with_incoming_shutdown(incoming, hang_up.clone().cancelled_owned()))
}

/// Waits for all that was started, for a while.
async fn farewell(
    mut served: JoinHandle<Result<(), tonic::transport::Error>>,
    tasks: &TaskTracker,
    ended: &mut mpsc::Receiver<()>,
) {
    let all = async {
        match (&mut served).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => error!(%error, "the control port failed"),
            Err(error) => error!(%error, "the control port's task failed"),
        }
        tasks.wait().await;
        // The threads keep the other ends.
        while ended.recv().await.is_some() {}
    };
    if timeout(FAREWELL, all).await.is_err() {
        warn!("not everything ends in time: left to the end of the process");
        served.abort();
    }
}
