//! A server's process: the real book of its rooms, and for each room the real custody and the real pace of checkpoints.
//! What stands between them in the real one, a task for each room, is told here again, without its waiting.

mod running;
mod sights;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    bounds::{FENCE, Rule},
    store::{Call, Reply},
    words::{self, CAPACITY, Command, STEP, millis, time},
};
use gamekeeper_room::{
    Ending, Epoch, Host, Phase, RoomNow, Tick,
    host::{Action, Event, NotMade, Order, Report, RoomNumber, Saving, StreamId, fenced_by},
};
use gamekeeper_server::custody::Leave;
use gamekeeper_store::StoreError;
use running::{Running, written};
pub use sights::{Sight, Sights};

/// How long a room is asked for at the store, in steps of the clock: 2.5 s.
const PATIENCE: u8 = 2;

/// Something happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A leader of this term greets it over this stream.
    Greeted(u8, u32),
    /// A stream is no more.
    StreamEnded(u8),
    /// A command comes over a stream.
    Asked(u8, Command),
    /// The store answers a call about a room.
    Answered(u64, Call, Reply),
    /// The store does not answer.
    Unanswered(u64, Call),
    /// The wait before a room's first tick is over.
    Waited(u64),
    /// A match is over.
    Over(u64),
    /// The operator has echoed a beat of just now.
    Echoed,
    /// Time has passed.
    Passed,
    /// Its loop that ticks stands still, and nothing else.
    LoopHangs,
    /// Whatever stood still goes on.
    GoesOn,
}

/// It says something, or ends a stream.
#[derive(Clone, Debug)]
pub enum Out {
    /// Over this stream.
    Say(u8, Report),
    /// This one is no more.
    End(u8),
}

/// A server's process.
#[derive(Clone, Debug)]
pub struct Process {
    host: Host,
    games: BTreeMap<RoomNumber, Game>,
    /// The stream that its beats go to.
    listener: Option<u8>,
    /// When the last beat was sent that was echoed.
    heard: Option<Duration>,
    is_hung: bool,
    /// Rooms that were ever open here, and under which epochs.
    opened: BTreeSet<(u8, i64)>,
}

/// A room of it.
#[derive(Clone, Debug)]
struct Game {
    room: u8,
    epoch: i64,
    /// It was opened to go on from where another left it.
    is_restored: bool,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// It is asked for at the store.
    Asking {
        fence: bool,
        /// The owner before must have been silent for so long.
        silence: u64,
        give_up: u8,
        again: u8,
    },
    /// It is there, and the owner before may still tick.
    Waiting {
        since: u8,
        until: u8,
    },
    Running(Box<Running>),
    /// Its match is over, and the store is to know.
    Ending {
        again: u8,
    },
}

impl Default for Process {
    /// Nothing is there yet.
    fn default() -> Self {
        Self {
            host: Host::new(CAPACITY as usize),
            games: BTreeMap::new(),
            listener: None,
            heard: None,
            is_hung: false,
            opened: BTreeSet::new(),
        }
    }
}

impl Process {
    /// Takes in what happens.
    pub fn on(&mut self, input: Input, now: u8, rule: Rule) -> Vec<Out> {
        let mut out = Vec::new();
        match input {
            Input::Greeted(stream, term) => {
                let stream = StreamId(stream.into());
                let heartbeat = STEP / 10;
                self.tell(Event::Greeted { stream, term, protocol: Some(1), heartbeat }, now, rule, &mut out);
            }
            Input::StreamEnded(stream) => {
                self.listener = self.listener.filter(|it| *it != stream);
                self.tell(Event::StreamEnded(StreamId(stream.into())), now, rule, &mut out);
            }
            Input::Asked(stream, command) => {
                let asked = Event::Asked(StreamId(stream.into()), command.heard());
                self.tell(asked, now, rule, &mut out);
            }
            Input::Answered(number, call, reply) => {
                self.answered(RoomNumber(number), call, reply, now, rule, &mut out);
            }
            Input::Unanswered(number, call) => {
                self.unanswered(RoomNumber(number), call, now, rule, &mut out);
            }
            Input::Waited(number) => self.made(RoomNumber(number), Ok(()), now, rule, &mut out),
            Input::Over(number) => self.over(RoomNumber(number), now, rule, &mut out),
            Input::Echoed => self.heard = Some(time(now)),
            Input::Passed => self.tell(Event::TimePassed, now, rule, &mut out),
            Input::LoopHangs => self.is_hung = true,
            Input::GoesOn => {
                self.is_hung = false;
                for game in self.games.values_mut() {
                    if let Stage::Running(running) = &mut game.stage {
                        running.custody.stood_still(time(now));
                    }
                }
            }
        }
        self.visit(now, rule, &mut out);
        out
    }

    /// What can be seen of it.
    pub fn sights(&self) -> Sights {
        let mut sights = Sights {
            listener: self.listener,
            heard: self.heard,
            opened: self.opened.clone(),
            ..Sights::default()
        };
        for (RoomNumber(number), game) in &self.games {
            let Game { room, epoch, is_restored, stage } = game;
            let (mut is_running, mut ticks, mut waits_until) = (false, false, None);
            let mut is_unanswered = false;
            let mut call = |call, from| sights.calls.push((*number, *room, *epoch, call, from));
            match stage {
                Stage::Asking { fence, silence, again, .. } => {
                    call(Call::Take(if *fence { millis(FENCE) } else { 0 }, *silence), *again);
                }
                Stage::Waiting { until, .. } => waits_until = Some(*until),
                Stage::Running(running) => {
                    (is_running, ticks) = (true, running.ticks && !self.is_hung);
                    is_unanswered = running.is_unanswered;
                    if let Some(tick) = running.write {
                        call(Call::Write(tick), 0);
                    }
                    if running.custody.has_question() {
                        call(Call::Check, running.check_again);
                    }
                }
                Stage::Ending { again } => call(Call::Finish(1), *again),
            }
            let (number, room, epoch, is_restored) = (*number, *room, *epoch, *is_restored);
            sights.rooms.push(Sight {
                number,
                room,
                epoch,
                is_running,
                ticks,
                is_restored,
                is_unanswered,
                waits_until,
            });
        }
        sights
    }

    /// Something happens to the book of rooms, and what follows is done.
    fn tell(&mut self, event: Event, now: u8, rule: Rule, out: &mut Vec<Out>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.host.on(event, time(now)) {
                self.act(action, now, rule, &mut events, out);
            }
        }
    }

    fn act(&mut self, action: Action, now: u8, rule: Rule, events: &mut VecDeque<Event>, out: &mut Vec<Out>) {
        match action {
            Action::Send(stream, report) => out.push(Out::Say(stream_of(stream), report)),
            Action::Beat(stream, _) => self.listener = Some(stream_of(stream)),
            Action::End(stream) | Action::Replace(stream) => {
                self.listener = self.listener.filter(|it| *it != stream_of(stream));
                out.push(Out::End(stream_of(stream)));
            }
            Action::Make(number, Order { tenancy, restore, .. }) => {
                let is_restored = restore.is_some();
                let restore = restore.filter(|_| rule != Rule::NoCompareAndSet);
                let stage = match restore {
                    Some(restore) => {
                        let fence = restore.fence && rule != Rule::NoFence;
                        let silence = match (restore.owner_silent, rule) {
                            (None, _) => 0,
                            // The shortest that there is.
                            (Some(_), Rule::NoSilence) => 1,
                            (Some(_), _) => millis(FENCE),
                        };
                        Stage::Asking { fence, silence, give_up: now + PATIENCE, again: now }
                    }
                    None => {
                        events.push_back(Event::Made { room: number, outcome: Ok(()) });
                        Stage::Waiting { since: now, until: now }
                    }
                };
                let room = words::number_of(&tenancy.uid);
                let game = Game { room, epoch: tenancy.epoch.0, is_restored, stage };
                self.games.insert(number, game);
            }
            Action::Run(number, tenancy) => {
                let Some(game) = self.games.get_mut(&number) else { return };
                let since = if let Stage::Waiting { since, .. } = game.stage { since } else { now };
                game.epoch = tenancy.epoch.0;
                self.opened.insert((game.room, game.epoch));
                game.stage = Stage::Running(Box::new(Running::new(since, now)));
            }
            Action::Adopt(number, epoch) => {
                let Some(game) = self.games.get_mut(&number) else { return };
                game.epoch = epoch.0;
                self.opened.insert((game.room, game.epoch));
            }
            Action::Shut(_) => (),
            Action::Drop(number) => {
                self.games.remove(&number);
                events.push_back(Event::Gone(number));
            }
        }
    }

    fn made(
        &mut self,
        number: RoomNumber,
        outcome: Result<(), NotMade>,
        now: u8,
        rule: Rule,
        out: &mut Vec<Out>,
    ) {
        if outcome.is_err() {
            self.games.remove(&number);
        }
        self.tell(Event::Made { room: number, outcome }, now, rule, out);
    }

    fn over(&mut self, number: RoomNumber, now: u8, rule: Rule, out: &mut Vec<Out>) {
        let Some(game) = self.games.get_mut(&number) else { return };
        game.stage = Stage::Ending { again: now };
        let state = RoomNow { phase: Phase::Finished, players: 0, ending: Some(ending()) };
        self.tell(Event::Changed(number, state), now, rule, out);
    }

    fn answered(
        &mut self,
        number: RoomNumber,
        call: Call,
        reply: Reply,
        now: u8,
        rule: Rule,
        out: &mut Vec<Out>,
    ) {
        let Some(game) = self.games.get_mut(&number) else { return };
        match (&mut game.stage, call) {
            (Stage::Asking { .. }, Call::Take(..)) => {
                let outcome = match reply {
                    Reply::Taken(wait, ..) if 0 < wait => {
                        let until = now + u8::try_from(wait.div_ceil(millis(1))).unwrap_or(u8::MAX);
                        game.stage = Stage::Waiting { since: now, until };
                        return;
                    }
                    Reply::Taken(..) => {
                        game.stage = Stage::Waiting { since: now, until: now };
                        Ok(())
                    }
                    Reply::Fenced(owner) => Err(NotMade::Fenced { owner: Epoch(owner) }),
                    Reply::Alive(..) => Err(NotMade::OwnerAlive),
                    _ => Err(NotMade::Over(ending())),
                };
                self.made(number, outcome, now, rule, out);
            }
            (Stage::Running(running), Call::Write(tick)) => {
                let is_first = running.written(&Ok(written(reply)), now);
                if is_first {
                    self.tell(Event::Saving(number, Saving::Begun(Tick(tick.max(1)))), now, rule, out);
                }
            }
            (Stage::Running(running), Call::Check) => match reply {
                Reply::Mine => {
                    running.is_unanswered = false;
                    running.custody.accepted(time(now));
                }
                Reply::Fenced(owner) | Reply::Finished(owner, _) => running.custody.lose_to(Epoch(owner)),
                _ => (),
            },
            (Stage::Ending { .. }, Call::Finish(_)) => {
                self.games.remove(&number);
            }
            _ => (),
        }
    }

    fn unanswered(&mut self, number: RoomNumber, call: Call, now: u8, rule: Rule, out: &mut Vec<Out>) {
        let Some(game) = self.games.get_mut(&number) else { return };
        match (&mut game.stage, call) {
            (Stage::Asking { give_up, again, .. }, Call::Take(..)) => {
                *again = now + 1;
                if *give_up <= now {
                    let why = NotMade::Checkpoint("its checkpoint cannot be had".to_owned());
                    self.made(number, Err(why), now, rule, out);
                }
            }
            (Stage::Running(running), Call::Write(_)) => {
                running.written(&Err(StoreError::Timeout(STEP / 2)), now);
            }
            (Stage::Running(running), Call::Check) => {
                running.check_again = now + 1;
                running.is_unanswered = true;
                running.custody.unanswered(time(now));
            }
            (Stage::Ending { again }, Call::Finish(_)) => *again = now + 1,
            _ => (),
        }
    }

    /// What the thread that ticks does with every room, and what the task that keeps it does with time.
    fn visit(&mut self, now: u8, rule: Rule, out: &mut Vec<Out>) {
        let (heard, is_hung) = (self.heard, self.is_hung);
        let mut events = Vec::new();
        for (number, game) in &mut self.games {
            let Stage::Running(running) = &mut game.stage else { continue };
            running.poll(*number, now, is_hung, &mut events);
            if is_hung {
                continue;
            }
            if rule == Rule::NoQuestion && running.custody.has_question() {
                running.custody.accepted(time(now));
            }
            match running.custody.leave(time(now), heard) {
                Leave::Tick => running.ticks = true,
                Leave::Freeze => running.ticks = rule == Rule::NoFreeze,
                Leave::Stop(owner) => {
                    events.push(Event::Broke { room: *number, message: fenced_by(owner) });
                }
            }
        }
        for event in events {
            if let Event::Broke { room, .. } = &event {
                self.games.remove(room);
            }
            self.tell(event, now, rule, out);
        }
    }
}

fn ending() -> Arc<Ending> {
    Arc::new(Ending::new([("winner", "p3")]).unwrap_or_default())
}

fn stream_of(stream: StreamId) -> u8 {
    u8::try_from(stream.0).unwrap_or(u8::MAX)
}
