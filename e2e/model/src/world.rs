//! The world at one moment: numbers of states, so that millions of worlds fit into memory.

use crate::{
    bounds::{Bounds, OPERATORS, ROOMS, SERVERS},
    intern::Id,
    leader::{Request, View},
    store::Call,
    words::{Command, News},
};

/// It never happened.
pub const NEVER: u8 = u8::MAX;

/// All that is the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Steps of the clock.
    pub now: u8,
    /// The operators' `Lease`.
    pub lease: Id,
    /// The `GameRoom`s, as the API server has them.
    pub rooms: [Id; ROOMS],
    /// The servers' pods, as the API server has them.
    pub pods: [Pod; SERVERS],
    /// What runs in them.
    pub servers: [Server; SERVERS],
    /// Their states, in the pool of them.
    pub operators: [Id; OPERATORS],
    /// The store, in the pool of rows.
    pub store: [Id; ROOMS],
    /// The server from which the store heard last of its present owner.
    pub owners: [u8; ROOMS],
    /// Calls and requests that are on their way although nobody waits for them any more, in their pool.
    pub adrift: Id,
    /// The latest epoch whose owner waited for those before it.
    pub waited: [i64; ROOMS],
    /// Servers where players were told that a room is, as bits.
    pub told: [u8; ROOMS],
    /// Since when two servers tick a room for players.
    pub overlap: [u8; ROOMS],
    /// What may still go wrong.
    pub left: Left,
}

/// A pod, as the API server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pod {
    /// There is none.
    Gone,
    /// Its container runs.
    Runs,
    /// The kubelet has seen its end.
    Ended,
}

/// What runs in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// The state of its process; none: it is dead.
    pub process: Option<Id>,
    /// Whether it stands still.
    pub pace: Pace,
    /// It reaches no operators, and not the store either unless it `keeps_store`.
    pub cut_since: Option<u8>,
    pub keeps_store: bool,
}

/// Whether a process goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pace {
    /// It does.
    Goes,
    /// It stands still, since this step.
    Stands(u8),
    /// Its loop that ticks stands still, and nothing else.
    Hangs(u8),
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    pub crashes: u8,
    pub messages: u8,
    pub pauses: u8,
    pub cuts: u8,
    pub partings: u8,
    pub deletions: u8,
    pub alarms: u8,
    pub ends: u8,
}

impl Left {
    /// All that the bounds allow.
    pub fn of(bounds: &Bounds) -> Self {
        let Bounds { crashes, messages, pauses, cuts, partings, deletions, alarms, ends, .. } = *bounds;
        Self { crashes, messages, pauses, cuts, partings, deletions, alarms, ends }
    }

    /// Nothing.
    pub const NONE: Self =
        Self { crashes: 0, messages: 0, pauses: 0, cuts: 0, partings: 0, deletions: 0, alarms: 0, ends: 0 };
}

/// One of the operators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operator {
    /// A name that is new for every process (I2).
    pub identity: u8,
    /// Since when its process stands still.
    pub stands_since: Option<u8>,
    /// What it has seen of the lease.
    pub sightings: Id,
    /// It has seen that the lease is free.
    pub may_claim: bool,
    /// It is about to claim this lease, for this term.
    pub claim: Option<(Id, u32)>,
    /// The latest term that a server has named.
    pub heard: u32,
    /// Of its streams to each server, whether the number of the last one is odd: a new one is another.
    pub parity: [bool; SERVERS],
    /// It leads, or believes so.
    pub leads: Option<Leads>,
}

/// What a leader has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leads {
    pub term: u32,
    pub ledger: Id,
    /// The lease as it wrote it last, and when.
    pub lease: Id,
    pub renewed: u8,
    /// It knows that it leads no more.
    pub is_lost: bool,
    /// Requests that were decided on and not answered yet.
    pub requests: Vec<Request>,
    /// Requests whose answers will never come.
    pub unanswered: Vec<Request>,
    /// Rooms and pods that are not what it was told last, as bits.
    pub stale_rooms: u8,
    pub stale_pods: u8,
    pub links: [Link; SERVERS],
    pub views: [View; SERVERS],
    /// Servers that it believes to be lost, as bits.
    pub lost: u8,
    /// Servers that it knows to be reached by others, as bits.
    pub cut_off: u8,
    /// Servers that it found to hang in this step of the clock, as bits. Whoever is heard again does not hang at once: that
    /// takes nearly as long as a step.
    pub hung: u8,
}

/// A leader's link to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Link {
    pub is_up: bool,
    pub to_server: Vec<Command>,
    pub to_operator: Vec<News>,
}

/// Something that is on its way although nobody waits for it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Adrift {
    /// A server's call to the store: the server, the room, the epoch.
    Call(u8, u8, i64, Call),
    /// An operator's request to the API server.
    Request(Request),
}

impl Server {
    /// Whether its calls reach the store.
    pub fn reaches_store(&self) -> bool {
        self.cut_since.is_none() || self.keeps_store
    }

    /// Whether messages reach it now, and it hears them.
    pub fn hears(&self) -> bool {
        self.process.is_some() && self.cut_since.is_none() && !matches!(self.pace, Pace::Stands(_))
    }
}

impl Operator {
    /// Whether it leads and goes on.
    pub fn acts(&self) -> Option<&Leads> {
        self.leads.as_ref().filter(|_| self.stands_since.is_none())
    }

    /// A stream that is no more has no number: the next one is told apart from what its server has.
    pub fn forget_streams(&mut self) {
        for server in 0..SERVERS {
            self.parity[server] &= self.leads.as_ref().is_some_and(|it| it.links[server].is_up);
        }
    }

    /// The number of its stream to a server.
    pub fn stream(&self, operator: u8, server: u8) -> u8 {
        operator + 2 * u8::from(self.parity[usize::from(server)])
    }
}

/// Whose a stream is.
pub fn operator_of(stream: u8) -> u8 {
    stream % 2
}
