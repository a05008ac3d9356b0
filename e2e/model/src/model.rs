//! All machines of the world, and what is known of their states.

use std::{rc::Rc, time::Duration};

use gamekeeper_crds::room::Phase;
use gamekeeper_operator::{
    leader::{
        Timing,
        election::{Sightings, claim, next_term},
    },
    terms::Epoch,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;

use crate::{
    bounds::{Bounds, ROOMS, Rule, SERVERS},
    intern::{Id, Machine, Map, Pool, Prints},
    leader::{Leaders, wall},
    process::{self, Process, Sights},
    store::Row,
    words::{self, News, number_of},
    world::{Adrift, Left, NEVER, Operator, Pace, Pod, Server, World},
};

/// When every history begins: not at nought, for what was before it must be a time, too.
pub const START: u8 = 3;

/// The election's times, in steps of the clock: a leader that is not heard for two steps is succeeded, and writes nothing
/// from one and a half on.
pub const TIMING: Timing = Timing {
    lease: Duration::from_secs(2),
    renew: Duration::from_millis(500),
    deadline: Duration::from_secs(1),
};

/// What can be seen of a room, as the API server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub phase: Phase,
    pub epoch: i64,
    pub server: Option<u8>,
}

/// What a process says, in numbers.
#[derive(Clone, Copy, Debug)]
pub enum Said {
    /// This, over this stream.
    News(u8, News),
    /// This stream is no more.
    End(u8),
}

/// All machines.
pub struct Model {
    pub bounds: Bounds,
    pub rule: Rule,
    pub leaders: Leaders,
    processes: Machine<Process, (process::Input, u8, u8), Said>,
    sights: Vec<Option<Rc<Sights>>>,
    statuses: Map<Id, Status>,
    leases: Prints<Lease>,
    renewals: Map<(Id, u8, u8), Id>,
    candidates: Machine<Sightings, (Id, u8, u8), bool>,
    pub operators: Pool<Operator>,
    pub rows: Pool<Row>,
    pub adrift: Pool<Vec<Adrift>>,
}

impl Model {
    /// Of a world with these bounds, in which this rule is broken.
    pub fn new(bounds: Bounds, rule: Rule) -> Self {
        Self {
            bounds,
            rule,
            leaders: Leaders::new(rule),
            processes: Machine::default(),
            sights: Vec::new(),
            statuses: Map::default(),
            leases: Prints::default(),
            renewals: Map::default(),
            candidates: Machine::default(),
            operators: Pool::default(),
            rows: Pool::default(),
            adrift: Pool::default(),
        }
    }

    /// Rooms that nobody has yet, servers that are empty, and operators of which none leads.
    pub fn nothing(&mut self) -> World {
        let process = self.processes.id(Process::default());
        let server = |number: usize| Server {
            process: (number < usize::from(self.bounds.servers)).then_some(process),
            pace: Pace::Goes,
            cut_since: None,
            keeps_store: false,
        };
        let servers = [server(0), server(1), server(2)];
        let mut rooms = [Id::MAX; ROOMS];
        for (room, number) in rooms.iter_mut().zip(0..self.bounds.rooms) {
            *room = self.leaders.room(number);
        }
        let sightings = self.candidates.id(Sightings::default());
        let operator = |identity| Operator { identity, sightings, ..Operator::default() };
        let operators = [self.operators.id(operator(0)), self.operators.id(operator(1))];
        World {
            now: START,
            lease: self.leases.id(Lease::default()),
            rooms,
            pods: servers.map(|it| if it.process.is_some() { Pod::Runs } else { Pod::Gone }),
            servers,
            operators,
            store: [self.rows.id(Row::default()); ROOMS],
            owners: [NEVER; ROOMS],
            adrift: self.adrift.id(Vec::new()),
            waited: [0; ROOMS],
            told: [0; ROOMS],
            overlap: [NEVER; ROOMS],
            left: Left::of(&self.bounds),
        }
    }

    /// Rooms that there are.
    pub fn rooms(&self) -> std::ops::Range<u8> {
        0..self.bounds.rooms
    }

    /// Servers that there are.
    pub fn servers(&self) -> std::ops::Range<u8> {
        0..self.bounds.servers
    }

    /// What follows in a process.
    pub fn process(&mut self, id: Id, server: u8, input: process::Input, now: u8) -> (Id, Rc<[Said]>) {
        let key = (input, server, now);
        if let Some(known) = self.processes.known(id, key) {
            return known;
        }
        let rule = self.rule;
        let (after, out) = self.processes.run(id, key, |it, (input, _, now)| it.on(input, now, rule));
        let said = out.into_iter().map(|it| self.said(server, it)).collect();
        self.processes.note(id, key, after, said)
    }

    fn said(&mut self, server: u8, out: process::Out) -> Said {
        use gamekeeper_room::host::Report;
        match out {
            process::Out::End(stream) => Said::End(stream),
            process::Out::Say(stream, report) => {
                let is_welcome = matches!(report, Report::Welcome(_));
                let term = match report {
                    Report::HelloRefused { highest_term, .. } => highest_term,
                    _ => 0,
                };
                let report = self.leaders.news.id(words::heard(server, report));
                Said::News(stream, News::Said { report, term, is_welcome })
            }
        }
    }

    /// What can be seen of a process.
    pub fn sights(&mut self, id: Id) -> Rc<Sights> {
        let index = id as usize;
        if self.sights.len() <= index {
            self.sights.resize(index + 1, None);
        }
        let (processes, rule) = (&mut self.processes, self.rule);
        let run = |it: &mut Process, (input, _, now): (process::Input, u8, u8)| drop(it.on(input, now, rule));
        self.sights[index].get_or_insert_with(|| Rc::new(processes.state(id, run).sights())).clone()
    }

    /// What can be seen of a server's process; nothing, if it is dead.
    pub fn sights_of(&mut self, server: &Server) -> Rc<Sights> {
        server.process.map_or_else(Rc::default, |it| self.sights(it))
    }

    /// What can be seen of a room.
    pub fn status(&mut self, room: Id) -> Status {
        if let Some(known) = self.statuses.get(&room) {
            return *known;
        }
        let object = self.leaders.rooms.get(room);
        let status = object.status.clone().unwrap_or_default();
        let server = status.server.as_ref().map(|it| number_of(&it.pod_uid));
        let status = Status { phase: status.phase, epoch: status.epoch, server };
        self.statuses.insert(room, status);
        status
    }

    /// The lease as this operator claims or renews it now.
    pub fn claimed(&mut self, lease: Id, identity: u8, term: u32, now: u8) -> Id {
        if let Some(known) = self.renewals.get(&(lease, identity, now)) {
            return *known;
        }
        let current = self.leases.get(lease);
        let current = Some(&*current).filter(|it| it.spec.is_some());
        let at: Timestamp = wall() + SignedDuration::from_secs(now.into());
        let claim = claim("gamekeeper", current, &name(identity), term, &TIMING, at);
        let id = self.leases.id(claim);
        self.renewals.insert((lease, identity, now), id);
        id
    }

    /// The lease, given up.
    pub fn given_up(&mut self, lease: Id) -> Id {
        let mut free = (*self.leases.get(lease)).clone();
        if let Some(spec) = &mut free.spec {
            spec.holder_identity = None;
        }
        self.leases.id(free)
    }

    /// What a candidate sees of the lease, and whether it may claim it.
    pub fn look(&mut self, sightings: Id, lease: Id, identity: u8, now: u8) -> (Id, bool) {
        let key = (lease, identity, now);
        let (after, is_free) = match self.candidates.known(sightings, key) {
            Some(known) => known,
            None => {
                let (leases, leaders) = (&self.leases, &self.leaders);
                let look = |it: &mut Sightings, (lease, identity, now): (Id, u8, u8)| {
                    let instant = leaders.moment(now).instant;
                    it.is_free(Some(&*leases.get(lease)), &name(identity), &TIMING, instant)
                };
                let (after, is_free) = self.candidates.run(sightings, key, look);
                self.candidates.note(sightings, key, after, vec![is_free])
            }
        };
        (after, is_free.first().copied().unwrap_or_default())
    }

    /// What a candidate has seen before its first look.
    pub fn unseen(&mut self) -> Id {
        self.candidates.id(Sightings::default())
    }

    /// The term of the next leader.
    pub fn next_term(&mut self, world: &World, heard: u32) -> u32 {
        let mut named = 0;
        for room in self.rooms() {
            named = named.max(Epoch(self.status(world.rooms[usize::from(room)]).epoch).term());
        }
        let term = next_term(Some(&*self.leases.get(world.lease)), named, heard);
        if self.rule == Rule::RepeatedTerm { (term - 1).max(1) } else { term }
    }

    /// For people: what the machines were asked.
    pub fn sizes(&self) -> String {
        let ((ledgers, asked), (processes, told)) = (self.leaders.size(), self.processes.size());
        format!("ledgers {ledgers} states, {asked} events; servers {processes} states, {told} events")
    }
}

fn name(identity: u8) -> String {
    format!("operator-{identity}")
}

const _: () = assert!(SERVERS == 3, "as many as `nothing` makes");
