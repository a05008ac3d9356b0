//! A small world for histories: rooms and pods with compare-and-set, servers that live and die, and
//! leaders that see all of it late, are killed, doubled, and left running when they should not.

mod actors;
mod api;

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
