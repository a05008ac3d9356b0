//! One step of the world: what happens to one part, and what follows at once in others.

use std::fmt;

use crate::{
    bounds::{OPERATORS, SERVERS},
    intern::Id,
    leader::{Input, Out, Request, View},
    model::{Model, Said},
    process,
    store::{Call, Reply, Row},
    words::{Command, News, millis},
    world::{Adrift, Leads, Link, NEVER, Operator, Pace, Pod, World, operator_of},
};

/// A promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number in the design.
    pub promise: &'static str,
    /// For people.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// A world in which something happens.
pub struct Scene<'a> {
    pub model: &'a mut Model,
    pub world: World,
    operators: [Option<Operator>; OPERATORS],
    broken: Option<Broken>,
}

impl<'a> Scene<'a> {
    /// Nothing has happened yet.
    pub fn new(model: &'a mut Model, world: World) -> Self {
        Self { model, world, operators: [None, None], broken: None }
    }

    /// The world afterwards.
    pub fn end(mut self) -> Result<World, Broken> {
        for (kept, changed) in self.world.operators.iter_mut().zip(self.operators.iter_mut()) {
            if let Some(mut operator) = changed.take() {
                operator.forget_streams();
                *kept = self.model.operators.id(operator);
            }
        }
        match self.broken {
            Some(broken) => Err(broken),
            None => Ok(self.world),
        }
    }

    pub fn break_promise(&mut self, promise: &'static str, what: String) {
        self.broken.get_or_insert(Broken { promise, what });
    }

    pub fn operator(&mut self, operator: u8) -> &mut Operator {
        let index = usize::from(operator);
        let (model, id) = (&self.model, self.world.operators[index]);
        self.operators[index].get_or_insert_with(|| (**model.operators.get(id)).clone())
    }

    pub fn leads(&mut self, operator: u8) -> Option<&mut Leads> {
        self.operator(operator).leads.as_mut()
    }

    pub fn link(&mut self, operator: u8, server: u8) -> Option<&mut Link> {
        self.leads(operator)?.links.get_mut(usize::from(server))
    }

    // Servers.

    /// Something happens to a server's process.
    pub fn tell_server(&mut self, server: u8, input: process::Input) {
        let index = usize::from(server);
        let Some(process) = self.world.servers[index].process else { return };
        let (after, said) = self.model.process(process, server, input, self.world.now);
        self.world.servers[index].process = Some(after);
        for said in said.iter() {
            self.carry(server, *said);
        }
        self.forget_told(server);
    }

    /// Players are where their room is.
    fn forget_told(&mut self, server: u8) {
        let sights = self.model.sights_of(&self.world.servers[usize::from(server)]);
        for room in self.model.rooms() {
            if !sights.rooms.iter().any(|it| it.room == room && it.is_running) {
                self.world.told[usize::from(room)] &= !(1 << server);
            }
        }
    }

    fn carry(&mut self, server: u8, said: Said) {
        let (Said::News(stream, _) | Said::End(stream)) = said;
        let operator = operator_of(stream);
        let is_it = self.operator(operator).stream(operator, server) == stream;
        let Some(link) = self.link(operator, server).filter(|it| is_it && it.is_up) else { return };
        match said {
            Said::News(_, news) => {
                link.to_operator.push(news);
                if matches!(news, News::Said { term, .. } if 0 < term) {
                    link.is_up = false;
                }
            }
            Said::End(_) => {
                link.is_up = false;
                link.to_server.clear();
                link.to_operator.push(News::Lost);
            }
        }
    }

    /// The stream to a server breaks, and what was on its way is lost, or what went to the server alone.
    pub fn break_link(&mut self, operator: u8, server: u8, keeps_news: bool) {
        let stream = self.operator(operator).stream(operator, server);
        let Some(link) = self.link(operator, server).filter(|it| it.is_up) else { return };
        link.is_up = false;
        link.to_server.clear();
        if !keeps_news {
            link.to_operator.clear();
        }
        link.to_operator.push(News::Lost);
        if self.world.servers[usize::from(server)].hears() {
            self.tell_server(server, process::Input::StreamEnded(stream));
        }
    }

    /// A server that can be reached again notices what became of its stream.
    pub fn notice_stream(&mut self, server: u8) {
        let sights = self.model.sights_of(&self.world.servers[usize::from(server)]);
        let Some(stream) = sights.listener else { return };
        let operator = operator_of(stream);
        let is_it = self.operator(operator).stream(operator, server) == stream;
        if !(is_it && self.link(operator, server).is_some_and(|it| it.is_up)) {
            self.tell_server(server, process::Input::StreamEnded(stream));
        }
    }

    /// Beats are echoed as fast as may be.
    pub fn echo(&mut self) {
        for server in self.model.servers() {
            let here = self.world.servers[usize::from(server)];
            if !here.hears() || here.pace != Pace::Goes {
                continue;
            }
            let sights = self.model.sights_of(&here);
            let Some(stream) = sights.listener else { continue };
            let operator = operator_of(stream);
            let is_it = self.operator(operator).stream(operator, server) == stream;
            if !is_it || self.operator(operator).stands_since.is_some() {
                continue;
            }
            let Some(leads) = self.leads(operator) else { continue };
            let index = usize::from(server);
            if !leads.links[index].is_up {
                continue;
            }
            if sights.heard.is_none_or(|it| it < crate::words::time(self.world.now)) {
                self.tell_server(server, process::Input::Echoed);
            }
        }
    }

    // Operators.

    /// A leader is told something.
    pub fn tell_leader(&mut self, operator: u8, input: Input) {
        let now = self.world.now;
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(ledger) = self.leads(operator).map(|it| it.ledger) else { return };
            let (after, out) = self.model.leaders.on(ledger, input, now);
            if let Some(leads) = self.leads(operator) {
                leads.ledger = after;
            }
            for out in out.iter() {
                self.follow(operator, *out, &mut inputs);
            }
        }
    }

    fn follow(&mut self, operator: u8, out: Out, inputs: &mut Vec<Input>) {
        match out {
            Out::Tell(server, command) => self.order(operator, server, command, inputs),
            Out::Greet(server) => self.break_link(operator, server, false),
            Out::Ask(request) => {
                if let Some(leads) = self.leads(operator) {
                    leads.requests.push(request);
                    leads.requests.sort_unstable();
                }
            }
            Out::StepDown => self.give_up_lease(operator),
        }
    }

    fn order(&mut self, operator: u8, server: u8, command: Command, inputs: &mut Vec<Input>) {
        let command = self.without_rule(command);
        match self.link(operator, server).filter(|it| it.is_up) {
            Some(link) => link.to_server.push(command),
            // As the driver does when a link takes no command.
            None => inputs.push(Input::LinkLost(server)),
        }
    }

    fn give_up_lease(&mut self, operator: u8) {
        let is_open = self.may_write(operator);
        let Some(leads) = self.leads(operator) else { return };
        leads.is_lost = true;
        let lease = leads.lease;
        if is_open && self.world.lease == lease {
            self.world.lease = self.model.given_up(lease);
        }
    }

    /// Whether the fence lets a leader's writes through.
    pub fn may_write(&mut self, operator: u8) -> bool {
        let now = self.world.now;
        self.leads(operator).is_some_and(|it| {
            !it.is_lost && crate::words::time(now - it.renewed) < crate::model::TIMING.validity()
        })
    }

    /// A leader sees a server otherwise than before.
    pub fn see(&mut self, operator: u8, server: u8, view: View) {
        let Some(leads) = self.leads(operator) else { return };
        leads.views[usize::from(server)] = view;
        let input = if view == View::None { Input::ServerGone(server) } else { Input::Server(server, view) };
        self.tell_leader(operator, input);
    }

    /// A new leader learns all there is.
    pub fn elect(&mut self, operator: u8, term: u32) {
        let ledger = self.model.leaders.elected(term);
        let (lease, renewed) = (self.world.lease, self.world.now);
        self.operator(operator).leads = Some(Leads {
            term,
            ledger,
            lease,
            renewed,
            is_lost: false,
            requests: Vec::new(),
            unanswered: Vec::new(),
            stale_rooms: 0,
            stale_pods: 0,
            links: Default::default(),
            views: [View::None; SERVERS],
            lost: 0,
            cut_off: 0,
            hung: 0,
        });
        self.tell_leader(operator, Input::Fleet);
        for server in self.model.servers() {
            match self.world.pods[usize::from(server)] {
                Pod::Gone => (),
                Pod::Ended => self.see(operator, server, View::Ended),
                Pod::Runs => self.see(operator, server, View::Starting),
            }
        }
        for room in self.model.rooms() {
            self.tell_leader(operator, Input::Room(self.world.rooms[usize::from(room)]));
        }
        self.tell_leader(operator, Input::Synced);
    }

    /// An operator leads no more, or is no more: its streams end.
    pub fn dismiss(&mut self, operator: u8) {
        for server in self.model.servers() {
            self.break_link(operator, server, false);
        }
        let sightings = self.model.unseen();
        let it = self.operator(operator);
        (it.leads, it.claim, it.may_claim, it.sightings) = (None, None, false, sightings);
    }

    // The API server and the store.

    /// A room is another than before; all but its writer have to be told.
    pub fn change_room(&mut self, room: u8, after: Id) {
        self.world.rooms[usize::from(room)] = after;
        for operator in 0..2 {
            if let Some(leads) = self.leads(operator) {
                leads.stale_rooms |= 1 << room;
            }
        }
    }

    /// A pod is another than before.
    pub fn change_pod(&mut self, server: u8, pod: Pod) {
        self.world.pods[usize::from(server)] = pod;
        for operator in 0..2 {
            if let Some(leads) = self.leads(operator) {
                leads.stale_pods |= 1 << server;
            }
        }
    }

    /// A call comes in at the store.
    pub fn call(&mut self, server: u8, room: u8, epoch: i64, call: Call) -> Reply {
        let index = usize::from(room);
        let mut row: Row = **self.model.rows.get(self.world.store[index]);
        let owner = row.epoch;
        let reply = row.call(epoch, call, millis(self.world.now));
        if let (Call::Take(_, 1..), Reply::Taken(..), Some(owner)) =
            (call, reply, owner.filter(|it| *it != epoch))
        {
            self.check_silence(room, owner);
        }
        if !matches!(reply, Reply::Fenced(_) | Reply::Finished(..) | Reply::Alive(..)) {
            if matches!(call, Call::Take(fence, _) if 0 < fence) {
                self.world.waited[index] = self.world.waited[index].max(epoch);
            }
            let before = std::mem::replace(&mut self.world.owners[index], server);
            if owner == Some(epoch) && before != server && before != NEVER {
                let what =
                    format!("servers {before} and {server} both have room {room} under epoch {epoch:#x}");
                self.break_promise("I2", what);
            }
        }
        self.world.store[index] = self.model.rows.id(row);
        reply
    }

    /// I7, I8: an owner that loses a room for its silence does not tick it.
    fn check_silence(&mut self, room: u8, owner: i64) {
        // With more than one fault, the operator's word may have been enough for it (I8) while the store did not answer, or
        // since the question was sent. For less than the fence's time: that is another rule's.
        let bounds = &self.model.bounds;
        let may_lose = 1 < bounds.cuts + bounds.partings + bounds.messages;
        for server in self.model.servers() {
            let here = self.world.servers[usize::from(server)];
            let sights = self.model.sights_of(&here);
            let ticks = sights.rooms.iter().any(|it| {
                it.room == room && it.epoch == owner && it.ticks && !(may_lose && it.is_unanswered)
            });
            if ticks && here.pace == Pace::Goes {
                let what =
                    format!("room {room} is taken from server {server} for its silence, and is ticked there");
                self.break_promise("I7", what);
            }
        }
    }

    /// Something is on its way, and nobody waits for it.
    pub fn set_adrift(&mut self, thing: Adrift) {
        let mut adrift = (**self.model.adrift.get(self.world.adrift)).clone();
        adrift.push(thing);
        adrift.sort_unstable();
        self.world.adrift = self.model.adrift.id(adrift);
    }

    /// A command reaches a server.
    pub fn hear(&mut self, operator: u8, server: u8, command: Command) {
        if let Command::Close { room, epoch } = command {
            let status = self.model.status(self.world.rooms[usize::from(room)]);
            let is_published = status.phase == gamekeeper_crds::room::Phase::Running
                && status.epoch == epoch
                && status.server == Some(server);
            if is_published {
                let what =
                    format!("room {room} is closed on server {server}, where its players are told it is");
                self.break_promise("P6", what);
            }
        }
        let stream = self.operator(operator).stream(operator, server);
        self.tell_server(server, process::Input::Asked(stream, command));
    }

    /// A request reaches the API server. Returns whether the object was as thought.
    pub fn ask(&mut self, request: Request) -> bool {
        let Request::WriteStatus { room, before, after } = request else { return true };
        if self.world.rooms[usize::from(room)] != before {
            return false;
        }
        let (was, is) = (self.model.status(before), self.model.status(after));
        if is.epoch < was.epoch {
            self.break_promise(
                "I4",
                format!("the epoch of room {room} falls from {:#x} to {:#x}", was.epoch, is.epoch),
            );
        }
        if was.phase.is_over() {
            self.break_promise("I3", format!("room {room} was over, and is {:?}", is.phase));
        }
        if let (gamekeeper_crds::room::Phase::Running, Some(server)) = (is.phase, is.server) {
            let sights = self.model.sights_of(&self.world.servers[usize::from(server)]);
            let is_dead = self.world.servers[usize::from(server)].process.is_none();
            if !is_dead && !sights.opened.contains(&(room, is.epoch)) {
                let what = format!(
                    "room {room} is published on server {server}, which never had it under {:#x}",
                    is.epoch
                );
                self.break_promise("I4", what);
            }
            if sights.rooms.iter().any(|it| it.room == room && it.is_running) {
                self.world.told[usize::from(room)] |= 1 << server;
            }
        }
        self.change_room(room, after);
        true
    }
}
