//! A small world for histories: rooms and pods with compare-and-set, servers that live and die, and
//! leaders that see all of it late, are killed, doubled, and left running when they should not.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::*;

const SERVERS: usize = 4;
const ROOM_NAMES: usize = 7;

/// As many requests of one leader are on their way at once, as in the driver.
const REQUESTS_MAX: usize = 16;

/// What must happen in some history, or the histories prove nothing.
pub(super) type Seen = BTreeSet<&'static str>;

#[derive(Clone)]
struct Pod {
    view: ServerView,
    version: u64,
}

/// What is the case, as the API server has it.
pub(super) struct Simulation {
    rng: StdRng,
    pods: BTreeMap<String, Pod>,
    rooms: BTreeMap<String, GameRoom>,
    version: u64,
    term: u32,
    leaders: Vec<Leader>,
    start: Instant,
    passed: Duration,
    pub(super) seen: Seen,
    pub(super) events: usize,
    writes: usize,
}

/// One operator that leads, or believes so.
struct Leader {
    ledger: Ledger,
    /// News on their way, in order by kind.
    pod_news: VecDeque<(u64, Event)>,
    room_news: VecDeque<(u64, Event)>,
    /// Newest version seen of every object, as in the cache.
    versions: HashMap<String, u64>,
    commands: VecDeque<Command>,
    is_current: bool,
    /// Of a leader that was succeeded: requests that had been sent by then. What it decides later
    /// does not get past the fence.
    sent: Option<usize>,
}

impl Simulation {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            pods: BTreeMap::new(),
            rooms: BTreeMap::new(),
            version: 0,
            term: 0,
            leaders: Vec::new(),
            start: Instant::now(),
            passed: Duration::ZERO,
            seen: Seen::new(),
            events: 0,
            writes: 0,
        };
        world.elect();
        world
    }

    /// One thing happens.
    pub(super) fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..5 => self.create_room(),
            5..7 => self.delete_room(),
            7..13 => self.start_server(),
            13..17 => self.server_changes(),
            17 => self.lose_server(),
            18 => self.elect(),
            19 => self.stop_stale_leader(),
            20..25 => self.pass(Duration::from_millis(700)),
            25..60 => self.deliver_news(),
            _ => self.carry_out(),
        }
        self.check();
    }

    /// No more trouble: everybody catches up, and then nothing is written any more.
    pub(super) fn settle(&mut self) {
        self.leaders.retain(|it| it.is_current);
        for round in 0.. {
            assert!(round < 400, "no fixpoint: {} commands left", self.leaders[0].commands.len());
            while self.live_servers() < SERVERS {
                self.start_server();
            }
            let unwell = |it: &&Pod| it.view.is_alive() && it.view.state != ServerState::Ready;
            let unwell: Vec<String> =
                self.pods.values().filter(unwell).map(|it| it.view.uid.clone()).collect();
            unwell.iter().for_each(|uid| self.change_pod(uid, |it| it.state = ServerState::Ready));
            while self.has_news() {
                self.deliver_news();
            }
            let writes = self.writes;
            while !self.leaders[0].commands.is_empty() {
                self.carry_out_surely();
                while self.has_news() {
                    self.deliver_news();
                }
            }
            self.pass(Duration::from_secs(20));
            if writes == self.writes
                && self.leaders[0].commands.is_empty()
                && !self.has_news()
                && self.live_servers() == SERVERS
            {
                break;
            }
        }
        self.check_at_rest();
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.passed, wall: Timestamp::from_second(1_767_225_600).unwrap() }
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn live_servers(&self) -> usize {
        self.pods.values().filter(|it| it.view.is_alive() && !it.view.is_deleting).count()
    }

    // What users, players and machines do.

    fn create_room(&mut self) {
        let name = format!("room-{}", self.rng.random_range(0..ROOM_NAMES));
        if self.rooms.contains_key(&name) {
            return;
        }
        let version = self.next_version();
        let recovery = *["Restart", "Restore", "Fail"].choose(&mut self.rng).unwrap();
        let change = json!({
            "metadata": { "uid": format!("room-uid-{version}"), "resourceVersion": version.to_string() },
            "spec": { "recovery": recovery, "priority": self.rng.random_range(0..3), "ttlSecondsAfterFinished": 5 },
        });
        self.put_room(room(&name, change), "a room was created");
    }

    fn put_room(&mut self, room: GameRoom, what: &'static str) {
        self.seen.insert(what);
        let version = version_of(&room);
        for leader in &mut self.leaders {
            leader.room_news.push_back((version, Event::Room(Arc::new(room.clone()))));
        }
        self.rooms.insert(room.metadata.name.clone().unwrap(), room);
    }

    fn delete_room(&mut self) {
        let names: Vec<String> = self.rooms.keys().cloned().collect();
        if let Some(name) = names.choose(&mut self.rng) {
            self.remove_room(name);
        }
    }

    fn remove_room(&mut self, name: &str) {
        let Some(room) = self.rooms.remove(name) else { return };
        self.seen.insert("a room was deleted");
        let version = self.next_version();
        for leader in &mut self.leaders {
            leader.room_news.push_back((version, Event::RoomGone(Arc::new(room.clone()))));
        }
    }

    fn start_server(&mut self) {
        if SERVERS <= self.live_servers() {
            return;
        }
        let version = self.next_version();
        let node = format!("node-{}", self.rng.random_range(0..2));
        let mut view = server(&format!("server-{version}"), &node);
        view.state = ServerState::Starting;
        self.pods.insert(view.uid.clone(), Pod { view: view.clone(), version });
        self.spread(&view.uid);
    }

    fn server_changes(&mut self) {
        let uids: Vec<String> = self.pods.keys().cloned().collect();
        let Some(uid) = uids.choose(&mut self.rng).cloned() else { return };
        let view = self.pods[&uid].view.clone();
        let state = match (view.state, self.rng.random_range(0..10)) {
            (
                ServerState::Starting
                | ServerState::Unhealthy
                | ServerState::Draining
                | ServerState::Unreachable,
                _,
            ) => ServerState::Ready,
            (ServerState::Ready, 0..4) if view.claim.is_some() => ServerState::Ended(Exit { code: 0 }),
            (ServerState::Ready, 4..7) => ServerState::Ended(Exit { code: 137 }),
            (ServerState::Ready, 7) => ServerState::Unhealthy,
            (ServerState::Ready, 8) => ServerState::Draining,
            (ServerState::Ready, _) => ServerState::Unreachable,
            (ServerState::Ended(_), _) if view.claim.is_none() => return self.remove_pod(&uid),
            (ServerState::Ended(_), _) => return,
        };
        self.change_pod(&uid, |it| it.state = state);
    }

    /// Somebody deletes the pod by force, or its node is gone for good.
    fn lose_server(&mut self) {
        let uids: Vec<String> = self.pods.keys().cloned().collect();
        if let Some(uid) = uids.choose(&mut self.rng) {
            self.seen.insert("a pod was deleted by somebody else");
            self.remove_pod(uid);
        }
    }

    fn change_pod(&mut self, uid: &str, change: impl FnOnce(&mut ServerView)) {
        let version = self.next_version();
        let pod = self.pods.get_mut(uid).unwrap();
        change(&mut pod.view);
        pod.version = version;
        self.spread(uid);
    }

    fn spread(&mut self, uid: &str) {
        let pod = &self.pods[uid];
        for leader in &mut self.leaders {
            leader.pod_news.push_back((pod.version, Event::Server(pod.view.clone())));
        }
    }

    fn remove_pod(&mut self, uid: &str) {
        self.pods.remove(uid);
        let version = self.next_version();
        for leader in &mut self.leaders {
            leader.pod_news.push_back((version, Event::ServerGone(uid.to_owned())));
        }
    }

    // What leaders do.

    /// A new leader. The one before may not have noticed yet.
    fn elect(&mut self) {
        let epochs = self.rooms.values().filter_map(|it| Some(Epoch(it.status.as_ref()?.epoch)));
        let claims = self.pods.values().filter_map(|it| Some(it.view.claim.as_ref()?.epoch));
        // The Lease may have been lost: then only epochs remember. A candidate waits until whoever
        // held it must have stopped, so that there is no stale leader then.
        let is_lost = self.rng.random_bool(0.2);
        let remembered = if is_lost { 0 } else { self.term };
        self.term = 1 + epochs.chain(claims).map(Epoch::term).max().unwrap_or_default().max(remembered);
        for leader in &mut self.leaders {
            leader.is_current = false;
            let sent = leader.sent.unwrap_or(usize::MAX).min(leader.commands.len()).min(REQUESTS_MAX);
            leader.commands.truncate(sent);
            leader.sent = Some(sent);
        }
        if is_lost || self.rng.random_bool(0.5) {
            self.leaders.clear();
        }
        let mut leader = Leader {
            ledger: Ledger::new(self.term),
            pod_news: VecDeque::new(),
            room_news: VecDeque::new(),
            versions: HashMap::new(),
            commands: VecDeque::new(),
            is_current: true,
            sent: None,
        };
        leader.pod_news.push_back((0, Event::Fleet(fleet_name(), fleet())));
        leader.pod_news.extend(self.pods.values().map(|it| (it.version, Event::Server(it.view.clone()))));
        leader
            .room_news
            .extend(self.rooms.values().map(|it| (version_of(it), Event::Room(Arc::new(it.clone())))));
        let now = self.now();
        while let Some((version, event)) =
            leader.pod_news.pop_front().or_else(|| leader.room_news.pop_front())
        {
            leader.take(version, event, now);
        }
        leader.take(0, Event::Synced, now);
        self.seen.insert(if self.leaders.is_empty() { "a leader was killed" } else { "two leaders at once" });
        self.leaders.push(leader);
    }

    fn stop_stale_leader(&mut self) {
        self.leaders.retain(|it| it.is_current);
    }

    fn pass(&mut self, time: Duration) {
        self.passed += time;
        let now = self.now();
        self.leaders.iter_mut().for_each(|it| it.take(0, Event::Tick, now));
    }

    fn has_news(&self) -> bool {
        self.leaders.iter().any(|it| !it.pod_news.is_empty() || !it.room_news.is_empty())
    }

    fn deliver_news(&mut self) {
        self.events += 1;
        let now = self.now();
        let index = self.rng.random_range(0..self.leaders.len());
        let leader = &mut self.leaders[index];
        // Two watches: each in order, but not with the other.
        let news = match self.rng.random_bool(0.5) {
            true => leader.pod_news.pop_front().or_else(|| leader.room_news.pop_front()),
            false => leader.room_news.pop_front().or_else(|| leader.pod_news.pop_front()),
        };
        if let Some((version, event)) = news {
            leader.take(version, event, now);
        }
    }

    fn carry_out(&mut self) {
        let index = self.rng.random_range(0..self.leaders.len());
        let trouble = self.rng.random_range(0..10);
        self.carry_out_of(index, trouble);
    }

    fn carry_out_surely(&mut self) {
        self.carry_out_of(0, 9);
    }

    /// Carries out a command of a leader. With trouble 0 the call fails, with 1 only its answer is lost.
    fn carry_out_of(&mut self, index: usize, trouble: u8) {
        self.events += 1;
        let leader = &mut self.leaders[index];
        if leader.commands.is_empty() {
            return;
        }
        let picked = self.rng.random_range(0..leader.commands.len());
        let command = leader.commands.swap_remove_back(picked).unwrap();
        // A leader that was succeeded has nothing on its way but what it had sent before.
        let is_fenced = leader.sent.is_some_and(|it| it == 0);
        leader.sent = leader.sent.map(|it| it.saturating_sub(1));
        if is_fenced {
            self.seen.insert("a write was fenced");
        }
        let takes_effect = trouble != 0 && !is_fenced;
        let answer_is_lost = trouble < 2 || is_fenced;
        let result = if takes_effect { self.call(&command) } else { Outcome::Failed };
        let outcome = if answer_is_lost { Outcome::Failed } else { result };
        // With a lost answer, sometimes the question what is the case now gets none either.
        let knows = !answer_is_lost || self.rng.random_bool(0.5);
        let answers = self.answers(&command, outcome, knows);
        let now = self.now();
        for (version, event) in answers {
            self.leaders[index].take(version, event, now);
        }
    }

    /// What the API server does.
    fn call(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Claim { room, server, epoch } => {
                let Some(pod) = self.pods.get(&server.uid) else { return Outcome::Conflict };
                // The resourceVersion is that of the view: nothing may have changed.
                if pod.view.claim != server.claim || pod.view.is_deleting || pod.view.state != server.state {
                    self.seen.insert("a claim came too late");
                    return Outcome::Conflict;
                }
                self.seen.insert(if pod.view.claim.is_some() {
                    "a server was claimed again"
                } else {
                    "a server was claimed"
                });
                self.writes += 1;
                let claimed = claimed_by(&pod.view, room, *epoch);
                self.change_pod(&server.uid, |it| it.claim = claimed.claim);
                Outcome::Done
            }
            Command::WriteStatus { room, status, .. } => self.write_status(room, status),
            Command::Release { server_uid, epoch, .. } => {
                let claim = self.pods.get(server_uid).and_then(|it| it.view.claim.as_ref());
                if claim.is_some_and(|it| it.epoch != *epoch) {
                    self.seen.insert("a release came too late");
                    return Outcome::Conflict;
                }
                self.check_release(server_uid);
                self.writes += 1;
                self.seen.insert("a server was released");
                if self.pods.contains_key(server_uid) {
                    self.remove_pod(server_uid);
                }
                Outcome::Done
            }
            Command::DeleteRoom { room } => {
                let name = room.metadata.name.as_deref().unwrap();
                self.writes += 1;
                if self.rooms.get(name).is_some_and(|it| it.metadata.uid == room.metadata.uid) {
                    self.seen.insert("a room was deleted after its time");
                    self.remove_room(name);
                }
                Outcome::Done
            }
            Command::AskForServer { .. }
            | Command::AskForRoom { .. }
            | Command::TellLoss { .. }
            | Command::StepDown => Outcome::Done,
        }
    }

    fn write_status(&mut self, room: &GameRoom, status: &gamekeeper_crds::GameRoomStatus) -> Outcome {
        let name = room.metadata.name.as_deref().unwrap();
        let Some(current) = self.rooms.get(name).cloned() else { return Outcome::Conflict };
        if current.metadata.uid != room.metadata.uid || version_of(&current) != version_of(room) {
            self.seen.insert("a status was written too late");
            return Outcome::Conflict;
        }
        let before = current.status.clone().unwrap_or_default();
        assert!(before.epoch <= status.epoch, "I2: an epoch fell from {} to {}", before.epoch, status.epoch);
        assert!(!before.phase.is_over(), "a match that is over was changed");
        self.writes += 1;
        self.seen.insert(match status.phase {
            Phase::Pending => "a room was told to wait",
            Phase::Running if 0 < status.recoveries => "a room was placed again",
            Phase::Running => "a room was placed",
            Phase::Recovering => "a room lost its server and found no other",
            Phase::Finished => "a match was finished",
            Phase::Failed => "a match was lost",
        });
        if status.phase == Phase::Running {
            // I4: who reads an address may connect: the server has the room, or has just died with it.
            let uid = &status.server.as_ref().unwrap().pod_uid;
            let claim = self.pods.get(uid).and_then(|it| it.view.claim.as_ref());
            assert!(
                claim.is_none_or(|it| Some(&it.room_uid) == current.metadata.uid.as_ref()),
                "I4: {name} was published on a server of another room"
            );
        }
        let version = self.next_version();
        let mut written = current;
        written.status = Some(status.clone());
        written.metadata.resource_version = Some(version.to_string());
        self.put_room(written, "a status was written");
        Outcome::Done
    }

    /// What the driver tells the ledger after a call: first what is the case, then the outcome.
    fn answers(&self, command: &Command, outcome: Outcome, knows: bool) -> Vec<(u64, Event)> {
        let mut answers = Vec::new();
        let room_answer =
            |room: &GameRoom| (0, Event::RoomAnswer { uid: room.metadata.uid.clone().unwrap(), outcome });
        match command {
            Command::Claim { room, server, .. } => {
                answers.extend(knows.then(|| self.pod_now(&server.uid)));
                answers.push(room_answer(room));
            }
            Command::WriteStatus { room, .. } | Command::DeleteRoom { room } => {
                if knows {
                    answers.push(self.room_now(room.metadata.name.as_deref().unwrap(), room));
                }
                answers.push(room_answer(room));
            }
            Command::AskForServer { room_uid, server_uid, .. } => {
                if outcome == Outcome::Done {
                    answers.push(self.pod_now(server_uid));
                    if !self.pods.contains_key(server_uid) {
                        answers.push((
                            0,
                            Event::ServerAbsent {
                                room_uid: room_uid.clone(),
                                server_uid: server_uid.clone(),
                            },
                        ));
                    }
                }
                answers.push((0, Event::RoomAnswer { uid: room_uid.clone(), outcome }));
            }
            Command::AskForRoom { server_uid, room, room_uid } => {
                if outcome == Outcome::Done {
                    let found =
                        self.rooms.get(&room.name).filter(|it| it.metadata.uid.as_ref() == Some(room_uid));
                    match found {
                        Some(found) => {
                            answers.push((version_of(found), Event::Room(Arc::new(found.clone()))));
                        }
                        None => answers.push((0, Event::RoomAbsent { server_uid: server_uid.clone() })),
                    }
                }
                answers.push((0, Event::ServerAnswer { uid: server_uid.clone(), outcome }));
            }
            Command::Release { server_uid, .. } => {
                answers.extend((outcome != Outcome::Failed).then(|| self.pod_now(server_uid)));
                answers.push((0, Event::ServerAnswer { uid: server_uid.clone(), outcome }));
            }
            Command::TellLoss { .. } | Command::StepDown => (),
        }
        answers
    }

    fn pod_now(&self, uid: &str) -> (u64, Event) {
        match self.pods.get(uid) {
            Some(pod) => (pod.version, Event::Server(pod.view.clone())),
            None => (self.version, Event::ServerGone(uid.to_owned())),
        }
    }

    fn room_now(&self, name: &str, asked: &GameRoom) -> (u64, Event) {
        let found = self.rooms.get(name).filter(|it| it.metadata.uid == asked.metadata.uid);
        match found {
            Some(room) => (version_of(room), Event::Room(Arc::new(room.clone()))),
            None => (self.version, Event::RoomGone(Arc::new(asked.clone()))),
        }
    }

    // What must hold.

    /// P6 and I9: nobody's match is ended by us.
    fn check_release(&self, uid: &str) {
        let Some(pod) = self.pods.get(uid).filter(|it| it.view.is_alive()) else { return };
        let claim = pod.view.claim.as_ref().expect("only servers with a claim are released");
        let room =
            self.rooms.get(&claim.room_name).filter(|it| it.metadata.uid.as_ref() == Some(&claim.room_uid));
        let status = room.and_then(|it| it.status.as_ref());
        let plays = status.is_some_and(|it| {
            it.phase == Phase::Running && it.server.as_ref().is_some_and(|it| it.pod_uid == uid)
        });
        assert!(!plays, "P6: {} was released while it plays {}", pod.view.pod_name, claim.room_name);
    }

    /// P2: no seat is sold twice.
    fn check(&self) {
        let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
        for room in self.rooms.values() {
            let Some(status) = room.status.as_ref().filter(|it| it.phase == Phase::Running) else { continue };
            let uid = status.server.as_ref().unwrap().pod_uid.as_str();
            let name = room.metadata.name.as_deref().unwrap();
            if let Some(other) = hosts.insert(uid, name) {
                panic!("P2: {name} and {other} are both published on {uid}");
            }
        }
    }

    fn check_at_rest(&self) {
        self.check();
        let free = self
            .pods
            .values()
            .filter(|it| it.view.state == ServerState::Ready && it.view.claim.is_none())
            .count();
        for room in self.rooms.values() {
            let name = room.metadata.name.as_deref().unwrap();
            let status = room.status.clone().unwrap_or_default();
            match status.phase {
                Phase::Running => {
                    let pod = &self.pods[&status.server.as_ref().unwrap().pod_uid];
                    assert!(pod.view.is_alive(), "{name} is published on a dead server");
                }
                Phase::Pending | Phase::Recovering => {
                    assert_eq!(free, 0, "{name} waits although a server is free");
                }
                Phase::Finished | Phase::Failed => panic!("{name} should have been deleted by now"),
            }
        }
        for pod in self.pods.values() {
            // One that died before it was published stays until its room has another.
            let Some(claim) = pod.view.claim.as_ref().filter(|_| pod.view.is_alive()) else { continue };
            let room =
                self.rooms.get(&claim.room_name).expect("nothing forgotten: a claimed server's room exists");
            let server = room.status.as_ref().and_then(|it| it.server.as_ref());
            let honoured = server.is_some_and(|it| it.pod_uid == pod.view.uid);
            assert!(honoured, "nothing forgotten: a claim that nobody honours: {:?} of {room:?}", pod.view);
        }
    }
}

impl Leader {
    /// As the driver's caches do: older news than what is known are dropped.
    fn take(&mut self, version: u64, event: Event, now: Now) {
        let key = match &event {
            Event::Server(view) => Some(view.uid.clone()),
            Event::ServerGone(uid) => Some(uid.clone()),
            Event::Room(room) | Event::RoomGone(room) => room.metadata.uid.clone(),
            _ => None,
        };
        if let Some(key) = key {
            let known = self.versions.entry(key).or_default();
            if version < *known {
                return;
            }
            *known =
                if matches!(event, Event::ServerGone(_) | Event::RoomGone(_)) { u64::MAX } else { version };
        }
        self.commands.extend(self.ledger.on(event, now));
        assert!(
            !self.is_current || !self.commands.contains(&Command::StepDown),
            "nobody is later than the current leader"
        );
    }
}

fn version_of(room: &GameRoom) -> u64 {
    room.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}
