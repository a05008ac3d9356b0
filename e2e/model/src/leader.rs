//! A leader's ledger: the real one, with what it is told and what it wants in words that can be compared.

use std::{rc::Rc, sync::Arc, time::Duration};

use gamekeeper_crds::{
    GameRoom,
    fleet::{PlacementStrategy, Protocol},
    room::Endpoint,
};
use gamekeeper_operator::{
    clock::Now,
    name::ObjectName,
    room::{Command as Order, Event, FleetView, Ledger, Outcome, ServerState, ServerView, ledger::LinkNews},
    server::{pod::Exit, suspicion::Verdict},
};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    bounds::{FENCE, Rule},
    intern::{Id, Machine, Prints},
    words::{self, Command, Restore, number_of, room_uid, server_uid, time},
};

/// What a leader thinks of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// There is no such pod.
    None,
    /// It was not heard yet.
    Starting,
    /// All is well.
    Ready,
    /// It gives no signs of life.
    Unhealthy,
    /// The kubelet has seen its end.
    Ended,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It was done.
    Done,
    /// The object was another.
    Conflict,
    /// Nobody knows.
    Failed,
}

/// Something that a ledger is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Of the fleet.
    Fleet,
    /// A server is new or different.
    Server(u8, View),
    /// A server's pod is gone.
    ServerGone(u8),
    /// A room is new or different.
    Room(Id),
    /// All there is has been told.
    Synced,
    /// A request about a room has ended.
    RoomAnswer(u8, Answer),
    /// A request about a server has ended.
    ServerAnswer(u8, Answer),
    /// The pod of the server that a room is published on is not there.
    ServerAbsent(u8, u8),
    /// The link to a server says something.
    Link(u8, Id),
    /// The link to a server is no more.
    LinkLost(u8),
    /// A server is lost, although its pod stands.
    Lost(u8, Verdict),
    /// Others reach a server, and its leader does not.
    CutOff(u8),
    /// A server that was lost is heard again.
    Back(u8),
    /// A server is taken for an empty one, unheard.
    TakenForEmpty(u8),
    /// Time has passed.
    Passed,
}

/// A request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Request {
    /// To write a room's status: the room as it was, and as it will be.
    WriteStatus { room: u8, before: Id, after: Id },
    /// Whether the pod of the server that a room is published on is there.
    AskForServer { room: u8, server: u8 },
    /// Whether a room that a server has is there.
    AskForRoom { server: u8, room: u8 },
    /// To delete a room whose time is over.
    DeleteRoom { room: u8 },
}

/// Something that a ledger wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// A command to a server.
    Tell(u8, Command),
    /// A server is to be greeted anew.
    Greet(u8),
    /// A request.
    Ask(Request),
    /// It was succeeded.
    StepDown,
}

/// All ledgers that there were, and what they were told of.
pub struct Leaders {
    start: Instant,
    rule: Rule,
    machine: Machine<Ledger, (Input, u8), Out>,
    pub rooms: Prints<GameRoom>,
    pub news: Prints<LinkNews>,
}

impl Leaders {
    /// None yet.
    pub fn new(rule: Rule) -> Self {
        let (machine, rooms, news) = (Machine::default(), Prints::default(), Prints::default());
        Self { start: Instant::now(), rule, machine, rooms, news }
    }

    /// A new leader's, of this term.
    pub fn elected(&mut self, term: u32) -> Id {
        self.machine.id(Ledger::new(term))
    }

    /// What follows from this.
    pub fn on(&mut self, ledger: Id, input: Input, now: u8) -> (Id, Rc<[Out]>) {
        if let Some(known) = self.machine.known(ledger, (input, now)) {
            return known;
        }
        let mut machine = std::mem::take(&mut self.machine);
        let run = |it: &mut Ledger, (input, now)| it.on(self.event(input), self.moment(now));
        let (after, orders) = machine.run(ledger, (input, now), run);
        self.machine = machine;
        let out: Vec<Out> = orders.into_iter().filter_map(|it| self.out(it)).collect();
        self.machine.note(ledger, (input, now), after, out)
    }

    /// States of ledgers, and questions that they were asked.
    pub fn size(&self) -> (usize, usize) {
        self.machine.size()
    }

    /// This moment, on both clocks. People's stands still: what they read is not looked at.
    pub fn moment(&self, now: u8) -> Now {
        Now { instant: self.start + time(now), wall: wall() }
    }

    /// A room as its user made it.
    pub fn room(&mut self, room: u8) -> Id {
        let object = serde_json::json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
            "metadata": { "name": words::room_name(room), "namespace": "games", "uid": room_uid(room),
                "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "fleetName": "arena", "recovery": "Restore", "ttlSecondsAfterFinished": 86_400 },
        });
        match serde_json::from_value(object) {
            Ok(object) => self.rooms.id(object),
            Err(error) => unreachable!("it is a room: {error}"),
        }
    }

    fn event(&self, input: Input) -> Event {
        let outcome = |answer| match answer {
            Answer::Done => Outcome::Done,
            Answer::Conflict => Outcome::Conflict,
            Answer::Failed => Outcome::Failed,
        };
        let link = |server, news| Event::Link { server_uid: server_uid(server), news };
        match input {
            Input::Fleet => Event::Fleet(fleet_name(), fleet()),
            Input::Server(server, view) => Event::Server(server_view(server, view)),
            Input::ServerGone(server) => Event::ServerGone(server_uid(server)),
            Input::Room(room) => Event::Room(Arc::new((*self.rooms.get(room)).clone())),
            Input::Synced => Event::Synced,
            Input::RoomAnswer(room, it) => Event::RoomAnswer { uid: room_uid(room), outcome: outcome(it) },
            Input::ServerAnswer(server, it) => {
                Event::ServerAnswer { uid: server_uid(server), outcome: outcome(it) }
            }
            Input::ServerAbsent(room, server) => {
                Event::ServerAbsent { room_uid: room_uid(room), server_uid: server_uid(server) }
            }
            Input::Link(server, news) => link(server, (*self.news.get(news)).clone()),
            Input::LinkLost(server) => link(server, LinkNews::Lost),
            Input::Lost(server, verdict) => Event::ServerLost { server_uid: server_uid(server), verdict },
            // What people are told of it does not matter.
            Input::CutOff(server) => {
                Event::ServerCutOff { server_uid: server_uid(server), since: self.start, noticed: self.start }
            }
            Input::Back(server) => Event::ServerBack { server_uid: server_uid(server) },
            Input::TakenForEmpty(server) => link(server, words::empty(server)),
            Input::Passed => Event::Tick,
        }
    }

    fn out(&mut self, order: Order) -> Option<Out> {
        Some(match order {
            Order::Open { room, server, epoch, restore } => {
                let room_number = number_of(room.metadata.uid.as_deref().unwrap_or_default());
                let epoch = match self.rule {
                    // All of a leadership are one.
                    Rule::EqualEpochs => epoch.0 >> 32 << 32 | 1,
                    _ => epoch.0,
                };
                let restore =
                    restore.map(|it| Restore { fence: it.fence, if_silent: !it.owner_silent.is_zero() });
                Out::Tell(number_of(&server.uid), Command::Open { room: room_number, epoch, restore })
            }
            Order::Close { server_uid, tenancy, .. } => {
                let room = number_of(&tenancy.uid);
                Out::Tell(number_of(&server_uid), Command::Close { room, epoch: tenancy.epoch })
            }
            Order::Drain { server_uid, is_on } => Out::Tell(number_of(&server_uid), Command::Drain(is_on)),
            Order::Retire { server_uid } => Out::Tell(number_of(&server_uid), Command::Retire),
            Order::Greet { server_uid } => Out::Greet(number_of(&server_uid)),
            Order::WriteStatus { room, status, .. } => {
                let number = number_of(room.metadata.uid.as_deref().unwrap_or_default());
                let before = self.rooms.id((*room).clone());
                let after = self.rooms.id(GameRoom { status: Some(*status), ..(*room).clone() });
                Out::Ask(Request::WriteStatus { room: number, before, after })
            }
            Order::AskForServer { room_uid, server_uid, .. } => {
                Out::Ask(Request::AskForServer { room: number_of(&room_uid), server: number_of(&server_uid) })
            }
            Order::AskForRoom { server_uid, room_uid, .. } => {
                Out::Ask(Request::AskForRoom { server: number_of(&server_uid), room: number_of(&room_uid) })
            }
            Order::DeleteRoom { room } => {
                let room = number_of(room.metadata.uid.as_deref().unwrap_or_default());
                Out::Ask(Request::DeleteRoom { room })
            }
            Order::StepDown => Out::StepDown,
            // Of plain servers, of standbys, for players, and for people.
            Order::Claim { .. }
            | Order::TellFallbacks { .. }
            | Order::TellFound { .. }
            | Order::StandBy { .. }
            | Order::Mirror { .. }
            | Order::Release { .. }
            | Order::TellLoss { .. }
            | Order::TellTaken(_) => return None,
        })
    }
}

/// For people.
pub fn wall() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn fleet_name() -> ObjectName {
    ObjectName::new("games", "arena")
}

fn fleet() -> FleetView {
    FleetView {
        is_ours: true,
        is_open: true,
        strategy: PlacementStrategy::Distributed,
        newest_revision: None,
        max_rooms: 16,
        // Players come, or do not: that is another matter.
        claim_timeout: Duration::from_hours(1),
        has_store: true,
        fence_after: time(FENCE),
        has_standbys: false,
    }
}

fn server_view(server: u8, view: View) -> ServerView {
    ServerView {
        uid: server_uid(server),
        fleet: fleet_name(),
        pod_name: format!("server-{server}"),
        node: Some(format!("node-{server}")),
        labels: std::collections::BTreeMap::new(),
        revision: "r1".to_owned(),
        state: match view {
            View::None | View::Starting => ServerState::Starting,
            View::Ready => ServerState::Ready,
            View::Unhealthy => ServerState::Unhealthy,
            View::Ended => ServerState::Ended(Exit { code: 137 }),
        },
        is_deleting: false,
        is_controlled: true,
        claim: None,
        endpoints: vec![Endpoint {
            name: "game".into(),
            protocol: Protocol::UDP,
            address: "198.18.0.11".into(),
            port: 7000 + i32::from(server),
        }],
    }
}
