//! What the suspicions want done, and what comes of it: attempts to reach servers and nodes, witnesses, verdicts.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use gamekeeper_control::{Finding, Probe, ProbeResult, ToServer};
use tokio::{sync::mpsc, time::Instant};
use tracing::{info, warn};

use super::{Driver, orders::placed_anew};
use crate::{
    leader::Fence,
    metrics::Loss,
    name::ObjectName,
    room::{
        Event,
        ledger::{Confirmed, Taken},
    },
    server::{
        ServerPod,
        link::{self, Target},
        reach::{Found, Scout},
        suspicion::{self, ASK_EVERY, Cause, Command, Suspicions, Verdict, Who, Whom},
    },
};

/// Questions to witnesses that wait for an answer. The oldest are forgotten.
const QUESTIONS_MAX: usize = 1024;

/// Reports that are taken in before it is judged: what was heard by then counts.
const REPORTS_FIRST: usize = 4096;

/// Who is suspected, and what was asked.
pub struct Watch {
    suspicions: Suspicions,
    scout: Scout,
    fence: Fence,
    questions: BTreeMap<u64, Question>,
    last_question: u64,
    /// Servers whose links broke in our hands.
    broken: Vec<String>,
}

/// A question to a witness.
struct Question {
    witness: String,
    whom: Whom,
    asked: Instant,
}

impl Watch {
    /// Nobody is suspected yet. The lease behind `fence` tells whether we can be heard.
    pub fn new(scout: Scout, fence: Fence) -> Self {
        Self {
            suspicions: Suspicions::default(),
            scout,
            fence,
            questions: BTreeMap::new(),
            last_question: 0,
            broken: Vec::new(),
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.suspicions.next_wakeup()
    }

    pub(super) fn is_suspect(&self, server: &str) -> bool {
        self.suspicions.is_suspect(server)
    }

    /// A link did not take a command, and is made anew.
    pub(super) fn broke(&mut self, server: &str) {
        self.broken.push(server.to_owned());
    }
}

impl Driver {
    /// Whether suspects are lost, by what was heard until now.
    pub(super) fn look_at_suspects(&mut self, reports: &mut mpsc::Receiver<link::Report>) {
        for _ in 0..REPORTS_FIRST {
            let Ok(report) = reports.try_recv() else { break };
            self.take_link_report(report);
        }
        self.suspicion(suspicion::Event::Tick);
    }

    pub(super) fn take_found(&mut self, found: Found) {
        let Found { whom, finding, asked } = found;
        self.suspicion(suspicion::Event::Found { whom, who: Who::Us, finding, asked });
    }

    /// A server's own link has dialled it.
    pub(super) fn dialled(&mut self, uid: &str, finding: Finding, asked: Instant) {
        if self.watch.is_suspect(uid) {
            let whom = Whom::Server(uid.to_owned());
            self.suspicion(suspicion::Event::Found { whom, who: Who::Us, finding, asked });
        }
    }

    pub(super) fn witnessed(&mut self, witness: &str, result: ProbeResult) {
        let ProbeResult { id, finding } = result;
        let Some(question) = self.watch.questions.remove(&id).filter(|it| it.witness == witness) else {
            return;
        };
        let Question { whom, asked, .. } = question;
        self.suspicion(suspicion::Event::Found { whom, who: Who::Witness, finding, asked });
    }

    pub(super) fn alive(&mut self, pod: &ServerPod) {
        let (server, node) = (pod.uid.clone(), pod.node.clone().unwrap_or_default());
        self.suspicion(suspicion::Event::Alive { server, node });
    }

    pub(super) fn suspect(&mut self, pod: &ServerPod, cause: Cause) {
        let (server, node) = (pod.uid.clone(), pod.node.clone().unwrap_or_default());
        let Some(hang_timeout) = self.links.target(&server).map(|it| it.hang_timeout) else { return };
        self.suspicion(suspicion::Event::Suspected { server, node, cause, hang_timeout });
    }

    /// Links that broke in our hands since the last time.
    pub(super) fn suspect_broken(&mut self) {
        for uid in std::mem::take(&mut self.watch.broken) {
            let pod = self.links.target(&uid).map(|it| it.pod.clone());
            let pod = pod.and_then(|it| self.world.read().pods.get(&it).filter(|it| it.uid == uid).cloned());
            if let Some(pod) = pod {
                self.suspect(&pod, Cause::Broke);
            }
        }
    }

    pub(super) fn suspicion(&mut self, event: suspicion::Event) {
        let now = Instant::now();
        let renewed = self.watch.fence.renewed().map(suspicion::Event::Renewed);
        let heard = self.links.heard().map(suspicion::Event::Heard);
        for event in [renewed, heard].into_iter().flatten().chain([event]) {
            for command in self.watch.suspicions.on(event, now) {
                self.see_to(command, now);
            }
        }
    }

    fn see_to(&mut self, command: Command, now: Instant) {
        match command {
            Command::Ask(whom) => {
                let address = self.address_of(&whom);
                self.watch.scout.reach(whom, address);
            }
            Command::AskWitnesses { whom, node } => self.ask_witnesses(&whom, &node, now),
            // Its link tells what came of it.
            Command::Greet { server } => drop(self.links.greet(&server)),
            Command::Tell { server, node, cause, since } => {
                let ObjectName { namespace, name } = self.name_of(&server);
                info!(namespace, server = name, node, kind = ?cause, since_ms = ms(since, now), "suspected");
            }
            Command::Lost { server, verdict, since, noticed } => {
                let loss = match verdict {
                    Verdict::Proven => Loss::Proven,
                    Verdict::Hang => Loss::Hang,
                    Verdict::Presumed => Loss::Presumed,
                };
                self.confirmed(&server, loss, since, noticed);
                self.tell(vec![Event::ServerLost { server_uid: server, verdict }]);
            }
            Command::CutOff { server, node, is_reached, since, noticed } => {
                let ObjectName { namespace, name } = self.name_of(&server);
                self.metrics.server_cut_off();
                warn!(
                    namespace,
                    server = name,
                    node,
                    by_witness = is_reached,
                    "a server is out of our reach and not lost: its rooms stay, unless the store does not hear it either"
                );
                // Over the stream that there is, no echo may go any more: from its end on the ledger counts.
                let _ = self.links.greet(&server);
                self.tell(vec![Event::ServerCutOff { server_uid: server, since, noticed }]);
            }
            Command::Back { server } => {
                let ObjectName { namespace, name } = self.name_of(&server);
                info!(namespace, server = name, "a server is heard again");
                self.tell(vec![Event::ServerBack { server_uid: server }]);
            }
        }
    }

    /// A room is another server's, by the store's word.
    pub(super) fn tell_taken(&self, taken: &Taken) {
        let Taken { room, server, epoch, confirms } = taken;
        if let Some(Confirmed { server_uid, since, noticed }) = confirms {
            self.confirmed(server_uid, Loss::CutOff, *since, *noticed);
        }
        placed_anew(room, server, *epoch, true);
    }

    /// Tells and counts that a server is lost.
    fn confirmed(&self, server: &str, kind: Loss, since: Instant, noticed: Instant) {
        let (now, ObjectName { namespace, name }) = (Instant::now(), self.name_of(server));
        let (since_ms, noticed_ms) = (ms(since, now), ms(noticed, now));
        info!(namespace, server = name, ?kind, since_ms, noticed_ms, "confirmed");
        self.metrics.server_lost(kind);
    }

    fn ask_witnesses(&mut self, whom: &Whom, node: &str, now: Instant) {
        let Some(address) = self.address_of(whom) else { return };
        let witnesses = self.world.read().ledger.witnesses(node);
        for witness in witnesses {
            self.watch.last_question += 1;
            let id = self.watch.last_question;
            let probe = Probe { id, address, timeout: ASK_EVERY };
            if self.links.send(&witness, ToServer::Probe(probe)).is_err() {
                continue;
            }
            self.watch.questions.insert(id, Question { witness, whom: whom.clone(), asked: now });
            if QUESTIONS_MAX < self.watch.questions.len() {
                self.watch.questions.pop_first();
            }
        }
    }

    fn address_of(&self, whom: &Whom) -> Option<SocketAddr> {
        match whom {
            Whom::Server(uid) => self.links.target(uid).map(|it| it.address),
            Whom::Node(name) => self.world.read().nodes.get(&ObjectName::new("", name))?.kubelet,
        }
    }

    fn name_of(&self, uid: &str) -> ObjectName {
        let unknown = || ObjectName::new("", uid);
        self.links.target(uid).map_or_else(unknown, |Target { pod, .. }| pod.clone())
    }
}

fn ms(since: Instant, now: Instant) -> u64 {
    let passed: Duration = now.duration_since(since);
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
}
