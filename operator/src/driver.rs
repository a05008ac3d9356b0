//! The main loop of a leader: news from watches, probes and answers go in, the ledger decides, and
//! its commands are carried out, a bounded number at a time.

mod execute;
mod intake;
mod orders;
mod suspects;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream::FuturesUnordered};
use gamekeeper_crds::GameFleet;
use kube::{
    Client,
    runtime::{
        reflector::{ObjectRef, store::Writer},
        watcher,
    },
};
use tokio::{sync::mpsc, time::Instant};
use tracing::info;

use crate::{
    clock::Clock,
    events::Events,
    metrics::{Metrics, RoomState, ServerState},
    name::ObjectName,
    room::{Command, Event},
    server::{
        link,
        links::Links,
        prober::{Prober, Report},
        reach::Found,
    },
    watch::{NAMESPACED_KINDS, News},
    world::Shared,
};

pub use suspects::Watch;

/// Requests for rooms in flight. Each is a connection of its own; with more, a busy API server
/// spends its time on handshakes.
const REQUESTS_MAX: usize = 16;

/// News of one fleet that come within this time are looked at once. Counted from the first of them:
/// kube's debounce counts from the last, and a fleet that always has news would never be looked at.
const GATHER: Duration = Duration::from_millis(20);

/// Gauges are counted this long after something changed, not with every change.
const COUNT_AFTER: Duration = Duration::from_secs(1);

/// What the main loop is made of.
pub struct Driver {
    pub client: Client,
    pub world: Shared,
    pub clock: Clock,
    pub metrics: Metrics,
    pub events: Events,
    /// The namespaces that are watched; empty for all.
    pub namespaces: Vec<String>,
    /// Fleets that something happened to, for the fleet controller.
    pub triggers: mpsc::UnboundedSender<ObjectRef<GameFleet>>,
    pub fleets: Writer<GameFleet>,
    pub prober: Prober,
    pub links: Links,
    pub watch: Watch,
    /// From which the tokens are made that servers show to their standbys: new with every leadership.
    pub secret: [u8; 32],
    /// The latest term that a server has named, for the next election.
    pub heard_term: Arc<AtomicU32>,
    /// Claims and lost servers go first, what tells people why they wait comes last.
    pub urgent: VecDeque<Command>,
    pub later: VecDeque<Command>,
    /// Somebody has acted under a later term.
    pub is_succeeded: bool,
    pub agenda: Agenda,
}

/// What the fleet controller has to say to the main loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A fleet was found to be ours, or not, or its spec says something else now.
    Fleet(ObjectName),
    /// A server is to get no more rooms, or may get some again.
    Server(ObjectName),
    /// A controlled server, by its uid, is not needed any more.
    Unneeded(String),
}

/// What is to be done soon, but not at once.
#[derive(Debug, Default)]
pub struct Agenda {
    /// Fleets that something happened to.
    fleets: BTreeSet<ObjectName>,
    trigger_at: Option<Instant>,
    count_at: Option<Instant>,
}

impl Driver {
    /// Runs until the future is dropped, or until somebody acted under a later term.
    pub async fn run(
        mut self,
        news: impl Stream<Item = News>,
        mut reports: mpsc::Receiver<Report>,
        mut link_reports: mpsc::Receiver<link::Report>,
        mut found: mpsc::Receiver<Found>,
        mut words: mpsc::UnboundedReceiver<Word>,
    ) {
        let mut news = std::pin::pin!(news);
        let mut in_flight = FuturesUnordered::new();
        loop {
            while in_flight.len() < REQUESTS_MAX {
                let Some(command) = self.urgent.pop_front().or_else(|| self.later.pop_front()) else { break };
                in_flight.push(execute::execute(self.hands(), command));
            }
            self.metrics.writes_queued(self.urgent.len() + self.later.len());
            let wakeup = self.world.read().ledger.next_wakeup();
            tokio::select! {
                Some(answers) = in_flight.next(), if !in_flight.is_empty() => self.take_answers(answers),
                Some(news) = news.next() => self.take_news(news),
                Some(report) = reports.recv() => self.take_report(report),
                Some(report) = link_reports.recv() => self.take_link_report(report),
                Some(found) = found.recv() => self.take_found(found),
                Some(word) = words.recv() => self.take_word(word),
                () = sleep_until(self.watch.next_wakeup()) => self.look_at_suspects(&mut link_reports),
                () = sleep_until(wakeup) => self.tell(vec![Event::Tick]),
                () = sleep_until(self.agenda.trigger_at) => self.trigger_fleets(),
                () = sleep_until(self.agenda.count_at) => self.count(),
            }
            self.suspect_broken();
            if self.is_succeeded {
                return;
            }
            let changed = self.world.write().ledger.take_changed_fleets();
            changed.iter().for_each(|it| self.trigger(it));
        }
    }

    /// What the carrying out of commands needs.
    fn hands(&self) -> execute::Hands {
        execute::Hands {
            client: self.client.clone(),
            world: self.world.clone(),
            metrics: self.metrics.clone(),
            events: self.events.clone(),
            clock: self.clock,
        }
    }

    /// Tells the ledger what happened, and queues what it wants done, or does it at once where that takes no
    /// request.
    fn tell(&mut self, events: Vec<Event>) {
        let now = self.clock.moment();
        let mut events = VecDeque::from(events);
        while let Some(event) = events.pop_front() {
            let commands = self.world.write().ledger.on(event, now);
            for command in commands {
                let Some(command) = self.order(command, &mut events) else { continue };
                self.is_succeeded |= command == Command::StepDown;
                let is_later = matches!(
                    command,
                    Command::WriteStatus { is_urgent: false, .. }
                        | Command::DeleteRoom { .. }
                        | Command::TellLoss { .. }
                );
                if is_later { self.later.push_back(command) } else { self.urgent.push_back(command) }
            }
        }
    }

    /// Wakes the controller for the fleets that something happened to.
    fn trigger_fleets(&mut self) {
        self.agenda.trigger_at = None;
        for fleet in std::mem::take(&mut self.agenda.fleets) {
            // The fleet controller ends only together with us.
            let _ = self.triggers.send(ObjectRef::new(&fleet.name).within(&fleet.namespace));
        }
    }

    /// Something happened to a fleet.
    fn trigger(&mut self, fleet: &ObjectName) {
        self.agenda.fleets.insert(fleet.clone());
        self.agenda.trigger_at.get_or_insert_with(|| Instant::now() + GATHER);
        self.agenda.count_at.get_or_insert_with(|| Instant::now() + COUNT_AFTER);
    }

    /// Once every watch has listed all there is, the ledger may decide.
    fn sync(&mut self) {
        let scopes = self.namespaces.len().max(1);
        let mut world = self.world.write();
        let listed = world.fleets.complete_scopes()
            + world.rooms.complete_scopes()
            + world.pods.complete_scopes()
            + world.revisions.complete_scopes()
            + world.budgets.complete_scopes();
        if world.is_synced || listed < NAMESPACED_KINDS * scopes || world.nodes.complete_scopes() == 0 {
            return;
        }
        world.is_synced = true;
        let fleets: Vec<Arc<GameFleet>> = world.fleets.iter().cloned().collect();
        let (pods, rooms) = (world.pods.iter().count(), world.rooms.iter().count());
        drop(world);
        info!(fleets = fleets.len(), servers = pods, rooms, "all that there is has been listed");
        // Only now may fleets be worked on: before, their servers would seem to be missing.
        for event in fleets.iter().map(|it| watcher::Event::InitApply(GameFleet::clone(it))) {
            self.fleets.apply_watcher_event(&event);
        }
        self.fleets.apply_watcher_event(&watcher::Event::InitDone);
        for fleet in &fleets {
            self.trigger(&ObjectName::of(&**fleet));
        }
        self.tell(vec![Event::Synced]);
    }

    /// Counts for the gauges.
    fn count(&mut self) {
        self.agenda.count_at = None;
        let world = self.world.read();
        let (mut ready, mut not_ready, mut busy) = (0, 0, 0);
        for pod in world.pods.iter().filter(|it| it.exit().is_none() && !it.is_deleting) {
            match (world.ledger.is_busy(&pod.uid), world.health(pod)) {
                (true, _) => busy += 1,
                (false, crate::server::Health::Ready) => ready += 1,
                (false, _) => not_ready += 1,
            }
        }
        let rooms = world.rooms.iter().filter(|it| it.status.as_ref().is_none_or(|it| !it.phase.is_over()));
        let (mut pending, mut running) = (0, 0);
        for room in rooms {
            let is_pending = room.status.as_ref().is_none_or(|it| it.endpoints.is_empty());
            if is_pending { pending += 1 } else { running += 1 }
        }
        self.metrics.servers(ServerState::Ready, ready);
        self.metrics.servers(ServerState::NotReady, not_ready);
        self.metrics.servers(ServerState::Busy, busy);
        self.metrics.rooms(RoomState::Running, running);
        self.metrics.rooms(RoomState::Pending, pending);
    }
}

async fn sleep_until(wakeup: Option<Instant>) {
    match wakeup {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
