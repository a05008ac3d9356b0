//! Game servers that speak the control protocol, in memory and in virtual time: the real book of rooms of the SDK
//! behind the real gRPC, over pipes instead of sockets. And ways to make them misbehave.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::FutureExt as _;
use gamekeeper_control::{
    Beat, Close, Feature, Finding, HelloRefused, HelloRefusedWhy, HostedRoom, Mirror, Open, Opened, PROTOCOL,
    Probe, ProbeResult, Refused, RefusedWhy, Restore, RoomPhase, RoomState, StandingBy, Tenancy, ToOperator,
    ToServer, Token, Welcome, agree, proto,
    proto::control_server::{Control, ControlServer},
};
use gamekeeper_operator::server::connector::Connector;
use gamekeeper_room::{
    Ending, Epoch, Phase, RoomNow,
    host::{self, Action, Event, Host, Order, Report, RoomNumber, StreamId},
};
use gamekeeper_testkit::sim::{Cluster, RunningPod};
use tokio::{sync::mpsc, time::Instant};
use tonic::{Request, Response, Status, Streaming};

/// Where servers take copies.
pub(crate) const PLAYERS_PORT: u16 = 7777;

/// Words on their way to one operator.
const QUEUE: usize = 256;

/// Where kubelets listen.
const KUBELET_PORT: u16 = 10250;

/// What a server does otherwise than it should.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quirks {
    /// Says these instead of a Welcome.
    pub(crate) first_words: Option<proto::ServerMessage>,
    /// Speaks only this version.
    pub(crate) protocol: Option<u32>,
    /// Says these after its Welcome.
    pub(crate) then: Vec<proto::ServerMessage>,
    /// Has these rooms besides, which nobody asked for.
    pub(crate) stowaways: Vec<HostedRoom>,
    /// Does not answer Open and Close.
    pub(crate) is_mute: bool,
    /// Its loop stands still.
    pub(crate) hangs: bool,
    /// Refuses to open any room, for this reason.
    pub(crate) refuses: Option<RefusedWhy>,
    pub(crate) capacity: Option<usize>,
    /// The hashes of its certificates.
    pub(crate) certificates: Vec<String>,
    pub(crate) features: BTreeSet<Feature>,
    /// Servers that neither move nor answer, by the names of their pods: SIGSTOP.
    pub(crate) stopped: BTreeSet<String>,
    /// Servers that the operator cannot reach, and others can.
    pub(crate) out_of_reach: BTreeSet<String>,
    /// The store does not hear those either.
    pub(crate) is_store_out_of_reach: bool,
}

/// All processes, by the addresses of their pods.
#[derive(Clone)]
pub(crate) struct Servers {
    cluster: Arc<Cluster>,
    start: Instant,
    processes: Arc<Mutex<BTreeMap<String, Process>>>,
    quirks: Arc<Mutex<Quirks>>,
    /// What was asked to be restored, by the epochs under which it was.
    restored: Arc<Mutex<BTreeMap<i64, Restore>>>,
}

struct Process {
    pod_uid: String,
    boot_id: String,
    host: Host,
    streams: BTreeMap<StreamId, mpsc::Sender<proto::ServerMessage>>,
    rooms: BTreeMap<RoomNumber, Tenancy>,
    /// The stream that was welcomed last: beats go nowhere else.
    beating: Option<StreamId>,
    beats: u64,
    last_stream: u64,
    /// What it was told of copies.
    copies: Copies,
}

/// For whom a server keeps copies, and where it sends its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies {
    pub(crate) tokens: Vec<Token>,
    pub(crate) mirror: Option<Mirror>,
}

impl Servers {
    /// No processes yet; a pod that runs has one.
    pub(crate) fn new(cluster: &Arc<Cluster>) -> Self {
        Self {
            cluster: cluster.clone(),
            start: Instant::now(),
            processes: Arc::default(),
            quirks: Arc::default(),
            restored: Arc::default(),
        }
    }

    /// How the room under this epoch was to be restored, if it was.
    pub(crate) fn restored(&self, epoch: i64) -> Option<Restore> {
        self.restored.lock().unwrap().get(&epoch).copied()
    }

    /// How often a room was asked for, to be had only if its owner is silent.
    pub(crate) fn bids(&self) -> usize {
        self.restored.lock().unwrap().values().filter(|it| !it.owner_silent.is_zero()).count()
    }

    /// How servers misbehave from now on.
    pub(crate) fn misbehave(&self, quirks: Quirks) {
        *self.quirks.lock().unwrap() = quirks;
    }

    /// Reaches them.
    pub(crate) fn connector(&self) -> Connector {
        let servers = self.clone();
        Connector::new(move |address| {
            let servers = servers.clone();
            async move {
                if servers.is_silent(address.ip()) {
                    std::future::pending::<()>().await;
                }
                servers.accept(address)
            }
            .boxed()
        })
    }

    /// The rooms that are on a server, by the pod's name.
    pub(crate) fn rooms_of(&self, pod: &str) -> Vec<Tenancy> {
        let ip = self.cluster.running().into_iter().find(|it| it.name == pod).map(|it| it.pod_ip);
        let processes = self.lock();
        ip.and_then(|it| processes.get(&it))
            .map(|it| it.rooms.values().cloned().collect())
            .unwrap_or_default()
    }

    /// What a server was told of copies, by the pod's name.
    pub(crate) fn copies_of(&self, pod: &str) -> Copies {
        let ip = self.cluster.running().into_iter().find(|it| it.name == pod).map(|it| it.pod_ip);
        let processes = self.lock();
        ip.and_then(|it| processes.get(&it)).map(|it| it.copies.clone()).unwrap_or_default()
    }

    /// Every room on any server, with the name of the pod.
    pub(crate) fn all_rooms(&self) -> Vec<(String, Tenancy)> {
        let running = self.cluster.running();
        let processes = self.lock();
        let of = |pod: &RunningPod| {
            let process = processes.get(&pod.pod_ip).filter(|it| it.pod_uid == pod.uid);
            process.into_iter().flat_map(|it| it.rooms.values().cloned()).collect::<Vec<_>>()
        };
        running.iter().flat_map(|pod| of(pod).into_iter().map(|it| (pod.name.clone(), it))).collect()
    }

    /// So many players are in a room.
    pub(crate) fn join(&self, room: &str, players: u32) {
        self.change(room, RoomNow { phase: Phase::Playing, players, ending: None });
    }

    /// Servers show players these certificates from now on, and the one with this room says so.
    pub(crate) fn certify(&self, room: &str, players: u32, certificates: &[String]) {
        let certificate_hashes = certificates.to_vec();
        self.quirks.lock().unwrap().certificates.clone_from(&certificate_hashes);
        let processes = self.lock();
        let hosting =
            processes.values().find_map(|it| Some((it, it.rooms.values().find(|it| it.name == room)?)));
        let (process, tenancy) = hosting.expect("the room is on a server");
        let (tenancy, phase) = (tenancy.clone(), RoomPhase::Playing);
        let state = RoomState { tenancy, phase, players, checkpoint_tick: None, certificate_hashes };
        process.say(process.beating.expect("it was greeted"), ToOperator::RoomState(state).into());
    }

    /// A server ends all its streams.
    pub(crate) fn hang_up(&self, pod: &str) {
        let ip = self.cluster.running().into_iter().find(|it| it.name == pod).map(|it| it.pod_ip);
        if let Some(process) =
            ip.and_then(|it| self.lock().get_mut(&it).map(|it| std::mem::take(&mut it.streams)))
        {
            drop(process);
        }
    }

    /// The match of a room is over.
    pub(crate) fn finish(&self, room: &str, winner: &str) {
        let ending = Some(Arc::new(Ending::new([("winner", winner)]).unwrap()));
        self.change(room, RoomNow { phase: Phase::Finished, players: 0, ending });
    }

    fn change(&self, room: &str, now: RoomNow) {
        let mut processes = self.lock();
        for process in processes.values_mut() {
            let found = process.rooms.iter().find(|(_, it)| it.name == room).map(|(number, _)| *number);
            if let Some(number) = found {
                if now.phase == Phase::Finished {
                    process.rooms.remove(&number);
                }
                process.tell(Event::Changed(number, now), self.start.elapsed(), &self.quirks());
                return;
            }
        }
        panic!("{room} is on no server");
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Process>> {
        self.processes.lock().unwrap()
    }

    fn quirks(&self) -> Quirks {
        self.quirks.lock().unwrap().clone()
    }

    fn accept(
        &self,
        address: SocketAddr,
    ) -> io::Result<Box<dyn gamekeeper_operator::server::connector::Connection>> {
        let ip = address.ip().to_string();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        if address.port() == KUBELET_PORT {
            return Ok(Box::new(ours));
        }
        let pod = self.cluster.running().into_iter().find(|it| it.pod_ip == ip);
        let Some(pod) = pod else { return Err(io::ErrorKind::ConnectionRefused.into()) };
        let mut processes = self.lock();
        if processes.get(&ip).is_none_or(|it| it.pod_uid != pod.uid) {
            let capacity = self.quirks().capacity.unwrap_or(4);
            processes.insert(ip.clone(), Process::new(pod.uid, capacity));
        }
        let service = Service { servers: self.clone(), ip };
        let incoming = futures::stream::iter([Ok::<_, io::Error>(theirs)]);
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(ControlServer::new(service))
                .serve_with_incoming(incoming),
        );
        Ok(Box::new(ours))
    }

    /// Whether nothing at this address answers the operator.
    fn is_silent(&self, ip: IpAddr) -> bool {
        let out_of_reach = self.quirks().out_of_reach;
        let is_it = |pod: &RunningPod| pod.pod_ip == ip.to_string() && out_of_reach.contains(&pod.name);
        self.is_node_silent(ip) || self.cluster.running().iter().any(is_it)
    }

    /// Whether the node with this address, or with a pod of this address, answers nobody.
    fn is_node_silent(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(ip) = ip else { return false };
        let [_, node, _, last] = ip.octets();
        // As the cluster gives out addresses: nodes' and pods'.
        self.cluster.is_cut(&format!("node-{}", if node == 0 { last } else { node }))
    }

    /// Whether the process at this address does nothing.
    fn is_stopped(&self, ip: &str) -> bool {
        let stopped = self.quirks().stopped;
        !stopped.is_empty()
            && self.cluster.running().iter().any(|it| it.pod_ip == ip && stopped.contains(&it.name))
    }

    /// Whether the process at this address is still the one with this boot id.
    fn lives(&self, ip: &str, boot_id: &str) -> bool {
        let processes = self.lock();
        let Some(process) = processes.get(ip).filter(|it| it.boot_id == boot_id) else { return false };
        self.cluster.running().iter().any(|it| it.uid == process.pod_uid)
    }
}

#[derive(Clone)]
struct Service {
    servers: Servers,
    ip: String,
}

#[tonic::async_trait]
impl Control for Service {
    type AttachStream = tokio_stream::wrappers::ReceiverStream<Result<proto::ServerMessage, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<proto::OperatorMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut words = request.into_inner();
        let (out, answers) = mpsc::channel(QUEUE);
        let (sender, mut queue) = mpsc::channel(QUEUE);
        let (servers, ip) = (self.servers.clone(), self.ip.clone());
        let (stream, boot_id) = {
            let mut processes = servers.lock();
            let process = processes.get_mut(&ip).ok_or_else(|| Status::unavailable("gone"))?;
            process.last_stream += 1;
            let stream = StreamId(process.last_stream);
            process.streams.insert(stream, sender);
            (stream, process.boot_id.clone())
        };
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            loop {
                if servers.is_silent(ip.parse().unwrap()) || servers.is_stopped(&ip) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                tokio::select! {
                    word = words.message() => match word {
                        Ok(Some(word)) => servers.hear(&ip, stream, word),
                        Ok(None) | Err(_) => break,
                    },
                    word = queue.recv() => match word {
                        Some(word) => if out.send(Ok(word)).await.is_err() { break },
                        None => break,
                    },
                    _ = ticks.tick() => {
                        // A process that was killed says nothing more.
                        if !servers.lives(&ip, &boot_id) { return }
                        servers.tick(&ip, stream);
                    }
                }
            }
            if let Some(process) = servers.lock().get_mut(&ip) {
                process.streams.remove(&stream);
                let quirks = servers.quirks();
                process.tell(Event::StreamEnded(stream), servers.start.elapsed(), &quirks);
            }
        });
        Ok(Response::new(tokio_stream::wrappers::ReceiverStream::new(answers)))
    }
}

impl Servers {
    fn hear(&self, ip: &str, stream: StreamId, word: proto::OperatorMessage) {
        let quirks = self.quirks();
        let Ok(Some(word)) = ToServer::parse(word) else { return };
        let mut processes = self.lock();
        let Some(process) = processes.get_mut(ip) else { return };
        let event = match word {
            ToServer::Hello(hello) => {
                if let Some(words) = quirks.first_words {
                    return process.say(stream, words);
                }
                let spoken = quirks.protocol.unwrap_or(PROTOCOL);
                let protocol = agree(hello.protocol, spoken..=spoken);
                Event::Greeted { stream, term: hello.term, protocol, heartbeat: hello.heartbeat }
            }
            ToServer::Open(_) | ToServer::Close(_) if quirks.is_mute => return,
            ToServer::Open(Open { tenancy, .. }) if quirks.refuses.is_some() => {
                let why = quirks.refuses.unwrap_or(RefusedWhy::Full);
                let refused = Refused { tenancy, why, current_epoch: 0, message: "no such map".to_owned() };
                return process.say(stream, ToOperator::Refused(refused).into());
            }
            ToServer::Probe(Probe { id, address, .. }) => {
                let pod = self.cluster.running().into_iter().find(|it| it.pod_ip == address.ip().to_string());
                let finding = match pod {
                    _ if self.is_node_silent(address.ip()) => Finding::Silent,
                    None if address.port() != KUBELET_PORT => Finding::Refused,
                    _ => Finding::Connected,
                };
                return process.say(stream, ToOperator::ProbeResult(ProbeResult { id, finding }).into());
            }
            ToServer::Open(Open { tenancy, restore: Some(restore), .. })
                if !restore.owner_silent.is_zero() && !quirks.is_store_out_of_reach =>
            {
                self.restored.lock().unwrap().insert(tenancy.epoch, restore);
                let why = RefusedWhy::OwnerAlive;
                let refused = Refused { tenancy, why, current_epoch: 0, message: "it lives".to_owned() };
                return process.say(stream, ToOperator::Refused(refused).into());
            }
            ToServer::Open(open) => {
                let restored = open.restore.map(|it| (open.tenancy.epoch, it));
                self.restored.lock().unwrap().extend(restored);
                Event::Asked(stream, host::Command::Open(order(open)))
            }
            ToServer::Close(Close { tenancy, .. })
                if quirks.stowaways.iter().any(|it| it.tenancy == tenancy) =>
            {
                self.quirks.lock().unwrap().stowaways.retain(|it| it.tenancy != tenancy);
                return process.say(stream, ToOperator::Closed(tenancy).into());
            }
            ToServer::Close(Close { tenancy, why: _ }) => {
                Event::Asked(stream, host::Command::Close(theirs(tenancy)))
            }
            ToServer::Drain => Event::Asked(stream, host::Command::Drain(true)),
            ToServer::Undrain => Event::Asked(stream, host::Command::Drain(false)),
            ToServer::Retire => Event::Asked(stream, host::Command::Retire),
            ToServer::StandBy(tokens) => {
                process.copies.tokens = tokens;
                let standing_by = StandingBy { certificate_hashes: quirks.certificates, port: PLAYERS_PORT };
                return process.say(stream, ToOperator::StandingBy(standing_by).into());
            }
            ToServer::Mirror(mirror) => {
                process.copies.mirror = mirror;
                return;
            }
            _ => return,
        };
        process.tell(event, self.start.elapsed(), &quirks);
    }

    fn tick(&self, ip: &str, stream: StreamId) {
        let quirks = self.quirks();
        let mut processes = self.lock();
        let Some(process) = processes.get_mut(ip) else { return };
        process.tell(Event::TimePassed, self.start.elapsed(), &quirks);
        if !quirks.hangs && process.beating == Some(stream) {
            process.beats += 1;
            let beat = Beat {
                sequence: process.beats,
                progress: process.beats,
                tick_p99: Duration::from_millis(1),
                load_permille: 100,
            };
            process.say(stream, ToOperator::Beat(beat).into());
        }
    }
}

impl Process {
    fn new(pod_uid: String, capacity: usize) -> Self {
        Self {
            boot_id: format!("boot-of-{pod_uid}"),
            pod_uid,
            host: Host::new(capacity),
            streams: BTreeMap::new(),
            rooms: BTreeMap::new(),
            beating: None,
            beats: 0,
            last_stream: 0,
            copies: Copies::default(),
        }
    }

    fn say(&self, stream: StreamId, word: proto::ServerMessage) {
        if let Some(sender) = self.streams.get(&stream) {
            let _ = sender.try_send(word);
        }
    }

    fn tell(&mut self, event: Event, now: Duration, quirks: &Quirks) {
        for action in self.host.on(event, now) {
            match action {
                Action::Send(stream, Report::Welcome(welcome)) => {
                    let welcome = self.welcome(welcome, quirks);
                    self.say(stream, ToOperator::Welcome(welcome).into());
                    quirks.then.iter().for_each(|it| self.say(stream, it.clone()));
                }
                Action::Send(stream, report) => self.say(stream, said(report, quirks).into()),
                Action::End(stream) | Action::Replace(stream) => drop(self.streams.remove(&stream)),
                Action::Make(room, _) => self.tell(Event::Made { room, outcome: Ok(()) }, now, quirks),
                Action::Run(room, tenancy) => drop(self.rooms.insert(room, ours(tenancy))),
                Action::Adopt(room, epoch) => {
                    if let Some(tenancy) = self.rooms.get_mut(&room) {
                        tenancy.epoch = epoch.0;
                    }
                }
                Action::Drop(room) => {
                    self.rooms.remove(&room);
                    self.tell(Event::Gone(room), now, quirks);
                }
                Action::Beat(stream, _) => self.beating = Some(stream),
                Action::Shut(_) => (),
            }
        }
    }

    fn welcome(&self, welcome: host::Welcome, quirks: &Quirks) -> Welcome {
        let rooms = welcome.rooms.into_iter().map(|it| HostedRoom {
            tenancy: ours(it.tenancy),
            phase: phase(it.now.phase),
            players: it.now.players,
            result: it.now.ending.map(|it| it.values().clone()),
            ports: Vec::new(),
            certificate_hashes: quirks.certificates.clone(),
        });
        Welcome {
            boot_id: self.boot_id.clone(),
            protocol: welcome.protocol,
            features: quirks.features.clone(),
            capacity: u32::try_from(quirks.capacity.unwrap_or(4)).unwrap(),
            is_retired: welcome.is_retired,
            is_draining: welcome.is_draining,
            rooms: rooms.chain(quirks.stowaways.clone()).collect(),
            certificate_hashes: quirks.certificates.clone(),
        }
    }
}

fn said(report: Report, quirks: &Quirks) -> ToOperator {
    match report {
        Report::Welcome(_) => unreachable!("said elsewhere"),
        Report::HelloRefused { why, highest_term } => ToOperator::HelloRefused(HelloRefused {
            why: match why {
                host::HelloRefusedWhy::Term => HelloRefusedWhy::Term,
                host::HelloRefusedWhy::Protocol => HelloRefusedWhy::Protocol,
                host::HelloRefusedWhy::Malformed => HelloRefusedWhy::Malformed,
            },
            highest_term,
            protocol: PROTOCOL..=PROTOCOL,
        }),
        Report::Opened(tenancy) => ToOperator::Opened(Opened {
            tenancy: ours(tenancy),
            ports: Vec::new(),
            certificate_hashes: quirks.certificates.clone(),
        }),
        Report::Refused { tenancy, why, current, message } => ToOperator::Refused(Refused {
            tenancy: ours(tenancy),
            why: match why {
                host::RefusedWhy::Epoch => RefusedWhy::Epoch,
                host::RefusedWhy::Full => RefusedWhy::Full,
                host::RefusedWhy::Draining => RefusedWhy::Draining,
                host::RefusedWhy::Retired => RefusedWhy::Retired,
                host::RefusedWhy::Parameters => RefusedWhy::Parameters,
                host::RefusedWhy::Checkpoint => RefusedWhy::Checkpoint,
                host::RefusedWhy::Fenced => RefusedWhy::Fenced,
                host::RefusedWhy::OwnerAlive => RefusedWhy::OwnerAlive,
                host::RefusedWhy::Unsupported => RefusedWhy::Unsupported,
                host::RefusedWhy::UnknownRoom => RefusedWhy::UnknownRoom,
            },
            current_epoch: current.map_or(0, |it| it.0),
            message,
        }),
        Report::RoomState { tenancy, phase: it, players, .. } => ToOperator::RoomState(RoomState {
            tenancy: ours(tenancy),
            phase: phase(it),
            players,
            checkpoint_tick: None,
            certificate_hashes: Vec::new(),
        }),
        Report::CheckpointFailed(tenancy, message) => {
            ToOperator::CheckpointFailed { tenancy: ours(tenancy), message }
        }
        Report::Finished(tenancy, ending) => {
            ToOperator::Finished { tenancy: ours(tenancy), result: ending.values().clone() }
        }
        Report::Closed(tenancy) => ToOperator::Closed(ours(tenancy)),
        Report::Draining(is_draining) => ToOperator::Draining(is_draining),
        Report::Retired { is_retired, rooms } => {
            ToOperator::Retired { retired: is_retired, rooms: u32::try_from(rooms).unwrap() }
        }
        Report::Fault(tenancy, message) => {
            ToOperator::Fault(gamekeeper_control::Fault { tenancy: ours(tenancy), message, is_fatal: true })
        }
    }
}

fn order(open: Open) -> Order {
    Order { tenancy: theirs(open.tenancy), seats: None, parameters: open.parameters, restore: None }
}

fn theirs(tenancy: Tenancy) -> gamekeeper_room::Tenancy {
    let Tenancy { namespace, name, uid, epoch } = tenancy;
    gamekeeper_room::Tenancy { namespace, name, uid, epoch: Epoch(epoch) }
}

fn ours(tenancy: gamekeeper_room::Tenancy) -> Tenancy {
    let gamekeeper_room::Tenancy { namespace, name, uid, epoch } = tenancy;
    Tenancy { namespace, name, uid, epoch: epoch.0 }
}

fn phase(phase: Phase) -> RoomPhase {
    match phase {
        Phase::Opening => RoomPhase::Restoring,
        Phase::Waiting => RoomPhase::Waiting,
        Phase::Playing => RoomPhase::Playing,
        Phase::Finished => RoomPhase::Finished,
    }
}
