//! Whether servers that fall silent are lost: a pure machine per server and per node, `on(event, now) -> commands` (I6).
//!
//! A server is *suspected* when its beats stop, when its stream breaks, or when a new leader does not hear it. Then
//! everybody who may know is asked: its own port, its node's kubelet, and servers on other nodes as witnesses. What they
//! find tells apart who died ([`Verdict::Proven`]), who hangs ([`Verdict::Hang`]), whose node is gone
//! ([`Verdict::Presumed`]), and who is only out of *our* reach, which is no loss. What is found while the operator itself
//! stood still counts for nothing, and what is presumed waits until the operator knows that it is not alone.

mod node;
mod suspect;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use gamekeeper_control::Finding;
use tokio::time::Instant;

use node::NodeSuspicion;
use suspect::Suspect;

/// A server that hangs has so long, once we have seen that its kernel answers, to say that it does not: what was on its
/// way when we began to doubt arrives within it, also on a busy machine. With the default `hangTimeout`, and beats every
/// 100 ms, a hang is certain 450 ms after it began at the latest.
pub const CONFIRM: Duration = Duration::from_millis(150);

/// A server that answers and was not heard since we lead has so long to greet us: it may be the last of thousands.
pub const GREETING: Duration = Duration::from_secs(3);

/// A node from which nothing comes is presumed lost after this time, if a witness finds the same. Long enough for a few
/// attempts from both; kernels answer however busy their machine is.
pub const PRESUME: Duration = Duration::from_secs(1);

/// The same, without a witness.
pub const PRESUME_ALONE: Duration = Duration::from_secs(3);

/// How long the other servers may take to show that not all of them went silent with the suspects.
pub const DOUBT_MYSELF: Duration = Duration::from_secs(1);

/// A node that stays silent while others are silent too is presumed lost after this time although no server was heard:
/// then there may be none left.
pub const DOUBT_MYSELF_MOST: Duration = Duration::from_secs(5);

/// Who comes to an appointment of its own so much too late stood still, and knows nothing of others.
pub const STANDSTILL: Duration = Duration::from_millis(50);

/// From one attempt to reach a suspect to the next; an attempt takes no longer.
pub const ASK_EVERY: Duration = Duration::from_millis(250);

/// The same, for a suspect that is known to be only out of our reach.
const ASK_SELDOM: Duration = Duration::from_secs(1);

/// Appointments while somebody is suspected, and it is not known yet what became of all.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// So many attempts on servers of one node at once: one node's loss must not cost hundreds of them.
const ASKED_PER_NODE_MAX: usize = 8;

/// So many servers of a silent node that are not suspected are asked whether they are there, and so many suspects are
/// shown to witnesses.
const SAMPLES: usize = 2;

/// How a loss is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Its kernel says that nothing listens there any more.
    Proven,
    /// Its kernel answers, and it gives no sign of life.
    Hang,
    /// Neither it nor its node answers anybody.
    Presumed,
}

/// What makes a server suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No beat, or none with progress, for the fleet's `hangTimeout`.
    Quiet,
    /// Its stream broke.
    Broke,
    /// Rooms are published on it, and it was not heard since we lead.
    Unheard,
}

/// Who is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// A server's control port, by the uid of its pod.
    Server(String),
    /// A node's kubelet.
    Node(String),
}

/// Who tried to reach somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Us,
    /// A server on another node.
    Witness,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A server was greeted, or a beat with progress came after it was suspected.
    Alive { server: String, node: String },
    /// A server is suspected. `hang_timeout` is its fleet's.
    Suspected { server: String, node: String, cause: Cause, hang_timeout: Duration },
    /// Somebody tried to reach somebody, and began at `asked`.
    Found { whom: Whom, who: Who, finding: Finding, asked: Instant },
    /// A server's process has ended, or its pod is gone: others know more than we do.
    Gone { server: String },
    /// Our lease was renewed, by a request that was sent then.
    Renewed(Instant),
    /// A beat with progress came then, of any server.
    Heard(Instant),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Try to reach them, for [`ASK_EVERY`] at most.
    Ask(Whom),
    /// Let servers on other nodes than `node` try to reach them.
    AskWitnesses { whom: Whom, node: String },
    /// A server is to be greeted anew at once: it was out of reach, and is no longer.
    Greet { server: String },
    /// A server is suspected; the last sign of its life came at `since`, or before.
    Tell { server: String, node: String, cause: Cause, since: Instant },
    /// A server is lost, or more certainly so than before. It was suspected at `noticed`.
    Lost { server: String, verdict: Verdict, since: Instant, noticed: Instant },
    /// A server is out of our reach, and not lost: a witness reaches it, or its node answers.
    CutOff { server: String, node: String, is_reached: bool, since: Instant, noticed: Instant },
    /// A server that was lost or out of reach is heard again.
    Back { server: String },
}

/// The suspicions of one operator.
#[derive(Debug, Default)]
pub struct Suspicions {
    suspects: BTreeMap<String, Suspect>,
    /// Their servers, those that were judged included.
    suspects_on: BTreeMap<String, BTreeSet<String>>,
    nodes: BTreeMap<String, NodeSuspicion>,
    /// Servers that were heard, by node.
    known: BTreeMap<String, BTreeSet<String>>,
    node_of: BTreeMap<String, String>,
    renewed: Option<Instant>,
    heard: Option<Instant>,
    /// When we meant to look again.
    appointment: Option<Instant>,
}

impl Suspicions {
    /// Takes an event in, and says what is to be done.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.appointment.is_some_and(|it| it + STANDSTILL < now) {
            self.begin_anew(now);
        }
        match event {
            Event::Alive { server, node } => self.alive(server, &node, now, &mut commands),
            Event::Suspected { server, node, cause, hang_timeout } => {
                self.suspect(&server, &node, cause, hang_timeout, now);
                commands.extend(self.tell(&server));
                self.ask(&node, now, &mut commands);
            }
            Event::Found { whom: Whom::Node(name), who, finding, asked } => {
                if let Some(node) = self.nodes.get_mut(&name) {
                    node.found(who, finding, asked, self.renewed, now);
                    self.ask_witnesses(&name, now, &mut commands);
                }
            }
            Event::Found { whom: Whom::Server(server), who, finding, asked } => {
                self.found(&server, who, finding, asked, now, &mut commands);
            }
            Event::Gone { server } => self.forget(&server),
            Event::Renewed(at) => self.renewed = self.renewed.max(Some(at)),
            Event::Heard(at) => self.heard = self.heard.max(Some(at)),
            Event::Tick => self.look(now, &mut commands),
        }
        commands
    }

    /// When to call again even if nothing happens.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.appointment
    }

    /// Whether the server is suspected, or lost.
    pub fn is_suspect(&self, server: &str) -> bool {
        self.suspects.contains_key(server)
    }

    /// We stood still: whatever did not come meanwhile may be about to.
    fn begin_anew(&mut self, now: Instant) {
        self.appointment = Some(now + LOOK_EVERY);
        self.suspects.values_mut().for_each(|it| it.begin_anew(now));
        self.nodes.values_mut().for_each(|it| it.begin_anew(now));
    }

    fn alive(&mut self, server: String, node: &str, now: Instant, commands: &mut Vec<Command>) {
        let was_told = self.suspects.get(&server).is_some_and(Suspect::was_told);
        self.forget(&server);
        if was_told {
            commands.push(Command::Back { server: server.clone() });
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.answered(now);
        }
        self.heard = self.heard.max(Some(now));
        self.known.entry(node.to_owned()).or_default().insert(server.clone());
        self.node_of.insert(server, node.to_owned());
    }

    fn suspect(&mut self, server: &str, node: &str, cause: Cause, hang_timeout: Duration, now: Instant) {
        if let Some(known) = self.suspects.get_mut(server) {
            if cause == Cause::Broke {
                known.broke(now);
            }
            return;
        }
        // What was found of a node before is too old.
        if !self.undecided_on(node).any(|_| true) {
            self.nodes.insert(node.to_owned(), NodeSuspicion::new(now));
        }
        self.suspects.insert(server.to_owned(), Suspect::new(node.to_owned(), cause, hang_timeout, now));
        self.suspects_on.entry(node.to_owned()).or_default().insert(server.to_owned());
        self.look_by(now + LOOK_EVERY);
    }

    fn look_by(&mut self, at: Instant) {
        self.appointment = Some(self.appointment.map_or(at, |it| it.min(at)));
    }

    fn tell(&mut self, server: &str) -> Option<Command> {
        let suspect = self.suspects.get_mut(server)?;
        // A new leader has not heard anybody yet: that is told only when somebody has looked.
        let is_due = !suspect.is_told && (suspect.cause != Cause::Unheard || suspect.is_unreached());
        if !is_due {
            return None;
        }
        suspect.is_told = true;
        let (node, cause, since) = (suspect.node.clone(), suspect.cause, suspect.since());
        Some(Command::Tell { server: server.to_owned(), node, cause, since })
    }

    fn found(
        &mut self,
        server: &str,
        who: Who,
        finding: Finding,
        asked: Instant,
        now: Instant,
        commands: &mut Vec<Command>,
    ) {
        let node = match self.suspects.get_mut(server) {
            Some(suspect) => {
                suspect.found(who, finding, asked, now);
                if suspect.wants_to_be_greeted() {
                    commands.push(Command::Greet { server: server.to_owned() });
                }
                Some(suspect.node.clone())
            }
            // A sample of a silent node.
            None => self.node_of.get(server).cloned(),
        };
        let Some(node) = node else { return };
        if finding != Finding::Silent
            && let Some(node) = self.nodes.get_mut(&node)
        {
            node.answered(now);
        }
        commands.extend(self.tell(server));
        self.judge(server, now, commands);
        if finding == Finding::Silent {
            self.ask_witnesses(&node, now, commands);
        }
        self.ask(&node, now, commands);
    }

    fn forget(&mut self, server: &str) {
        if let Some(suspect) = self.suspects.remove(server) {
            take(&mut self.suspects_on, &suspect.node, server);
        }
        if let Some(node) = self.node_of.remove(server) {
            take(&mut self.known, &node, server);
        }
    }

    fn undecided(&self) -> impl Iterator<Item = (&String, &Suspect)> {
        self.suspects.iter().filter(|(_, it)| it.verdict.is_none())
    }

    fn undecided_on(&self, node: &str) -> impl Iterator<Item = (&String, &Suspect)> {
        let servers = self.suspects_on.get(node).into_iter().flatten();
        let suspects = servers.filter_map(|it| Some((it, self.suspects.get(it)?)));
        suspects.filter(|(_, it)| it.verdict.is_none())
    }

    fn look(&mut self, now: Instant, commands: &mut Vec<Command>) {
        let undecided: Vec<String> = self.undecided().map(|(server, _)| server.clone()).collect();
        for server in &undecided {
            self.judge(server, now, commands);
        }
        let busy: BTreeSet<String> = self.undecided().map(|(_, it)| it.node.clone()).collect();
        self.nodes.retain(|name, _| busy.contains(name));
        for node in &busy {
            self.ask(node, now, commands);
            self.ask_witnesses(node, now, commands);
        }
        // Who is only out of our reach may stay so for days.
        let pace = self.undecided().map(|(_, it)| if it.is_cut_off { ASK_EVERY } else { LOOK_EVERY }).min();
        self.appointment = pace.map(|it| now + it);
    }

    /// Whether a server is lost, by all that is known now.
    fn judge(&mut self, server: &str, now: Instant, commands: &mut Vec<Command>) {
        let Some(suspect) = self.suspects.get(server) else { return };
        let node = self.nodes.get(&suspect.node);
        let verdict = suspect.judge(
            || !self.may_be_all_of_us(suspect, now),
            || node.is_some_and(|it| self.is_lost(it, now)),
            now,
        );
        if let (Some(verdict), Some(suspect)) = (verdict, self.suspects.get_mut(server)) {
            suspect.verdict = Some(verdict);
            let (since, noticed) = (suspect.since(), suspect.noticed);
            commands.push(Command::Lost { server: server.to_owned(), verdict, since, noticed });
        }
        self.tell_cut_off(server, now, commands);
    }

    /// Whether more servers seem to hang and no other moves: that may be ourselves.
    fn may_be_all_of_us(&self, suspect: &Suspect, now: Instant) -> bool {
        let is_heard = self.heard.is_some_and(|it| suspect.counts_from < it);
        let is_soon = now < suspect.counts_from + CONFIRM + DOUBT_MYSELF;
        is_soon && !is_heard && 1 < self.undecided().filter(|(_, it)| it.seems_to_hang()).count()
    }

    /// Whether nothing of a node answers, and it is not we who cannot hear: if several nodes are silent, some other server
    /// was heard.
    fn is_lost(&self, node: &NodeSuspicion, now: Instant) -> bool {
        let is_heard = self.heard.is_some_and(|it| node.counts_from < it);
        let is_soon = now < node.counts_from + DOUBT_MYSELF_MOST;
        let doubts_itself =
            || is_soon && !is_heard && 1 < self.nodes.values().filter(|it| it.seems_silent()).count();
        node.is_silent(now) && !doubts_itself()
    }

    fn tell_cut_off(&mut self, server: &str, now: Instant, commands: &mut Vec<Command>) {
        let Some(suspect) = self.suspects.get_mut(server) else { return };
        let answers = self.nodes.get(&suspect.node).is_some_and(NodeSuspicion::answers);
        if suspect.is_cut_off || !answers || !suspect.is_out_of_reach(now) {
            return;
        }
        suspect.is_cut_off = true;
        let (node, is_reached) = (suspect.node.clone(), suspect.is_reached());
        let (since, noticed) = (suspect.since(), suspect.noticed);
        commands.push(Command::CutOff { server: server.to_owned(), node, is_reached, since, noticed });
    }

    /// Tries to reach the suspects of a node whose turn it is, and the node.
    fn ask(&mut self, name: &str, now: Instant, commands: &mut Vec<Command>) {
        let asked = self.undecided_on(name).filter(|(_, it)| it.is_asked(now)).count();
        let due = self.undecided_on(name).filter(|(_, it)| it.wants_to_be_asked(now));
        let due = due.take(ASKED_PER_NODE_MAX.saturating_sub(asked)).map(|(server, _)| server.clone());
        for server in due.collect::<Vec<_>>() {
            if let Some(suspect) = self.suspects.get_mut(&server) {
                suspect.ask(now);
            }
            commands.push(Command::Ask(Whom::Server(server)));
        }
        let is_suspected = self.undecided_on(name).any(|_| true);
        let Some(node) = self.nodes.get_mut(name).filter(|it| is_suspected && it.ask_at <= now) else {
            return;
        };
        node.ask_at = now + if node.answers() { ASK_SELDOM } else { ASK_EVERY };
        commands.push(Command::Ask(Whom::Node(name.to_owned())));
        if node.seems_silent() {
            let known = self.known.get(name).into_iter().flatten();
            let samples = known.filter(|it| !self.suspects.contains_key(*it)).take(SAMPLES);
            commands.extend(samples.map(|it| Command::Ask(Whom::Server(it.clone()))));
        }
    }

    /// What we do not reach, others may.
    fn ask_witnesses(&mut self, name: &str, now: Instant, commands: &mut Vec<Command>) {
        let silent = self.undecided_on(name).filter(|(_, it)| it.is_silent());
        let silent: Vec<String> = silent.map(|(server, _)| server.clone()).collect();
        let Some(node) = self.nodes.get_mut(name).filter(|it| it.ask_witnesses_at <= now) else { return };
        if silent.is_empty() {
            return;
        }
        node.ask_witnesses_at = now + if node.answers() { ASK_SELDOM } else { ASK_EVERY };
        let on = |whom| Command::AskWitnesses { whom, node: name.to_owned() };
        if node.seems_silent() {
            commands.push(on(Whom::Node(name.to_owned())));
        }
        // Others every time: one of hundreds may be the one that is reached.
        let (first, count) = (node.samples % silent.len(), SAMPLES.min(silent.len()));
        node.samples = node.samples.wrapping_add(count);
        let samples = silent.iter().cycle().skip(first).take(count);
        commands.extend(samples.map(|it| on(Whom::Server(it.clone()))));
    }
}

/// Takes `server` out of what `node` has.
fn take(servers_on: &mut BTreeMap<String, BTreeSet<String>>, node: &str, server: &str) {
    if let Some(servers) = servers_on.get_mut(node) {
        servers.remove(server);
        if servers.is_empty() {
            servers_on.remove(node);
        }
    }
}

#[cfg(test)]
mod tests;
