//! A cluster of a few nodes, and an operator that sees it late, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::{
    backoff::Backoff,
    server::{Health, pulse::Pulse},
};

const NODES: usize = 3;
const SERVERS: usize = 5;
const BEAT: Duration = Duration::from_millis(95);

/// A cut that is hardly longer than the `hangTimeout` may be taken for a hang: TCP may be silent for as long again, and
/// whoever connects anew sees nothing of it.
const HICCUP: Duration = Duration::from_millis(700);

/// The pauses of a link between its attempts to greet a server.
const REDIAL: Backoff = Backoff { first: Duration::from_millis(50), ceiling: Duration::from_secs(5) };

/// So long faults happen; then there is peace, until all that can be known is.
const TROUBLE: Duration = Duration::from_secs(4);
const PEACE: Duration = Duration::from_secs(14);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Lives,
    Hangs,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Hang,
    Continue,
    /// Between the operator and one server.
    CutServer,
    /// Between the operator and one node.
    CutPath,
    /// One node from everybody.
    CutNode,
    PowerOff,
    /// The operator from everybody.
    CutOperator,
    StopKubelet,
    StandStill,
    Heal,
    /// A stream breaks, and nothing else.
    Break,
}

const ALL: [Fault; 12] = [
    Fault::Kill,
    Fault::Hang,
    Fault::Continue,
    Fault::CutServer,
    Fault::CutPath,
    Fault::CutNode,
    Fault::PowerOff,
    Fault::CutOperator,
    Fault::StopKubelet,
    Fault::StandStill,
    Fault::Heal,
    Fault::Break,
];

#[allow(clippy::struct_excessive_bools, reason = "anything may be the matter with it")]
struct Server {
    node: usize,
    life: Life,
    is_cut: bool,
    has_stream: bool,
    was_heard: bool,
    pulse: Pulse,
    health: Health,
    beats: u64,
    /// Which of the attempts to greet it counts, and how many have failed in a row.
    dials: u64,
    failures: u32,
    /// When it was last cut off.
    cut_at: Option<Instant>,
    /// When a beat with progress was heard.
    heard: Option<Instant>,
    /// Something between us refuses once.
    lies: bool,
    cause: Option<Cause>,
    verdict: Option<Verdict>,
    /// Since when its stream brings nothing, because it could not; and from when on it does again.
    outage: Option<(Instant, Option<Instant>)>,
    /// What was cut was so short a while ago that nobody noticed when it was.
    is_hiccup: bool,
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "anything may be the matter with it")]
struct Machine {
    is_down: bool,
    is_cut_from_us: bool,
    has_kubelet: bool,
    /// Kubelets cannot be reached by anybody: a firewall.
    is_filtered: bool,
    /// When something of it answered somebody, as far as the operator was told.
    answered: Option<Instant>,
}

#[derive(Clone, Debug)]
enum Next {
    Fault,
    Beat(usize),
    Renew,
    // What the operator does, or hears; it waits while the operator stands still.
    Heard(usize, u64),
    Renewed(Instant),
    Look(usize, Instant),
    Broken(usize),
    Dial(usize, u64),
    Dialled(usize, u64, Finding, Instant),
    Found(Whom, Who, Finding, Instant),
    Tick,
}

/// One history.
pub(super) struct World {
    rng: StdRng,
    now: Instant,
    start: Instant,
    agenda: BTreeMap<(Instant, u64), Next>,
    planned: u64,
    servers: Vec<Server>,
    nodes: Vec<Machine>,
    faults: Vec<Fault>,
    is_isolated: bool,
    has_witnesses: bool,
    /// It began with a server that was lost already.
    has_inherited: bool,
    stands_until: Instant,
    suspicions: Suspicions,
    heard: Option<Instant>,
    tick_at: Option<Instant>,
    pub(super) seen: BTreeSet<String>,
    pub(super) events: usize,
}

impl World {
    /// Plays a history to its end.
    pub(super) fn run(seed: u64) -> Self {
        let mut world = Self::new(seed);
        while let Some(((at, _), next)) = world.agenda.pop_first() {
            if world.start + TROUBLE + PEACE < at {
                break;
            }
            world.now = at;
            world.step(next);
            world.events += 1;
        }
        world.check_at_rest();
        world
    }

    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        // Some histories know one kind of fault only, or those that leave every server within somebody's reach: what follows
        // must be their doing.
        let faults = match rng.random_range(0..5) {
            0 => vec![ALL[rng.random_range(0..ALL.len())]],
            1 => vec![Fault::CutServer, Fault::Break, Fault::Heal],
            _ => ALL.to_vec(),
        };
        let is_filtered = rng.random_bool(0.2);
        let server = |index: usize| Server {
            node: index % NODES,
            life: Life::Lives,
            is_cut: false,
            has_stream: true,
            was_heard: true,
            pulse: Pulse::new(HANG_TIMEOUT, start),
            health: Health::Ready,
            beats: 0,
            dials: 0,
            failures: 0,
            cut_at: None,
            heard: None,
            lies: false,
            cause: None,
            verdict: None,
            outage: None,
            is_hiccup: false,
        };
        let node = |_| Machine { has_kubelet: true, is_filtered, ..Machine::default() };
        let has_witnesses = rng.random_bool(0.7);
        let mut world = Self {
            rng,
            now: start,
            start,
            agenda: BTreeMap::new(),
            planned: 0,
            servers: (0..SERVERS).map(server).collect(),
            nodes: (0..NODES).map(node).collect(),
            faults,
            is_isolated: false,
            has_witnesses,
            has_inherited: false,
            stands_until: start,
            suspicions: Suspicions::default(),
            heard: None,
            tick_at: None,
            seen: BTreeSet::new(),
            events: 0,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for index in 0..SERVERS {
            let offset = self.some_ms(0, 100);
            self.plan(offset, Next::Beat(index));
            let is_new_leader = index == 0 && self.rng.random_bool(0.3);
            let server = &mut self.servers[index];
            server.lies = self.rng.random_bool(0.1);
            server.pulse.host(true, self.now);
            if is_new_leader {
                (server.has_stream, server.was_heard) = (false, false);
                if self.rng.random_bool(0.6) {
                    self.has_inherited = true;
                    server.life = if self.rng.random_bool(0.5) { Life::Dead } else { Life::Hangs };
                    if self.rng.random_bool(0.3) {
                        self.nodes[self.servers[index].node].is_down = true;
                    }
                }
                self.dial_at_once(index);
                self.servers[index].cause = Some(Cause::Unheard);
                self.suspected(index, Cause::Unheard);
            } else {
                let (server, node) = (name(index), node_name(server.node));
                self.tell(Event::Alive { server, node });
                let deadline = self.servers[index].pulse.deadline();
                self.plan(deadline - self.now, Next::Look(index, deadline));
            }
        }
        self.plan(Duration::from_millis(500), Next::Fault);
        self.plan(Duration::ZERO, Next::Renew);
    }

    fn some_ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..to))
    }

    fn plan(&mut self, after: Duration, next: Next) {
        self.planned += 1;
        self.agenda.insert((self.now + after, self.planned), next);
    }

    fn step(&mut self, next: Next) {
        let is_ours = !matches!(next, Next::Fault | Next::Beat(_) | Next::Renew);
        if is_ours && self.now < self.stands_until {
            // In any order, when it wakes.
            let after = self.stands_until - self.now + self.some_ms(0, 6);
            return self.plan(after, next);
        }
        match next {
            Next::Fault => self.something_happens(),
            Next::Beat(index) => self.beat(index),
            Next::Renew => {
                self.plan(Duration::from_secs(1), Next::Renew);
                if !self.is_isolated && self.stands_until <= self.now {
                    let after = self.some_ms(2, 60);
                    self.plan(after, Next::Renewed(self.now));
                }
            }
            Next::Heard(index, progress) => self.hear(index, progress),
            Next::Renewed(at) => self.tell(Event::Renewed(at)),
            Next::Look(index, planned) => self.look(index, planned),
            Next::Broken(index) => {
                self.servers[index].health = Health::Unhealthy;
                self.suspected(index, Cause::Broke);
                self.dial_at_once(index);
            }
            Next::Dial(index, number) => self.dial(index, number),
            Next::Dialled(index, number, finding, asked) => {
                if self.servers[index].dials == number && self.suspicions.is_suspect(&name(index)) {
                    self.found(server(&name(index)), Who::Us, finding, asked);
                }
            }
            Next::Found(whom, who, finding, asked) => self.found(whom, who, finding, asked),
            Next::Tick => {
                if self.tick_at.take().is_some() {
                    self.tell(Event::Tick);
                }
            }
        }
    }

    // What is the case.

    fn something_happens(&mut self) {
        if self.start + TROUBLE <= self.now {
            return self.end_trouble();
        }
        let fault = self.faults[self.rng.random_range(0..self.faults.len())];
        let (index, node) = (self.rng.random_range(0..SERVERS), self.rng.random_range(0..NODES));
        match fault {
            Fault::Kill => self.kill(index),
            Fault::Hang if self.servers[index].life == Life::Lives => self.servers[index].life = Life::Hangs,
            Fault::Continue if self.servers[index].life == Life::Hangs => {
                self.servers[index].life = Life::Lives;
            }
            Fault::Hang | Fault::Continue => (),
            Fault::CutServer => {
                self.servers[index].is_cut = true;
                self.servers[index].cut_at = Some(self.now);
            }
            Fault::CutPath => self.nodes[node].is_cut_from_us = true,
            Fault::CutNode => self.nodes[node].is_down = true,
            Fault::PowerOff => {
                self.nodes[node].is_down = true;
                let here = (0..SERVERS).filter(|it| self.servers[*it].node == node).collect::<Vec<_>>();
                here.into_iter().for_each(|it| self.kill(it));
            }
            Fault::CutOperator => {
                self.seen.insert("the operator was cut off".into());
                self.is_isolated = true;
            }
            Fault::StopKubelet => self.nodes[node].has_kubelet = false,
            Fault::StandStill => {
                self.seen.insert("the operator stood still".into());
                self.stands_until = self.now + self.some_ms(20, 1500);
            }
            Fault::Heal => self.heal(),
            Fault::Break => self.break_stream(index),
        }
        let after = self.some_ms(1, 900);
        self.plan(after, Next::Fault);
    }

    fn heal(&mut self) {
        self.is_isolated = false;
        for server in &mut self.servers {
            server.is_cut = false;
        }
        for node in &mut self.nodes {
            (node.is_cut_from_us, node.has_kubelet) = (false, true);
            node.is_down &= self.rng.random_bool(0.5);
        }
    }

    /// What is cut may stay so; the operator is back.
    fn end_trouble(&mut self) {
        self.is_isolated = false;
        if self.rng.random_bool(0.5) {
            self.heal();
        }
    }

    fn kill(&mut self, index: usize) {
        self.servers[index].life = Life::Dead;
        // Its kernel says so, if that can be heard.
        if self.is_reachable(index) {
            self.break_stream(index);
        }
    }

    fn break_stream(&mut self, index: usize) {
        if std::mem::take(&mut self.servers[index].has_stream) {
            let after = self.some_ms(0, 3);
            self.plan(after, Next::Broken(index));
        }
    }

    fn is_reachable(&self, index: usize) -> bool {
        let server = &self.servers[index];
        let node = &self.nodes[server.node];
        !self.is_isolated && !server.is_cut && !node.is_down && !node.is_cut_from_us
    }

    fn beat(&mut self, index: usize) {
        let jitter = self.some_ms(0, 10);
        self.plan(BEAT + jitter, Next::Beat(index));
        let is_reachable = self.is_reachable(index);
        let server = &mut self.servers[index];
        if server.has_stream && server.life == Life::Dead && is_reachable {
            // It died out of reach: now its kernel says so.
            return self.break_stream(index);
        }
        if server.has_stream && server.life == Life::Lives && !is_reachable {
            server.outage.get_or_insert((self.now, None)).1 = None;
        }
        if server.has_stream && server.life == Life::Lives && is_reachable {
            if let Some((since, until)) = &mut server.outage {
                // TCP tries again after as long a pause as it has waited already.
                let lasted = self.now - *since;
                server.is_hiccup = lasted < HICCUP;
                if self.now < *until.get_or_insert(self.now + lasted) {
                    return;
                }
                server.outage = None;
            }
            server.beats += 1;
            let (beats, after) = (server.beats, self.some_ms(0, 20));
            self.plan(after, Next::Heard(index, beats));
        }
    }

    // What the operator does.

    fn hear(&mut self, index: usize, progress: u64) {
        let server = &mut self.servers[index];
        if !server.has_stream {
            return;
        }
        server.pulse.beat(progress, self.now);
        if server.pulse.look(self.now, self.now) != Health::Ready {
            return;
        }
        (server.heard, self.heard) = (Some(self.now), Some(self.now));
        if server.health == Health::Unhealthy {
            self.seen.insert("a beat ended a suspicion".into());
            self.alive(index);
        }
    }

    fn alive(&mut self, index: usize) {
        let server = &mut self.servers[index];
        (server.health, server.cause, server.was_heard) = (Health::Ready, None, true);
        server.heard = Some(self.now);
        let (deadline, node) = (server.pulse.deadline(), server.node);
        self.plan(deadline - self.now, Next::Look(index, deadline));
        self.nodes[node].answered = Some(self.now);
        self.tell(Event::Alive { server: name(index), node: node_name(node) });
        self.servers[index].verdict = None;
    }

    fn look(&mut self, index: usize, planned: Instant) {
        let now = self.now;
        let server = &mut self.servers[index];
        if server.health != Health::Ready || !server.has_stream {
            return;
        }
        let due = server.pulse.deadline();
        if due <= now && server.pulse.look(planned.max(due), now) == Health::Unhealthy {
            server.health = Health::Unhealthy;
            return self.suspected(index, Cause::Quiet);
        }
        let due = server.pulse.deadline().max(now + Duration::from_millis(1));
        self.plan(due - now, Next::Look(index, due));
    }

    fn suspected(&mut self, index: usize, cause: Cause) {
        let server = &mut self.servers[index];
        server.cause = match (server.cause, cause) {
            (Some(known), Cause::Quiet | Cause::Unheard) => Some(known),
            _ => Some(cause),
        };
        let (server, node) = (name(index), node_name(server.node));
        if 1 < self.servers.iter().filter(|it| it.cause.is_some() && it.verdict.is_none()).count() {
            self.seen.insert("several servers were suspected at once".into());
        }
        self.tell(Event::Suspected { server, node, cause, hang_timeout: HANG_TIMEOUT });
    }

    /// Whatever attempt is under way, or waits for its time, is given up.
    fn dial_at_once(&mut self, index: usize) {
        let server = &mut self.servers[index];
        (server.dials, server.failures) = (server.dials + 1, 0);
        let number = server.dials;
        self.plan(Duration::ZERO, Next::Dial(index, number));
    }

    /// The link dials, until it is welcome.
    fn dial(&mut self, index: usize, number: u64) {
        if self.servers[index].dials != number {
            return;
        }
        let asked = self.now;
        let (finding, takes) = match (self.is_reachable(index), self.servers[index].life) {
            (true, Life::Lives) => {
                let server = &mut self.servers[index];
                (server.has_stream, server.outage, server.failures) = (true, None, 0);
                server.pulse = Pulse::new(HANG_TIMEOUT, self.now);
                server.pulse.host(true, self.now);
                return self.alive(index);
            }
            (true, Life::Hangs) => (Finding::Connected, Duration::from_secs(3)),
            (true, Life::Dead) => (Finding::Refused, self.some_ms(0, 5)),
            (false, _) => (Finding::Silent, Duration::from_secs(1)),
        };
        self.plan(takes, Next::Dialled(index, number, finding, asked));
        self.servers[index].failures += 1;
        let pause = REDIAL.after(self.servers[index].failures);
        self.plan(takes + pause, Next::Dial(index, number));
    }

    fn found(&mut self, whom: Whom, who: Who, finding: Finding, asked: Instant) {
        let node = match &whom {
            Whom::Server(server) => self.servers[index_of(server)].node,
            Whom::Node(node) => node_index(node),
        };
        if finding != Finding::Silent {
            self.nodes[node].answered = Some(self.now);
        }
        if let Whom::Server(server) = &whom
            && finding == Finding::Refused
            && self.servers[index_of(server)].life != Life::Dead
        {
            self.seen.insert("something refused although the process lives".into());
        }
        self.tell(Event::Found { whom, who, finding, asked });
    }

    fn tell(&mut self, event: Event) {
        let mut commands = Vec::new();
        let heard = self.heard.map(Event::Heard);
        for event in heard.into_iter().chain([event]) {
            commands.extend(self.suspicions.on(event, self.now));
        }
        for command in commands {
            self.see_to(command);
        }
        let wakeup = self.suspicions.next_wakeup();
        if let Some(at) = wakeup.filter(|it| self.tick_at.is_none_or(|tick| *it < tick)) {
            self.tick_at = Some(at);
            self.plan(at.saturating_duration_since(self.now), Next::Tick);
        }
    }

    fn see_to(&mut self, command: Command) {
        match command {
            Command::Ask(whom) => {
                let is_node_reachable = |it: &Machine| !self.is_isolated && !it.is_down && !it.is_cut_from_us;
                let finding = match &whom {
                    Whom::Server(server) => {
                        let index = index_of(server);
                        let lies = std::mem::take(&mut self.servers[index].lies);
                        match self.is_reachable(index) {
                            true if lies => Finding::Refused,
                            is_reachable => self.finding(index, is_reachable),
                        }
                    }
                    Whom::Node(node) => {
                        let node = &self.nodes[node_index(node)];
                        kubelet(node, is_node_reachable(node))
                    }
                };
                self.answer(whom, Who::Us, finding);
            }
            Command::AskWitnesses { whom, node } => {
                let node = node_index(&node);
                let is_witness = |it: &usize| {
                    let server = &self.servers[*it];
                    let is_well = server.life == Life::Lives && server.health == Health::Ready;
                    server.node != node && is_well && self.is_reachable(*it)
                };
                if !self.has_witnesses || !(0..SERVERS).any(|it| is_witness(&it)) {
                    return;
                }
                self.seen.insert("a witness was asked".into());
                let is_reachable = !self.nodes[node].is_down;
                let finding = match &whom {
                    Whom::Server(server) => self.finding(index_of(server), is_reachable),
                    Whom::Node(_) => kubelet(&self.nodes[node], is_reachable),
                };
                self.answer(whom, Who::Witness, finding);
            }
            Command::Greet { server } => {
                self.seen.insert("a server was greeted anew".into());
                self.greet(index_of(&server));
            }
            Command::Tell { cause, .. } => {
                self.seen.insert(format!("suspected: {cause:?}"));
            }
            Command::Lost { server, verdict, noticed, .. } => {
                self.judged(index_of(&server), verdict, noticed);
            }
            Command::CutOff { server, is_reached, since, noticed, .. } => {
                let heard = self.servers[index_of(&server)].heard;
                assert!(since <= noticed && heard.is_none_or(|it| it <= noticed), "I7: heard since");
                self.greet(index_of(&server));
                let what =
                    if is_reached { "a witness reached a server" } else { "a node answered for its server" };
                self.seen.insert(what.into());
            }
            Command::Back { server } => {
                if self.servers[index_of(&server)].verdict.is_some() {
                    self.seen.insert("a lost server came back".into());
                }
            }
        }
    }

    /// Its stream ends, if it has one, and it is dialled without a pause.
    fn greet(&mut self, index: usize) {
        if self.servers[index].has_stream { self.break_stream(index) } else { self.dial_at_once(index) }
    }

    fn finding(&self, index: usize, is_reachable: bool) -> Finding {
        match (is_reachable, self.servers[index].life) {
            (false, _) => Finding::Silent,
            (true, Life::Dead) => Finding::Refused,
            (true, Life::Lives | Life::Hangs) => Finding::Connected,
        }
    }

    fn answer(&mut self, whom: Whom, who: Who, finding: Finding) {
        let takes = if finding == Finding::Silent { ASK_EVERY } else { self.some_ms(0, 30) };
        self.plan(takes, Next::Found(whom, who, finding, self.now));
    }

    // What must hold.

    fn judged(&mut self, index: usize, verdict: Verdict, noticed: Instant) {
        let now = self.now;
        let server = &mut self.servers[index];
        let cause = server.cause.expect("only suspects are judged");
        self.seen.insert(match server.verdict {
            Some(before) => format!("{before:?}, then {verdict:?}"),
            None => format!("{cause:?}: {verdict:?}"),
        });
        server.verdict = Some(verdict);
        assert!(noticed <= now);
        match verdict {
            Verdict::Proven => assert_eq!(server.life, Life::Dead, "I6: proven of a process that lives"),
            Verdict::Hang | Verdict::Presumed => {
                let heard = server.heard.map(|it| now - it);
                assert!(
                    heard.is_none_or(|it| HANG_TIMEOUT <= it),
                    "I6: {verdict:?}, and a beat {heard:?} ago"
                );
            }
        }
        if verdict == Verdict::Presumed {
            let answered = self.nodes[server.node].answered.map(|it| now - it);
            assert!(
                answered.is_none_or(|it| PRESUME <= it),
                "I6: presumed, and it answered {answered:?} ago"
            );
        }
        let only = |faults: &[Fault]| self.faults.iter().all(|it| faults.contains(it));
        let is_inherited = self.has_inherited;
        let harmless = [Fault::StandStill, Fault::CutOperator, Fault::Break, Fault::StopKubelet, Fault::Heal];
        let is_hiccup = verdict == Verdict::Hang && server.is_hiccup;
        assert!(
            is_hiccup || is_inherited || !only(&harmless),
            "I6: {verdict:?} although only the operator was in trouble: {:?} {cause:?}",
            self.faults
        );
        let is_seen = !self.nodes.iter().any(|it| it.is_filtered);
        let aside = [Fault::CutServer, Fault::Heal, Fault::Continue, Fault::Break];
        // One that is cut off in the very moment in which it was reached, and has no stream, says nothing for a while.
        let breaks = self.faults.contains(&Fault::Break) && verdict == Verdict::Hang;
        let is_cut_again = breaks && server.cut_at.is_some_and(|it| now - it < HICCUP);
        assert!(
            is_hiccup || is_cut_again || is_inherited || !is_seen || !only(&aside),
            "I6: {verdict:?} of a server that others reach"
        );
    }

    fn check_at_rest(&self) {
        let heard = self.servers.iter().enumerate();
        let others = |node: usize| {
            heard.clone().any(|(it, server)| {
                server.node != node && server.life == Life::Lives && self.is_reachable(it)
            })
        };
        for (index, server) in self.servers.iter().enumerate() {
            let node = &self.nodes[server.node];
            match server.life {
                Life::Lives if self.is_reachable(index) => {
                    assert_eq!((server.verdict, server.health), (None, Health::Ready), "{index} is heard");
                }
                Life::Dead if self.is_reachable(index) => {
                    assert_eq!(server.verdict, Some(Verdict::Proven), "P3: {index} is dead");
                }
                Life::Hangs if self.is_reachable(index) => {
                    assert!(server.verdict.is_some(), "P3: {index} hangs");
                }
                _ if node.is_down && others(server.node) => {
                    assert!(server.verdict.is_some(), "P3: {index} is lost with its node");
                }
                _ => (),
            }
        }
    }
}

fn kubelet(node: &Machine, is_reachable: bool) -> Finding {
    match (is_reachable && !node.is_filtered, node.has_kubelet) {
        (false, _) => Finding::Silent,
        (true, true) => Finding::Connected,
        (true, false) => Finding::Refused,
    }
}

fn name(index: usize) -> String {
    format!("server-{index}")
}

fn index_of(server: &str) -> usize {
    server.rsplit('-').next().unwrap().parse().unwrap()
}

fn node_name(node: usize) -> String {
    format!("node-{node}")
}

fn node_index(node: &str) -> usize {
    index_of(node)
}
