//! A small world for histories: operators that greet, ask and vanish, openers and threads that take their
//! time, and games that fill, end and break whenever they like.

mod referee;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::*;
use referee::Referee;

const NAMES: [&str; 5] = ["ash", "birch", "cedar", "elm", "fir"];

/// What must happen in some history, or the histories prove nothing.
pub(super) type Seen = BTreeSet<&'static str>;

/// All that is around a host.
pub(super) struct Simulation {
    rng: StdRng,
    host: Host,
    now: Duration,
    referee: Referee,
    /// Streams that were not told to end, with their terms; the newest last.
    streams: Vec<(StreamId, u32)>,
    last_stream: u64,
    /// Games that are being made.
    makes: Vec<RoomNumber>,
    /// Rooms on threads.
    running: BTreeMap<RoomNumber, Running>,
    /// What the threads said and the host has not heard yet.
    news: VecDeque<Event>,
}

/// A room on a thread.
#[derive(Clone, Debug)]
struct Running {
    state: RoomNow,
    is_dropped: bool,
}

impl Simulation {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let capacity = rng.random_range(1..=3);
        Self {
            rng,
            host: Host::new(capacity),
            now: Duration::from_secs(1),
            referee: Referee::new(capacity),
            streams: Vec::new(),
            last_stream: 0,
            makes: Vec::new(),
            running: BTreeMap::new(),
            news: VecDeque::new(),
        }
    }

    pub(super) fn seen(self) -> Seen {
        self.referee.seen
    }

    /// One thing happens.
    pub(super) fn step(&mut self) {
        match self.rng.random_range(0..1000) {
            0..30 => self.greet(),
            30..35 => self.lose_stream(),
            35..45 => self.garble(),
            45..350 => self.ask(),
            350..450 => self.finish_make(),
            450..650 => self.play(),
            650..900 => self.deliver(),
            900..990 => self.pass(),
            990..999 => self.on(Event::Restate),
            // Late in most histories: it is final.
            _ if self.rng.random_bool(0.3) => self.on(Event::Stopping),
            _ => (),
        }
    }

    /// Everything under way arrives, and then every room is closed and the server retired.
    pub(super) fn settle(&mut self) {
        while !self.makes.is_empty() || !self.news.is_empty() || self.running.values().any(|it| it.is_dropped)
        {
            self.finish_make();
            self.let_go();
            self.deliver();
        }
        self.referee.check_all_answered();
        self.hello(self.referee.highest_term());
        self.now += FINISHED_PERIOD;
        self.on(Event::TimePassed);
        self.referee.check_finished_repeated();
        for tenancy in self.referee.rooms() {
            self.command(Command::Close(tenancy));
        }
        while !self.news.is_empty() || self.running.values().any(|it| it.is_dropped) {
            self.let_go();
            self.deliver();
        }
        self.command(Command::Retire);
        self.referee.check_all_answered();
        assert_eq!((self.host.rooms(), self.running.len()), (0, 0), "everything was closed");
        assert!(self.referee.is_retired, "a server without rooms retires");
    }

    // What operators do.

    fn greet(&mut self) {
        let highest = self.referee.highest_term();
        let term = match self.rng.random_range(0..10) {
            0..3 => highest.saturating_sub(1).max(1),
            3..6 => highest.max(1),
            _ => highest + 1,
        };
        if self.rng.random_bool(0.1) {
            let stream = self.next_stream();
            let heartbeat = Duration::from_millis(100);
            self.on(Event::Greeted { stream, term, protocol: None, heartbeat });
        } else {
            self.hello(term);
        }
    }

    fn hello(&mut self, term: u32) {
        let stream = self.next_stream();
        self.streams.push((stream, term));
        self.on(Event::Greeted { stream, term, protocol: Some(1), heartbeat: Duration::from_millis(100) });
    }

    fn next_stream(&mut self) -> StreamId {
        self.last_stream += 1;
        StreamId(self.last_stream)
    }

    fn lose_stream(&mut self) {
        if let Some((stream, _)) = self.streams.choose(&mut self.rng).copied() {
            self.on(Event::StreamEnded(stream));
        }
    }

    fn garble(&mut self) {
        let known = self.streams.choose(&mut self.rng).map(|it| it.0);
        let stream = known.filter(|_| self.rng.random_bool(0.1)).unwrap_or_else(|| self.next_stream());
        self.on(Event::Garbled(stream));
    }

    /// A command, mostly of the stream that counts.
    fn ask(&mut self) {
        let name = *NAMES.choose(&mut self.rng).unwrap();
        let epoch = self.referee.newest_epoch(name) + self.rng.random_range(-1..=1);
        let tenancy = tenancy(name, epoch.max(1));
        let command = match self.rng.random_range(0..100) {
            0..60 => {
                let restore = self.rng.random_bool(0.3).then_some(Restore {
                    lost_epoch: None,
                    fence: true,
                    ended_epoch: None,
                    owner_silent: None,
                });
                Command::Open(Order { tenancy, seats: None, parameters: [].into(), restore })
            }
            60..85 => Command::Close(tenancy),
            85..88 => Command::Drain(true),
            88..94 => Command::Drain(false),
            // Rarely, for it is final.
            94 if self.rng.random_bool(0.3) => Command::Retire,
            94..97 => Command::Unsupported { tenancy, message: "no".to_owned() },
            _ => {
                let stale = self.rng.random_range(1..=self.last_stream.max(1));
                return self.on(Event::Asked(StreamId(stale), Command::Open(order(name, epoch + 5))));
            }
        };
        self.command(command);
    }

    fn command(&mut self, command: Command) {
        if let Some(stream) = self.referee.stream() {
            self.on(Event::Asked(stream, command));
        }
    }

    // What the process does.

    fn finish_make(&mut self) {
        if self.makes.is_empty() {
            return;
        }
        let room = self.makes.swap_remove(self.rng.random_range(0..self.makes.len()));
        let outcome = match self.rng.random_range(0..20) {
            0 => Err(NotMade::Declined("no such map".to_owned())),
            1 => Err(NotMade::Checkpoint("it cannot be read".to_owned())),
            2 => Err(NotMade::Fenced { owner: Epoch(i64::MAX) }),
            3 => Err(NotMade::OwnerAlive),
            4 => {
                let ending = crate::Ending::new([("winner", format!("{} in the store", room.0))]).unwrap();
                Err(NotMade::Over(ending.into()))
            }
            _ => Ok(()),
        };
        self.on(Event::Made { room, outcome });
    }

    /// Something happens in a room.
    fn play(&mut self) {
        let numbers: Vec<_> = self.running.keys().copied().collect();
        let Some(room) = numbers.choose(&mut self.rng).copied() else { return };
        let Some(running) = self.running.get_mut(&room) else { return };
        if running.is_dropped {
            return self.let_go();
        }
        let players = self.rng.random_range(0..4);
        match self.rng.random_range(0..10) {
            0 => {
                self.running.remove(&room);
                self.news.push_back(Event::Broke { room, message: "it broke".to_owned() });
            }
            1 => {
                self.running.remove(&room);
                let winner = room.0.to_string() + ["ann", "ben"][usize::from(players < 2)];
                self.news.push_back(Event::Changed(room, over(players, &winner)));
            }
            2 => {
                let news = match players {
                    0 => Saving::Begun(Tick(9)),
                    1 => Saving::Failing("it is slow".to_owned()),
                    _ => Saving::Recovered,
                };
                self.news.push_back(Event::Saving(room, news));
            }
            _ => {
                running.state = state(Phase::Playing, players);
                self.news.push_back(Event::Changed(room, running.state.clone()));
            }
        }
    }

    /// Threads drop what they were told to.
    fn let_go(&mut self) {
        let dropped: Vec<_> = self.running.iter().filter(|it| it.1.is_dropped).map(|it| *it.0).collect();
        if let Some(room) = dropped.choose(&mut self.rng) {
            self.running.remove(room);
            self.news.push_back(Event::Gone(*room));
        }
    }

    fn deliver(&mut self) {
        if let Some(event) = self.news.pop_front() {
            self.on(event);
        }
    }

    fn pass(&mut self) {
        self.now += Duration::from_millis(self.rng.random_range(1..800));
        if self.host.next_due().is_some_and(|it| it <= self.now) {
            self.on(Event::TimePassed);
            assert!(self.host.next_due().is_none_or(|it| self.now < it), "what is due is done");
        }
    }

    fn on(&mut self, event: Event) {
        self.referee.happens(&event, self.now);
        for action in self.host.on(event, self.now) {
            self.referee.judge(&action);
            self.carry_out(&action);
        }
        let threads = self.running.len() + self.makes.len();
        self.referee.check_rooms(self.host.rooms(), threads);
    }

    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::Make(room, _) => self.makes.push(*room),
            Action::Run(room, _) => {
                let running = Running { state: state(Phase::Waiting, 0), is_dropped: false };
                assert!(self.running.insert(*room, running).is_none(), "a room runs once");
            }
            Action::Drop(room) => {
                // It may have ended by itself, and the host does not know yet.
                if let Some(running) = self.running.get_mut(room) {
                    assert!(!running.is_dropped, "a room is dropped once");
                    running.is_dropped = true;
                }
            }
            Action::Shut(room) => assert!(!self.running.contains_key(room), "only what has ended is shut"),
            Action::End(stream) | Action::Replace(stream) => self.streams.retain(|it| it.0 != *stream),
            Action::Send(..) | Action::Beat(..) | Action::Adopt(..) => (),
        }
    }
}
