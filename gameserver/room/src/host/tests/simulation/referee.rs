//! What must hold whatever happens, judged by what goes in and what comes out.

use super::*;

/// Knows the rules, and nothing of the host's inside.
pub(super) struct Referee {
    capacity: usize,
    highest_term: u32,
    /// The stream that counts.
    stream: Option<StreamId>,
    ended: BTreeSet<StreamId>,
    /// Answers that the stream that counts waits for.
    owed: BTreeSet<String>,
    /// Opens that were to go on from the store.
    restores: BTreeSet<String>,
    /// How many it may get: the same command twice is answered once or twice.
    allowed: BTreeMap<String, usize>,
    /// By uid: the highest epoch that was heard of since the room is here, with its tenancy.
    here: BTreeMap<String, Tenancy>,
    /// By uid.
    endings: BTreeMap<String, String>,
    repeated: BTreeSet<String>,
    /// By name: the highest epoch that anybody asked for.
    newest: BTreeMap<String, i64>,
    pub(super) is_retired: bool,
    players_told: BTreeMap<String, (Duration, Phase)>,
    /// The store has just been heard of, or all is told to a new stream.
    is_saving_news: bool,
    now: Duration,
    pub(super) seen: Seen,
}

fn key(what: &str, tenancy: &Tenancy) -> String {
    format!("{what} {} {}", tenancy.uid, tenancy.epoch)
}

impl Referee {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            highest_term: 0,
            stream: None,
            ended: BTreeSet::new(),
            owed: BTreeSet::new(),
            restores: BTreeSet::new(),
            allowed: BTreeMap::new(),
            here: BTreeMap::new(),
            endings: BTreeMap::new(),
            repeated: BTreeSet::new(),
            newest: BTreeMap::new(),
            is_retired: false,
            players_told: BTreeMap::new(),
            is_saving_news: false,
            now: Duration::ZERO,
            seen: Seen::new(),
        }
    }

    pub(super) fn highest_term(&self) -> u32 {
        self.highest_term
    }

    pub(super) fn stream(&self) -> Option<StreamId> {
        self.stream
    }

    pub(super) fn newest_epoch(&self, name: &str) -> i64 {
        self.newest.get(name).copied().unwrap_or(1)
    }

    /// Rooms that the operator believes to be here.
    pub(super) fn rooms(&self) -> Vec<Tenancy> {
        self.here.values().cloned().collect()
    }

    /// Before the host hears of it.
    pub(super) fn happens(&mut self, event: &Event, now: Duration) {
        self.now = now;
        self.repeated.clear();
        self.is_saving_news = matches!(event, Event::Greeted { .. } | Event::Saving(..));
        match event {
            Event::Greeted { stream, term, protocol, .. }
                if self.highest_term <= *term && protocol.is_some() =>
            {
                let is_same = self.highest_term == *term;
                self.see(if is_same { "the same term again" } else { "a higher term" });
                self.highest_term = *term;
                self.ended.extend(self.stream.replace(*stream));
                self.forget_debts();
            }
            Event::StreamEnded(stream) | Event::Garbled(stream) if self.stream == Some(*stream) => {
                self.stream = None;
                self.forget_debts();
                self.see("the stream that counts ended");
            }
            Event::Asked(stream, command) if self.stream == Some(*stream) => self.asked(command),
            Event::Asked(..) => self.see("a stream that does not count asked"),
            Event::Gone(_) => self.see("a room was dropped"),
            Event::Stopping => self.see("the process was told to stop"),
            Event::Restate => {
                // Whatever was told a moment ago.
                self.players_told.clear();
                self.see("all rooms were to be told anew");
            }
            _ => (),
        }
    }

    fn asked(&mut self, command: &Command) {
        let owed = match command {
            Command::Open(Order { tenancy, restore, .. }) => {
                if restore.is_some() {
                    self.restores.insert(key("open", tenancy));
                }
                let newest = self.newest.entry(tenancy.name.clone()).or_default();
                *newest = tenancy.epoch.0.max(*newest);
                key("open", tenancy)
            }
            Command::Close(tenancy) => key("close", tenancy),
            Command::Unsupported { tenancy, .. } => key("unsupported", tenancy),
            Command::Drain(_) => "drain".to_owned(),
            Command::Retire => "retire".to_owned(),
        };
        *self.allowed.entry(owed.clone()).or_default() += 1;
        self.owed.insert(owed);
    }

    fn forget_debts(&mut self) {
        self.owed.clear();
        self.allowed.clear();
    }

    /// What the host wants done.
    pub(super) fn judge(&mut self, action: &Action) {
        match action {
            Action::Send(stream, report) => {
                assert!(!self.ended.contains(stream), "nothing is sent over a stream that ended: {report:?}");
                if let Report::HelloRefused { why, highest_term } = report {
                    assert_eq!(*highest_term, self.highest_term);
                    return self.see(match why {
                        HelloRefusedWhy::Term => "a lower term was refused",
                        HelloRefusedWhy::Protocol => "another protocol was refused",
                        HelloRefusedWhy::Malformed => "a garbled stream was refused",
                    });
                }
                assert_eq!(Some(*stream), self.stream, "only the stream that counts hears {report:?}");
                self.heard(report);
            }
            Action::Beat(stream, _) => assert_eq!(Some(*stream), self.stream),
            Action::End(stream) => {
                assert_ne!(Some(*stream), self.stream, "the stream that counts is not ended");
                self.ended.insert(*stream);
            }
            Action::Replace(stream) => {
                assert!(self.ended.contains(stream), "only what was succeeded is replaced");
            }
            Action::Make(..) => assert!(!self.is_retired, "nothing comes after Retired"),
            Action::Adopt(..) => self.see("a room went on under a higher epoch"),
            // A room that is here anew, while the one before it may not be gone yet.
            Action::Run(_, tenancy) => {
                self.players_told.remove(&tenancy.uid);
                self.endings.remove(&tenancy.uid);
            }
            Action::Shut(_) | Action::Drop(_) => (),
        }
    }

    fn heard(&mut self, report: &Report) {
        match report {
            Report::Welcome(Welcome { rooms, is_retired, .. }) => {
                assert_eq!(*is_retired, self.is_retired);
                assert!(rooms.len() <= self.capacity);
                // It says what is; what was believed before is worth nothing.
                let before = std::mem::take(&mut self.here);
                self.players_told.clear();
                for Hosted { tenancy, now } in rooms {
                    self.here.extend(before.get(&tenancy.uid).map(|it| (it.uid.clone(), it.clone())));
                    self.is_here(tenancy);
                    self.see(match now.phase {
                        Phase::Opening => "a welcome with a room that is being opened",
                        Phase::Finished => "a welcome with a finished room",
                        Phase::Waiting | Phase::Playing => "a welcome with a live room",
                    });
                    now.ending.iter().for_each(|it| self.ended(tenancy, it));
                }
                self.endings.retain(|uid, _| self.here.contains_key(uid));
            }
            Report::HelloRefused { .. } => unreachable!("judged before"),
            Report::Opened(tenancy) => {
                self.answered(&key("open", tenancy));
                self.is_here(tenancy);
                self.see("a room was opened");
            }
            Report::Refused { tenancy, why, current, .. } => self.refused(tenancy, *why, *current),
            Report::CheckpointFailed(tenancy, message) => {
                self.is_here(tenancy);
                assert!(self.is_saving_news, "what is known is told again: {tenancy:?} {message}");
                self.see(if message.is_empty() { "a store recovered" } else { "a store failed" });
            }
            Report::RoomState { checkpoint: Some(_), .. } if self.is_saving_news => {
                self.see("a room has a checkpoint");
            }
            Report::RoomState { tenancy, phase, .. } => {
                self.is_here(tenancy);
                let before = self.players_told.insert(tenancy.uid.clone(), (self.now, *phase));
                let is_early =
                    |(at, told): (Duration, Phase)| told == *phase && self.now < at + PLAYERS_PERIOD;
                assert!(!before.is_some_and(is_early), "players are told once a second");
                self.see("a room changed");
            }
            Report::Finished(tenancy, ending) => {
                self.is_here(tenancy);
                self.repeated.insert(tenancy.uid.clone());
                self.owed.remove(&key("open", tenancy));
                self.ended(tenancy, ending);
            }
            Report::Closed(tenancy) => {
                self.answered(&key("close", tenancy));
                self.is_gone(&tenancy.uid, tenancy.epoch);
                self.see("a room was closed");
            }
            Report::Draining(_) => {
                self.owed.remove("drain");
            }
            Report::Retired { is_retired, rooms } => {
                self.answered("retire");
                assert_eq!(*is_retired, *rooms == 0 || self.is_retired);
                self.is_retired = *is_retired;
                self.see(if *is_retired { "a server retired" } else { "a server with rooms did not retire" });
            }
            Report::Fault(tenancy, _) => {
                self.is_gone(&tenancy.uid, tenancy.epoch);
                self.see("a room broke");
            }
        }
    }

    fn refused(&mut self, tenancy: &Tenancy, why: RefusedWhy, current: Option<Epoch>) {
        let (open, close) = (key("open", tenancy), key("close", tenancy));
        if why == RefusedWhy::Unsupported {
            return self.answered(&key("unsupported", tenancy));
        }
        // Which of the two, a refusal does not say.
        if self.owed.contains(&open) {
            self.answered(&open);
        } else {
            self.answered(&close);
        }
        match why {
            RefusedWhy::Epoch => {
                if current.is_some_and(|it| tenancy.epoch < it) {
                    self.see("a lower epoch was refused");
                } else {
                    assert!(self.restores.contains(&open), "a higher epoch is here, or it is open already");
                    self.see("an open room was not to be had from the store");
                }
            }
            RefusedWhy::Full => self.see("a full server refused"),
            RefusedWhy::Draining => self.see("a draining server refused"),
            RefusedWhy::Retired => {
                assert!(self.is_retired);
                self.see("a retired server refused");
            }
            RefusedWhy::Parameters => {
                self.here.remove(&tenancy.uid);
                self.see("a game declined");
            }
            RefusedWhy::Checkpoint | RefusedWhy::Fenced | RefusedWhy::OwnerAlive => {
                self.here.remove(&tenancy.uid);
                self.see("a room was not restored");
            }
            RefusedWhy::UnknownRoom => self.see("a room was closed before it was open"),
            RefusedWhy::Unsupported => unreachable!("returned above"),
        }
    }

    fn answered(&mut self, owed: &str) {
        let allowed = self.allowed.get_mut(owed).filter(|it| 0 < **it);
        *allowed.unwrap_or_else(|| panic!("nobody asked: {owed}")) -= 1;
        self.owed.remove(owed);
    }

    fn is_here(&mut self, tenancy: &Tenancy) {
        let before = self.here.insert(tenancy.uid.clone(), tenancy.clone());
        assert!(before.is_none_or(|it| it.epoch <= tenancy.epoch), "an epoch fell: {tenancy:?}");
    }

    /// Another tenancy of it may have come meanwhile.
    fn is_gone(&mut self, uid: &str, epoch: Epoch) {
        if self.here.get(uid).is_some_and(|it| it.epoch <= epoch) {
            self.here.remove(uid);
            self.endings.remove(uid);
            self.players_told.remove(uid);
        }
    }

    fn ended(&mut self, tenancy: &Tenancy, ending: &crate::Ending) {
        let winner = ending.values()["winner"].clone();
        let before = self.endings.insert(tenancy.uid.clone(), winner.clone());
        assert!(before.is_none_or(|it| it == winner), "the result changed: {tenancy:?}");
        self.see("a match was finished");
    }

    pub(super) fn check_rooms(&mut self, booked: usize, threads: usize) {
        assert!(booked <= self.capacity, "more rooms than places");
        assert!(threads <= booked, "a room that nobody has in the book");
        if booked == self.capacity {
            self.see("a server was full");
        }
    }

    /// At rest, every command of the stream that counts was answered.
    pub(super) fn check_all_answered(&self) {
        assert!(self.owed.is_empty(), "no answer: {:?}", self.owed);
    }

    /// A second after the last time, every finished room is reported again.
    pub(super) fn check_finished_repeated(&self) {
        let finished: BTreeSet<_> = self.endings.keys().cloned().collect();
        assert_eq!(self.repeated, finished, "finished rooms are reported every second");
    }

    fn see(&mut self, what: &'static str) {
        self.seen.insert(what);
    }
}
