//! A small world for histories: rooms and pods with compare-and-set, servers that live and die, and
//! leaders that see all of it late, are killed, doubled, and left running when they should not.

mod actors;
mod api;
mod losses;
mod servers;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::*;
use crate::room::ledger::LinkNews;

const SERVERS: usize = 4;
const ROOM_NAMES: usize = 7;
/// Every so many histories begin with matches that are played, and with free places beside them.
const WITH_MATCHES: u64 = 4;
const ROOM_NAMES_FEW: usize = 3;

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
    /// Of controlled servers, by the uids of their pods.
    processes: BTreeMap<String, servers::Process>,
    losses: losses::Losses,
    /// Streams that were ever opened.
    streams: u64,
    is_settling: bool,
    room_names: usize,
    version: u64,
    term: u32,
    leaders: Vec<Leader>,
    start: Instant,
    passed: Duration,
    pub(super) seen: Seen,
    events: usize,
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
    links: BTreeMap<String, servers::Link>,
    term: u32,
    /// The latest term that a server has named.
    heard: u32,
    /// What its ledger was told.
    events: usize,
    /// It has sent a room on its way to be restored.
    has_restored: bool,
    /// The epochs under which rooms were opened to be restored, and whether their old owners may still live.
    fences: losses::Fences,
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
            processes: BTreeMap::new(),
            losses: losses::Losses::default(),
            streams: 0,
            is_settling: false,
            room_names: ROOM_NAMES,
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
        if seed.is_multiple_of(WITH_MATCHES) {
            world.begin_with_matches();
        }
        world
    }

    /// Servers that speak the control protocol, and matches that are restored when they are lost.
    fn begin_with_matches(&mut self) {
        self.room_names = ROOM_NAMES_FEW;
        while self.live_servers() < SERVERS {
            self.start_server();
        }
        let uids: Vec<String> = self.pods.keys().cloned().collect();
        uids.iter().for_each(|it| self.change_pod(it, |it| it.state = ServerState::Ready));
        for _ in 0..ROOM_NAMES_FEW {
            self.create_room();
        }
        self.catch_up();
        while !self.leaders[0].commands.is_empty() {
            self.carry_out_surely();
            self.catch_up();
        }
    }

    fn begins_with_matches(&self) -> bool {
        self.room_names == ROOM_NAMES_FEW
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
            20..22 => self.doubt(),
            22..24 => self.pass(Duration::from_millis(700)),
            24..48 => self.link_step(),
            48..70 => self.deliver_news(),
            _ => self.carry_out(),
        }
        self.succeed_the_succeeded();
        if self.leaders.iter().any(|it| it.has_restored) {
            self.seen.insert("a room was restored");
        }
        self.check();
    }

    /// A leader that a server told of a later term stands for election again, above it.
    fn succeed_the_succeeded(&mut self) {
        let is_behind = |it: &&Leader| it.is_current && it.term < it.heard;
        if self.leaders.iter().any(|it| is_behind(&it)) {
            self.seen.insert("a server told of a later term");
            self.elect();
        }
    }

    /// No more trouble: everybody catches up, and then nothing is written any more.
    pub(super) fn settle(&mut self) {
        self.is_settling = true;
        self.end_all_doubts();
        self.dismiss(|it| it.is_current);
        for round in 0.. {
            assert!(round < 400, "no fixpoint: {} commands left", self.leaders[0].commands.len());
            while self.live_servers() < SERVERS {
                self.start_server();
            }
            let unwell = |it: &&Pod| it.view.is_alive() && it.view.state != ServerState::Ready;
            let unwell: Vec<String> =
                self.pods.values().filter(unwell).map(|it| it.view.uid.clone()).collect();
            unwell.iter().for_each(|uid| self.change_pod(uid, |it| it.state = ServerState::Ready));
            self.save_all();
            self.catch_up();
            let writes = self.writes;
            while !self.leaders[0].commands.is_empty() {
                self.carry_out_surely();
                self.catch_up();
            }
            self.pass(Duration::from_secs(20));
            if writes == self.writes
                && self.leaders[0].commands.is_empty()
                && !self.catch_up()
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
        let is_lost = !self.is_settling && self.rng.random_bool(0.2);
        let remembered = if is_lost { 0 } else { self.term };
        let heard = self.leaders.iter().map(|it| it.heard).max().unwrap_or_default();
        let named = epochs.chain(claims).map(Epoch::term).max().unwrap_or_default();
        self.term = 1 + named.max(remembered).max(heard);
        for leader in &mut self.leaders {
            leader.is_current = false;
            let sent = leader.sent.unwrap_or(usize::MAX).min(leader.commands.len()).min(REQUESTS_MAX);
            leader.commands.truncate(sent);
            leader.sent = Some(sent);
        }
        if is_lost || self.rng.random_bool(0.5) {
            self.dismiss(|_| false);
        }
        let mut leader = Leader {
            ledger: Ledger::new(self.term),
            pod_news: VecDeque::new(),
            room_news: VecDeque::new(),
            versions: HashMap::new(),
            commands: VecDeque::new(),
            links: BTreeMap::new(),
            term: self.term,
            heard: 0,
            events: 0,
            has_restored: false,
            fences: self.losses.fences.clone(),
            is_current: true,
            sent: None,
        };
        leader.pod_news.push_back((0, Event::Fleet(fleet_name(), FleetView { has_store: true, ..fleet() })));
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

    /// Those that are not to `stay` are no more.
    fn dismiss(&mut self, stay: impl Fn(&Leader) -> bool) {
        let gone = self.leaders.extract_if(.., |it| !stay(it));
        self.events += gone.map(|it| it.events).sum::<usize>();
    }

    fn stop_stale_leader(&mut self) {
        self.dismiss(|it| it.is_current);
    }

    fn pass(&mut self, time: Duration) {
        self.passed += time;
        self.time_passes_in_processes();
        let now = self.now();
        self.leaders.iter_mut().for_each(|it| it.take(0, Event::Tick, now));
    }

    /// All that is on its way arrives. Returns whether anything was.
    fn catch_up(&mut self) -> bool {
        let mut was_behind = false;
        loop {
            if self.has_news() {
                self.deliver_news();
            } else if !self.talk_to_servers() {
                return was_behind;
            }
            was_behind = true;
            self.succeed_the_succeeded();
            self.dismiss(|it| it.is_current);
        }
    }

    fn has_news(&self) -> bool {
        self.leaders.iter().any(|it| !it.pod_news.is_empty() || !it.room_news.is_empty())
    }

    fn deliver_news(&mut self) {
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

    /// Events that ledgers were told, in all.
    pub(super) fn events(&self) -> usize {
        self.events + self.leaders.iter().map(|it| it.events).sum::<usize>()
    }

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
        let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for room in self.rooms.values() {
            let Some(status) = room.status.as_ref().filter(|it| it.phase == Phase::Running) else { continue };
            let server = status.server.as_ref().unwrap();
            let rooms = hosts.entry(server.pod_uid.as_str()).or_default();
            rooms.push(room.metadata.name.as_deref().unwrap());
            let most = if server.boot_id.is_some() { servers::CAPACITY } else { 1 };
            assert!(rooms.len() <= most, "P2: {rooms:?} are all published on {}", server.pod_uid);
        }
    }

    fn check_at_rest(&self) {
        self.check();
        let takes = |it: &Pod| match self.processes.get(&it.view.uid) {
            Some(process) => process.takes_rooms(),
            None => it.view.claim.is_none(),
        };
        let free = self.pods.values().filter(|it| it.view.state == ServerState::Ready && takes(it)).count();
        for room in self.rooms.values() {
            let name = room.metadata.name.as_deref().unwrap();
            let status = room.status.clone().unwrap_or_default();
            match status.phase {
                Phase::Running => {
                    let pod = &self.pods[&status.server.as_ref().unwrap().pod_uid];
                    assert!(pod.view.is_alive(), "{name} is published on a dead server");
                    let process = self.processes.get(&pod.view.uid);
                    let uid = room.metadata.uid.as_ref().unwrap();
                    let has_it = |it: &servers::Process| {
                        it.tenancies().any(|it| it.uid == *uid && it.epoch.0 == status.epoch)
                    };
                    assert!(
                        process.is_none_or(has_it),
                        "{name} is published on a server that does not have it"
                    );
                }
                Phase::Pending | Phase::Recovering => {
                    assert_eq!(free, 0, "{name} waits although a server is free: {status:?}");
                }
                Phase::Finished | Phase::Failed => panic!("{name} should have been deleted by now"),
            }
        }
        for (uid, process) in &self.processes {
            for tenancy in process.tenancies() {
                let room = self.rooms.get(&tenancy.name).and_then(|it| it.status.as_ref());
                let honoured = room.is_some_and(|it| {
                    it.epoch == tenancy.epoch.0 && it.server.as_ref().is_some_and(|it| it.pod_uid == *uid)
                });
                assert!(honoured, "nothing forgotten: {tenancy:?} on {uid} that nobody honours: {room:?}");
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
        if let Event::Link { news, .. } = &event {
            self.heard = self.heard.max(news.latest_term());
        }
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.events += 1;
            for command in self.ledger.on(event, now) {
                let Some((uid, command)) = self.keep_or_send(command) else { continue };
                // As the driver does when a link takes no command.
                if !self.links.entry(uid.clone()).or_default().send(&command) {
                    events.push_back(Event::Link { server_uid: uid, news: LinkNews::Lost });
                }
            }
        }
        assert!(
            !self.is_current || self.term < self.heard || !self.commands.contains(&Command::StepDown),
            "nobody is later than the current leader"
        );
    }
}

impl Leader {
    /// Whether it has heard of a pod, and not of its end.
    fn knows(&self, uid: &str) -> bool {
        self.versions.get(uid).is_some_and(|it| *it != u64::MAX)
    }

    /// Keeps a request for later; a word to a server comes back, with the server's uid.
    fn keep_or_send(&mut self, command: Command) -> Option<(String, Command)> {
        let uid = match &command {
            Command::Open { room, server, epoch, restore } => {
                let before = room.status.as_ref().map_or(0, |it| it.epoch);
                let is_wanted = room.spec.recovery == Recovery::Restore && 0 < before;
                // All servers here offer it.
                assert_eq!(restore.is_some(), is_wanted, "P4: {room:?} under {epoch:?}");
                self.has_restored |= is_wanted;
                if let Some(restore) = restore {
                    self.fences.borrow_mut().insert(epoch.0, restore.fence);
                }
                server.uid.clone()
            }
            Command::Close { server_uid, .. }
            | Command::Drain { server_uid, .. }
            | Command::Retire { server_uid }
            | Command::TellFallbacks { server_uid, .. }
            | Command::TellFound { server_uid, .. }
            | Command::StandBy { server_uid, .. }
            | Command::Mirror { server_uid, .. }
            | Command::Greet { server_uid } => server_uid.clone(),
            _ => {
                self.commands.push_back(command);
                return None;
            }
        };
        Some((uid, command))
    }
}

fn version_of(room: &GameRoom) -> u64 {
    room.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}
