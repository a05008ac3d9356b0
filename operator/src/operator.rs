//! The process: candidate, leader, candidate again, until it is told to stop.

use std::sync::{Arc, atomic::AtomicU32};

use futures::stream;
use kube::{
    Client,
    runtime::reflector::{self, ObjectRef},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admin::Readiness,
    clock::Clock,
    driver::{Agenda, Driver, Watch},
    events::Events,
    fleet::{self, controller, ports::Ranges},
    leader::{Elector, Fence, Timing, fenced},
    metrics::Metrics,
    name::ObjectName,
    server::{connector::Connector, links::Links, prober::Prober, reach::Scout},
    watch,
    world::Shared,
};

/// What an operator is made of.
#[derive(Clone)]
pub struct Operator {
    pub client: Client,
    /// New for every process.
    pub identity: String,
    /// Namespace and name of the Lease.
    pub lease: ObjectName,
    /// Empty for all.
    pub namespaces: Vec<String>,
    pub ranges: Ranges,
    pub timing: Timing,
    pub clock: Clock,
    pub metrics: Metrics,
    pub readiness: Readiness,
    /// How servers' control ports are reached.
    pub connector: Connector,
}

impl Operator {
    /// Leads whenever it is elected, until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let fence = Fence::default();
        let heard_term = Arc::new(AtomicU32::new(0));
        let elector = self.elector(fence.clone(), heard_term.clone());
        // A standby is ready too: it has to be there when it is needed.
        self.readiness.set(true);
        while !stop.is_cancelled() {
            let leadership = tokio::select! {
                leadership = elector.lead() => leadership,
                () = stop.cancelled() => return,
            };
            self.metrics.leading(Some(leadership.term));
            tokio::select! {
                () = self.work(leadership.term, &fence, &heard_term) => warn!(term = leadership.term, "somebody has led later"),
                // At once, not gracefully: what is under way is no longer ours to do.
                () = leadership.lost.cancelled() => warn!(term = leadership.term, "lost the lead"),
                () = stop.cancelled() => info!("stopping"),
            }
            self.metrics.leading(None);
            leadership.release().await;
        }
    }

    fn elector(&self, fence: Fence, heard_term: Arc<AtomicU32>) -> Elector {
        Elector {
            client: self.client.clone(),
            namespace: self.lease.namespace.clone(),
            name: self.lease.name.clone(),
            identity: self.identity.clone(),
            watch_namespaces: self.namespaces.clone(),
            timing: self.timing,
            clock: self.clock,
            fence,
            heard_term,
        }
    }

    /// All that a leader does. Ends with this future: nothing of it is a task of its own but probes and
    /// links, which end with it too and write nothing.
    async fn work(&self, term: u32, fence: &Fence, heard_term: &Arc<AtomicU32>) {
        let client = fenced(&self.client, fence);
        let world = Shared::new(term);
        let events = Events::new(client.clone(), &self.identity);
        let (fleets, writer) = reflector::store();
        let (triggers, triggered) = mpsc::unbounded_channel::<ObjectRef<_>>();
        let (words, heard) = mpsc::unbounded_channel();
        let (prober, reports) = Prober::new();
        let (links, link_reports) = Links::new(self.connector.clone(), term, &self.identity);
        let (scout, found) = Scout::new(self.connector.clone());
        let context = Arc::new(fleet::Context {
            client: client.clone(),
            world: world.clone(),
            ranges: self.ranges.clone(),
            clock: self.clock,
            metrics: self.metrics.clone(),
            events: events.clone(),
            owner: fleet::Owner::new(client.clone(), self.lease.clone()),
            words,
            failures: std::sync::Mutex::default(),
            written: std::sync::Mutex::default(),
        });
        let driver = Driver {
            client: client.clone(),
            world,
            clock: self.clock,
            metrics: self.metrics.clone(),
            events,
            namespaces: self.namespaces.clone(),
            triggers,
            fleets: writer,
            prober,
            links,
            watch: Watch::new(scout, fence.clone()),
            secret: rand::random(),
            heard_term: heard_term.clone(),
            urgent: std::collections::VecDeque::new(),
            later: std::collections::VecDeque::new(),
            is_succeeded: false,
            agenda: Agenda::default(),
        };
        let triggered = stream::unfold(triggered, async |mut it| Some((it.recv().await?, it)));
        let news = watch::everything(&client, &self.namespaces, &self.metrics);
        tokio::select! {
            () = driver.run(news, reports, link_reports, found, heard) => (),
            () = controller::run(fleets, triggered, context) => (),
        }
    }
}
