//! What is under way on one stream: commands without an answer, and signs of life.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use gamekeeper_control::{RoomPhase, ToOperator, ToServer, Welcome, proto};
use tokio::{sync::mpsc, time::Instant};
use tracing::warn;

use super::{Broken, Heard, What};
use crate::{
    room::ledger::LinkNews,
    server::{Health, pulse::Pulse},
};

/// A command that is not answered for so long breaks the link: what the server has is asked for anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Beats are echoed at most this often: a server needs to hear us a few times within its fence of a second.
const ECHO_EVERY: Duration = Duration::from_millis(250);

fn moves(phase: RoomPhase) -> bool {
    matches!(phase, RoomPhase::Waiting | RoomPhase::Playing)
}

/// What is under way on one stream.
pub(super) struct Talk {
    requests: mpsc::Sender<proto::OperatorMessage>,
    pulse: Pulse,
    health: Health,
    /// Uids of rooms that should move.
    moving: HashSet<String>,
    /// Commands without an answer, since.
    unanswered: HashMap<Question, Instant>,
    /// When to look for the answers; not later than the first of them is due.
    answer_by: Option<Instant>,
    echoed: Option<Instant>,
    /// The sequence of the latest beat.
    beat: Option<u64>,
    heard: Heard,
}

/// What an answer is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Room(String),
    Drain,
    Retire,
}

impl Talk {
    /// With a server that was greeted now, and has these rooms.
    pub(super) fn new(
        requests: mpsc::Sender<proto::OperatorMessage>,
        hang_timeout: Duration,
        welcome: &Welcome,
        heard: Heard,
    ) -> Self {
        let now = Instant::now();
        let moving = welcome.rooms.iter().filter(|it| moves(it.phase)).map(|it| it.tenancy.uid.clone());
        let mut talk = Self {
            requests,
            pulse: Pulse::new(hang_timeout, now),
            health: Health::Ready,
            moving: moving.collect(),
            unanswered: HashMap::new(),
            answer_by: None,
            echoed: None,
            beat: None,
            heard,
        };
        talk.pulse.host(!talk.moving.is_empty(), now);
        talk
    }

    pub(super) fn say(&mut self, command: ToServer) -> Result<(), Broken> {
        let question = match &command {
            ToServer::Open(open) => Some(Question::Room(open.tenancy.uid.clone())),
            ToServer::Close(close) => Some(Question::Room(close.tenancy.uid.clone())),
            ToServer::Drain | ToServer::Undrain => Some(Question::Drain),
            ToServer::Retire => Some(Question::Retire),
            _ => None,
        };
        if let Some(question) = question {
            let now = Instant::now();
            self.unanswered.entry(question).or_insert(now);
            self.answer_by.get_or_insert(now + ANSWER_TIMEOUT);
        }
        self.requests.try_send(command.into()).map_err(|_| Broken::Full)
    }

    /// Takes in what the server says.
    pub(super) fn hear(&mut self, answer: ToOperator) -> Result<Vec<What>, Broken> {
        let now = Instant::now();
        let news = match answer {
            ToOperator::Beat(beat) => {
                self.pulse.beat(beat.progress, now);
                self.beat = Some(beat.sequence);
                self.echo(beat.sequence, now);
                if self.pulse.look(now, now) != Health::Ready {
                    return Ok(Vec::new());
                }
                self.heard.note(now);
                let is_back = self.health == Health::Unhealthy;
                self.health = Health::Ready;
                return Ok(is_back.then_some(What::Health(Health::Ready)).into_iter().collect());
            }
            ToOperator::Opened(opened) => {
                self.answered(&opened.tenancy.uid);
                self.moves(&opened.tenancy.uid, true, now);
                LinkNews::Opened(opened)
            }
            ToOperator::Refused(refused) => {
                self.answered(&refused.tenancy.uid);
                LinkNews::Refused(refused)
            }
            ToOperator::Closed(tenancy) => {
                self.answered(&tenancy.uid);
                self.moves(&tenancy.uid, false, now);
                LinkNews::Closed(tenancy)
            }
            ToOperator::RoomState(state) => {
                self.moves(&state.tenancy.uid, moves(state.phase), now);
                LinkNews::State(state)
            }
            ToOperator::Finished { tenancy, result } => {
                self.answered(&tenancy.uid);
                self.moves(&tenancy.uid, false, now);
                LinkNews::Finished(tenancy, result)
            }
            ToOperator::Fault(fault) => {
                warn!(
                    room = fault.tenancy.name,
                    namespace = fault.tenancy.namespace,
                    fatal = fault.is_fatal,
                    message = fault.message,
                    "a room has a fault"
                );
                if !fault.is_fatal {
                    return Ok(Vec::new());
                }
                self.moves(&fault.tenancy.uid, false, now);
                LinkNews::Closed(fault.tenancy)
            }
            ToOperator::Draining(is_draining) => {
                self.unanswered.remove(&Question::Drain);
                LinkNews::Draining(is_draining)
            }
            ToOperator::Retired { retired, rooms: _ } => {
                self.unanswered.remove(&Question::Retire);
                LinkNews::Retired(retired)
            }
            ToOperator::Welcome(_) | ToOperator::HelloRefused(_) => return Err(Broken::Rude),
            ToOperator::CheckpointFailed { tenancy, message } => LinkNews::CheckpointFailed(tenancy, message),
            ToOperator::StandingBy(standing_by) => LinkNews::StandingBy(standing_by),
            ToOperator::Sought(rooms) => LinkNews::Sought(rooms),
            ToOperator::ProbeResult(result) => return Ok(vec![What::Witnessed(result)]),
            // Of features that we do not use yet.
            ToOperator::PlayersReady { .. }
            | ToOperator::Released { .. }
            | ToOperator::Loaded { .. }
            | ToOperator::Activated { .. } => return Ok(Vec::new()),
        };
        Ok(vec![What::News(news)])
    }

    fn answered(&mut self, room: &str) {
        self.unanswered.remove(&Question::Room(room.to_owned()));
    }

    fn moves(&mut self, room: &str, is_moving: bool, now: Instant) {
        if is_moving {
            self.moving.insert(room.to_owned());
        } else {
            self.moving.remove(room);
        }
        self.pulse.host(!self.moving.is_empty(), now);
    }

    fn echo(&mut self, sequence: u64, now: Instant) {
        if self.echoed.is_none_or(|it| it + ECHO_EVERY <= now) {
            self.echoed = Some(now);
            self.send_echo(sequence);
        }
    }

    fn send_echo(&self, sequence: u64) {
        // One that finds no place is not needed: the next comes soon.
        let _ = self.requests.try_send(ToServer::BeatEcho { sequence }.into());
    }

    /// Whoever only listens does not hear that the other end of a connection is gone. If something is sent there, its kernel
    /// says so, and the server is greeted anew before it is taken for one that hangs. What was echoed before says nothing
    /// new to a server that hears it.
    fn provoke(&mut self) {
        if let Some(sequence) = self.beat {
            self.send_echo(sequence);
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let pulse = match self.health {
            Health::Ready => Some(self.pulse.deadline()),
            // Only a beat makes it well again.
            _ => None,
        };
        [self.answer_by, pulse].into_iter().flatten().min().unwrap_or_else(|| Instant::now() + ANSWER_TIMEOUT)
    }

    /// Looks at the clock. `Some`: the server's health has changed.
    pub(super) fn look(&mut self, planned: Instant) -> Result<Option<Health>, Broken> {
        let now = Instant::now();
        if self.answer_by.is_some_and(|it| it <= now) {
            self.answer_by = self.unanswered.values().min().map(|it| *it + ANSWER_TIMEOUT);
            if self.answer_by.is_some_and(|it| it <= now) {
                return Err(Broken::Unanswered);
            }
        }
        if self.health != Health::Ready || now < self.pulse.deadline() {
            return Ok(None);
        }
        let health = self.pulse.look(planned, now);
        let has_changed = health != self.health;
        self.health = health;
        if has_changed && health == Health::Unhealthy {
            self.provoke();
        }
        Ok(has_changed.then_some(health))
    }
}

#[cfg(test)]
mod tests {
    use gamekeeper_control::{Beat, HostedRoom, Tenancy};
    use tokio::time::advance;

    use super::*;

    const HANG: Duration = Duration::from_millis(300);

    fn hosting() -> Welcome {
        let tenancy = Tenancy { namespace: "games".into(), name: "duel".into(), uid: "uid".into(), epoch: 5 };
        let room = HostedRoom {
            tenancy,
            phase: RoomPhase::Playing,
            players: 1,
            result: None,
            ports: Vec::new(),
            certificate_hashes: Vec::new(),
        };
        Welcome {
            boot_id: "boot".into(),
            protocol: 1,
            features: [].into(),
            capacity: 4,
            is_retired: false,
            is_draining: false,
            rooms: vec![room],
            certificate_hashes: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p3_a_silent_server_is_sent_something_so_that_a_dead_connection_shows() {
        let (requests, mut sent) = mpsc::channel(8);
        let mut talk = Talk::new(requests, HANG, &hosting(), Heard::new());
        let beat = Beat { sequence: 7, progress: 9, tick_p99: Duration::ZERO, load_permille: 0 };
        talk.hear(ToOperator::Beat(beat)).unwrap();
        let echo = || Some(proto::OperatorMessage::from(ToServer::BeatEcho { sequence: 7 }));
        assert_eq!(sent.try_recv().ok(), echo());
        let planned = talk.deadline();
        advance(HANG).await;
        assert_eq!(talk.look(planned).unwrap(), Some(Health::Unhealthy));
        assert_eq!(sent.try_recv().ok(), echo(), "it says what it said before");
        advance(HANG).await;
        assert_eq!(talk.look(talk.deadline()).unwrap(), None);
        assert!(sent.try_recv().is_err(), "once");
    }
}
