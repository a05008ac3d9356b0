//! Controlled servers, and the links to them. A server is the real [`Host`] of the SDK; what carries its words is
//! a pair of queues that may break at any moment.

use std::{num::NonZeroU64, time::Duration};

use gamekeeper_control::{
    Feature, HostedRoom, Opened, Refused, RefusedWhy, RoomPhase, RoomState, Tenancy as Told, Welcome,
};
use gamekeeper_room::{
    Ending, Epoch as HostEpoch, Phase as HostPhase, RoomNow, Tenancy as HostTenancy,
    host::{self, Action, Host, Order, Report, RoomNumber, StreamId},
};

use super::*;
use crate::room::ledger::LinkNews;

/// Rooms that one controlled server can host.
pub(super) const CAPACITY: usize = 2;

/// A controlled server's process.
pub(super) struct Process {
    host: Host,
    boot_id: String,
    /// Games that are being made or dropped.
    chores: VecDeque<host::Event>,
    /// Rooms that run, as the process knows them.
    running: BTreeMap<RoomNumber, HostTenancy>,
    /// Epochs of all rooms that were ever open here.
    opened: BTreeSet<i64>,
    is_retired: bool,
}

/// One leader's link to a server.
#[derive(Default)]
pub(super) struct Link {
    stream: Option<StreamId>,
    to_server: VecDeque<host::Command>,
    to_operator: VecDeque<LinkNews>,
}

impl Process {
    pub(super) fn new(boot_id: String) -> Self {
        Self {
            host: Host::new(CAPACITY),
            boot_id,
            chores: VecDeque::new(),
            running: BTreeMap::new(),
            opened: BTreeSet::new(),
            is_retired: false,
        }
    }

    /// Rooms that are there and may be played.
    pub(super) fn tenancies(&self) -> impl Iterator<Item = &HostTenancy> {
        self.running.values()
    }

    /// Whether a room was ever open here under this epoch; it may have ended since.
    pub(super) fn had(&self, epoch: i64) -> bool {
        self.opened.contains(&epoch)
    }

    pub(super) fn takes_rooms(&self) -> bool {
        self.host.rooms() < CAPACITY && !self.is_retired
    }

    pub(super) fn has_rooms(&self) -> bool {
        0 < self.host.rooms()
    }
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether something that the server said is still to be heard.
    pub(super) fn has_words(&self) -> bool {
        !self.to_operator.is_empty()
    }

    /// Sends a command, unless the link is broken.
    pub(super) fn send(&mut self, command: &Command) -> bool {
        if self.stream.is_none() {
            return false;
        }
        let command = match command {
            Command::Open { room, epoch, restore, .. } => host::Command::Open(Order {
                tenancy: HostTenancy {
                    namespace: "games".into(),
                    name: room.metadata.name.clone().unwrap(),
                    uid: room.metadata.uid.clone().unwrap(),
                    epoch: HostEpoch(epoch.0),
                },
                seats: None,
                parameters: room.spec.parameters.clone(),
                // What is restored is none of the ledger's business.
                restore: restore.filter(|it| !it.owner_silent.is_zero()).map(|it| host::Restore {
                    lost_epoch: None,
                    fence: it.fence,
                    ended_epoch: None,
                    owner_silent: Some(it.owner_silent),
                }),
            }),
            Command::Close { tenancy, .. } => host::Command::Close(heard(tenancy)),
            Command::Drain { is_on, .. } => host::Command::Drain(*is_on),
            Command::Retire { .. } => host::Command::Retire,
            _ => return true,
        };
        self.to_server.push_back(command);
        true
    }
}

impl Simulation {
    /// Something happens between a leader and a controlled server, or in one.
    pub(super) fn link_step(&mut self) {
        let linked = self.leaders.iter().flat_map(|it| it.links.keys());
        let uids: BTreeSet<&String> = self.processes.keys().chain(linked).collect();
        let uids: Vec<String> = uids.into_iter().cloned().collect();
        let Some(uid) = uids.choose(&mut self.rng).cloned() else { return };
        match self.rng.random_range(0..24) {
            // That its stream is no more is heard also of one that is cut off.
            8..14 if self.losses.is_cut(&uid) => self.answer(&uid),
            // What does not answer is not heard either.
            1..19 if self.losses.is_frozen(&uid) => (),
            0 => self.break_link(&uid),
            1..8 => self.hear(&uid),
            8..14 => self.answer(&uid),
            14..19 => self.do_chore(&uid),
            19 => self.play(&uid),
            20 => self.retire(&uid),
            _ => self.dial(&uid),
        }
    }

    /// What is on its way between the leader and its servers arrives. Returns whether anything was.
    pub(super) fn talk_to_servers(&mut self) -> bool {
        let mut is_busy = false;
        // Also those of which only last words are left.
        let uids: BTreeSet<String> =
            self.processes.keys().chain(self.leaders[0].links.keys()).cloned().collect();
        for uid in uids {
            loop {
                let knows = self.leaders[0].knows(&uid);
                let link = self.leaders[0].links.entry(uid.clone()).or_default();
                let is_up = link.stream.is_some() || !self.processes.contains_key(&uid) || !knows;
                let has_words = !link.to_server.is_empty() || !link.to_operator.is_empty();
                let has_chores = self.processes.get(&uid).is_some_and(|it| !it.chores.is_empty());
                if is_up && !has_words && !has_chores {
                    break;
                }
                is_busy = true;
                self.dial_of(0, &uid);
                self.hear_of(0, &uid);
                self.answer_of(0, &uid);
                self.do_chore(&uid);
                if self.leaders[0].term < self.leaders[0].heard {
                    return true;
                }
            }
        }
        is_busy
    }

    fn any_leader(&mut self) -> usize {
        self.rng.random_range(0..self.leaders.len())
    }

    fn dial(&mut self, uid: &str) {
        let index = self.any_leader();
        self.dial_of(index, uid);
    }

    /// A leader greets a server that it has no link to.
    fn dial_of(&mut self, index: usize, uid: &str) {
        let is_up = self.leaders[index].knows(uid)
            && self.pods.get(uid).is_some_and(|it| it.view.is_alive())
            && self.processes.contains_key(uid)
            && self.losses.is_reachable(uid);
        let link = self.leaders[index].links.entry(uid.to_owned()).or_default();
        // Only when what was said before was heard: the driver takes reports in order.
        if link.stream.is_some() || !link.to_operator.is_empty() || !is_up {
            return;
        }
        let stream = StreamId(self.streams);
        self.streams += 1;
        link.to_server.clear();
        link.stream = Some(stream);
        let term = self.leaders[index].term;
        let heartbeat = Duration::from_millis(100);
        self.tell_process(uid, host::Event::Greeted { stream, term, protocol: Some(1), heartbeat });
    }

    fn hear(&mut self, uid: &str) {
        let index = self.any_leader();
        self.hear_of(index, uid);
    }

    /// The server hears one command.
    pub(super) fn hear_of(&mut self, index: usize, uid: &str) {
        let Some(link) = self.leaders[index].links.get_mut(uid) else { return };
        let (Some(stream), Some(command)) = (link.stream, link.to_server.pop_front()) else { return };
        if let host::Command::Close(tenancy) = &command {
            self.check_close(uid, tenancy);
        }
        self.tell_process(uid, host::Event::Asked(stream, command));
    }

    fn answer(&mut self, uid: &str) {
        let index = self.any_leader();
        self.answer_of(index, uid);
    }

    /// The leader hears one answer.
    pub(super) fn answer_of(&mut self, index: usize, uid: &str) {
        let now = self.now();
        let Some(link) = self.leaders[index].links.get_mut(uid) else { return };
        let Some(news) = link.to_operator.pop_front() else { return };
        // The cache of pods knows no more of it: the driver does not listen.
        if !self.leaders[index].knows(uid) {
            return;
        }
        self.leaders[index].take(0, Event::Link { server_uid: uid.to_owned(), news }, now);
    }

    /// Of whoever's link it is: the connection breaks, and what was on its way is lost.
    fn break_link(&mut self, uid: &str) {
        let index = self.any_leader();
        let Some(link) = self.leaders[index].links.get_mut(uid) else { return };
        let Some(stream) = link.stream.take() else { return };
        self.seen.insert("a link broke");
        link.to_server.clear();
        let kept = self.rng.random_range(0..=link.to_operator.len());
        link.to_operator.truncate(kept);
        link.to_operator.push_back(LinkNews::Lost);
        self.tell_process(uid, host::Event::StreamEnded(stream));
    }

    /// Nothing of it is heard any more.
    pub(super) fn break_links(&mut self, uid: &str) {
        let mut broken = Vec::new();
        for link in self.leaders.iter_mut().filter_map(|it| it.links.get_mut(uid)) {
            if let Some(stream) = link.stream.take() {
                link.to_server.clear();
                link.to_operator.push_back(LinkNews::Lost);
                broken.push(stream);
            }
        }
        for stream in broken {
            self.tell_process(uid, host::Event::StreamEnded(stream));
        }
    }

    /// The process of a pod is no more.
    pub(super) fn end_process(&mut self, uid: &str) {
        if self.processes.remove(uid).is_none() {
            return;
        }
        for link in self.leaders.iter_mut().filter_map(|it| it.links.get_mut(uid)) {
            if link.stream.take().is_some() {
                link.to_server.clear();
                link.to_operator.push_back(LinkNews::Lost);
            }
        }
    }

    pub(super) fn do_chore(&mut self, uid: &str) {
        let refuses = self.rng.random_bool(0.02) && !self.is_settling;
        let Some(process) = self.processes.get_mut(uid) else { return };
        let Some(mut chore) = process.chores.pop_front() else { return };
        if let host::Event::Made { outcome, .. } = &mut chore
            && refuses
            && outcome.is_ok()
        {
            self.seen.insert("a game refused a room");
            *outcome = Err(host::NotMade::Declined("no such map".to_owned()));
        }
        self.tell_process(uid, chore);
    }

    /// Players come, a match ends, or a game breaks.
    fn play(&mut self, uid: &str) {
        let Some(process) = self.processes.get(uid) else { return };
        let rooms: Vec<RoomNumber> = process.running.keys().copied().collect();
        let Some(room) = rooms.choose(&mut self.rng).copied() else { return };
        if self.is_refused_by_the_store(uid, room) {
            return;
        }
        let Some(process) = self.processes.get_mut(uid) else { return };
        let playing = |players| RoomNow { phase: HostPhase::Playing, players, ending: None };
        let event = match self.rng.random_range(0..8) {
            0..5 => host::Event::Changed(room, playing(self.rng.random_range(0..4))),
            5..7 => {
                process.running.remove(&room);
                self.seen.insert("a match on a controlled server was over");
                let ending = Some(Arc::new(Ending::new([("winner", "p3")]).unwrap()));
                host::Event::Changed(room, RoomNow { phase: HostPhase::Finished, players: 0, ending })
            }
            _ => {
                process.running.remove(&room);
                self.seen.insert("a game broke");
                host::Event::Broke { room, message: "out of cheese".to_owned() }
            }
        };
        self.tell_process(uid, event);
    }

    /// The fleet does not need the server, and removes it when it has retired.
    fn retire(&mut self, uid: &str) {
        let now = self.now();
        let Some(index) = self.leaders.iter().position(|it| it.is_current) else { return };
        let leader = &mut self.leaders[index];
        if leader.ledger.link(uid).is_some_and(|it| it.is_retired) && !leader.ledger.is_busy(uid) {
            let Some(process) = self.processes.get(uid) else { return };
            assert!(!process.has_rooms(), "I9: a server with a room is removed");
            self.seen.insert("a server retired");
            return self.remove_pod(uid);
        }
        leader.take(0, Event::Unneeded { server_uid: uid.to_owned() }, now);
    }

    /// Something happens to a server, and what follows from it is done.
    fn tell_process(&mut self, uid: &str, event: host::Event) {
        let now = self.passed;
        let Some(process) = self.processes.get_mut(uid) else { return };
        let actions = process.host.on(event, now);
        assert!(process.host.rooms() <= CAPACITY, "P2: a server hosts more rooms than it may");
        for action in actions {
            self.act(uid, action);
        }
    }

    pub(super) fn time_passes_in_processes(&mut self) {
        let uids: Vec<String> = self.processes.keys().cloned().collect();
        uids.iter().for_each(|uid| self.tell_process(uid, host::Event::TimePassed));
    }

    fn act(&mut self, uid: &str, action: Action) {
        match action {
            Action::Send(stream, report) => self.send(uid, stream, report),
            Action::End(stream) | Action::Replace(stream) => {
                let with_it =
                    |it: &&mut Leader| it.links.get(uid).is_some_and(|it| it.stream == Some(stream));
                if let Some(leader) = self.leaders.iter_mut().find(with_it) {
                    self.seen.insert("a later leader ended a stream");
                    let link = leader.links.entry(uid.to_owned()).or_default();
                    link.stream = None;
                    link.to_server.clear();
                    link.to_operator.push_back(LinkNews::Lost);
                }
            }
            Action::Beat(..) | Action::Shut(_) => (),
            Action::Make(room, Order { tenancy, restore, .. }) => {
                let asks = restore.is_some_and(|it| it.owner_silent.is_some());
                let outcome = match self.losses.later_owner(uid, &tenancy.uid, tenancy.epoch.0) {
                    Some(owner) => Err(host::NotMade::Fenced { owner: HostEpoch(owner) }),
                    None if asks && !self.bid(uid, &tenancy.uid, tenancy.epoch.0) => {
                        Err(host::NotMade::OwnerAlive)
                    }
                    None => Ok(()),
                };
                self.chore(uid, host::Event::Made { room, outcome });
            }
            Action::Run(room, tenancy) => {
                self.seen.insert("a room was opened");
                self.processes.get_mut(uid).unwrap().opened.insert(tenancy.epoch.0);
                self.own(uid, &tenancy.uid, tenancy.epoch.0);
                self.running(uid).insert(room, tenancy);
            }
            Action::Adopt(room, epoch) => {
                self.processes.get_mut(uid).unwrap().opened.insert(epoch.0);
                if let Some(tenancy) = self.running(uid).get_mut(&room) {
                    tenancy.epoch = epoch;
                    let room = tenancy.uid.clone();
                    self.own(uid, &room, epoch.0);
                }
            }
            Action::Drop(room) => {
                self.seen.insert("a room was closed");
                self.running(uid).remove(&room);
                self.chore(uid, host::Event::Gone(room));
            }
        }
    }

    fn running(&mut self, uid: &str) -> &mut BTreeMap<RoomNumber, HostTenancy> {
        &mut self.processes.get_mut(uid).unwrap().running
    }

    /// Whether a later owner has the room by the store, which tells its server as soon as that saves the room: it is gone then.
    fn is_refused_by_the_store(&mut self, uid: &str, room: RoomNumber) -> bool {
        let Some(tenancy) = self.running(uid).get(&room).cloned() else { return false };
        let Some(owner) = self.losses.later_owner(uid, &tenancy.uid, tenancy.epoch.0) else { return false };
        self.seen.insert("the store refused an owner");
        self.running(uid).remove(&room);
        self.tell_process(uid, host::Event::Broke { room, message: host::fenced_by(HostEpoch(owner)) });
        true
    }

    /// All that save their rooms hear who owns them.
    pub(super) fn save_all(&mut self) {
        let running = self.processes.iter().flat_map(|(uid, process)| {
            process.running.keys().map(|room| (uid.clone(), *room)).collect::<Vec<_>>()
        });
        for (uid, room) in running.collect::<Vec<_>>() {
            self.is_refused_by_the_store(&uid, room);
        }
    }

    fn chore(&mut self, uid: &str, event: host::Event) {
        self.processes.get_mut(uid).unwrap().chores.push_back(event);
    }

    fn send(&mut self, uid: &str, stream: StreamId, report: Report) {
        let boot_id = self.processes[uid].boot_id.clone();
        let with_it = |it: &&mut Leader| it.links.get(uid).is_some_and(|it| it.stream == Some(stream));
        let Some(leader) = self.leaders.iter_mut().find(with_it) else { return };
        let ours = leader.term;
        let link = leader.links.entry(uid.to_owned()).or_default();
        match report {
            Report::HelloRefused { highest_term, .. } => {
                self.seen.insert("a greeting was refused");
                assert!(ours < highest_term, "only an earlier leader is refused");
                link.stream = None;
                link.to_operator.push_back(LinkNews::Succeeded(highest_term));
            }
            report => {
                // A room that is being dropped is in no Welcome, and has its place until it is gone.
                if matches!(report, Report::Refused { why: host::RefusedWhy::Full, .. }) {
                    self.seen.insert("a server was full after all");
                }
                let is_retired = matches!(&report, Report::Retired { is_retired: true, .. });
                link.to_operator.push_back(told_report(report, &boot_id));
                self.processes.get_mut(uid).unwrap().is_retired |= is_retired;
            }
        }
    }

    /// P6: nobody's match is closed by us.
    fn check_close(&self, uid: &str, tenancy: &HostTenancy) {
        let room = self.rooms.get(&tenancy.name);
        let room = room.filter(|it| it.metadata.uid.as_ref() == Some(&tenancy.uid));
        let status = room.and_then(|it| it.status.as_ref()).filter(|it| it.phase == Phase::Running);
        let is_published = status.is_some_and(|it| {
            it.epoch == tenancy.epoch.0 && it.server.as_ref().is_some_and(|it| it.pod_uid == uid)
        });
        assert!(!is_published, "P6: {} was closed while it plays on {uid}", tenancy.name);
    }
}

fn heard(tenancy: &Told) -> HostTenancy {
    let Told { namespace, name, uid, epoch } = tenancy.clone();
    HostTenancy { namespace, name, uid, epoch: HostEpoch(epoch) }
}

fn told(tenancy: HostTenancy) -> Told {
    let HostTenancy { namespace, name, uid, epoch } = tenancy;
    Told { namespace, name, uid, epoch: epoch.0 }
}

fn told_phase(phase: HostPhase) -> RoomPhase {
    match phase {
        HostPhase::Opening => RoomPhase::Restoring,
        HostPhase::Waiting => RoomPhase::Waiting,
        HostPhase::Playing => RoomPhase::Playing,
        HostPhase::Finished => RoomPhase::Finished,
    }
}

fn told_report(report: Report, boot_id: &str) -> LinkNews {
    match report {
        Report::Welcome(welcome) => LinkNews::Welcome(Welcome {
            boot_id: boot_id.to_owned(),
            protocol: welcome.protocol,
            features: [Feature::Restore, Feature::TakeIfSilent].into(),
            capacity: u32::try_from(CAPACITY).unwrap(),
            is_retired: welcome.is_retired,
            is_draining: welcome.is_draining,
            rooms: welcome.rooms.into_iter().map(told_room).collect(),
            certificate_hashes: Vec::new(),
        }),
        Report::Opened(tenancy) => {
            LinkNews::Opened(Opened { tenancy: told(tenancy), ports: vec![], certificate_hashes: vec![] })
        }
        Report::Refused { tenancy, why, current, message } => LinkNews::Refused(Refused {
            tenancy: told(tenancy),
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
        Report::RoomState { tenancy, phase, players, .. } => LinkNews::State(RoomState {
            tenancy: told(tenancy),
            phase: told_phase(phase),
            players,
            checkpoint_tick: Some(NonZeroU64::MIN),
            certificate_hashes: vec![],
        }),
        Report::CheckpointFailed(tenancy, message) => LinkNews::CheckpointFailed(told(tenancy), message),
        Report::Finished(tenancy, ending) => LinkNews::Finished(told(tenancy), ending.values().clone()),
        Report::Closed(tenancy) | Report::Fault(tenancy, _) => LinkNews::Closed(told(tenancy)),
        Report::Draining(is_draining) => LinkNews::Draining(is_draining),
        Report::Retired { is_retired, .. } => LinkNews::Retired(is_retired),
        Report::HelloRefused { highest_term, .. } => LinkNews::Succeeded(highest_term),
    }
}

fn told_room(hosted: host::Hosted) -> HostedRoom {
    HostedRoom {
        tenancy: told(hosted.tenancy),
        phase: told_phase(hosted.now.phase),
        players: hosted.now.players,
        result: hosted.now.ending.map(|it| it.values().clone()),
        ports: Vec::new(),
        certificate_hashes: Vec::new(),
    }
}
