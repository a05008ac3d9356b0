//! What the leader knows: caches of what the API server has, the servers' health, and the ledger.
//!
//! One lock, held for moments and never across a wait. The main loop writes; fleets read, and note
//! the answers to their own writes.

mod objects;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use gamekeeper_crds::{GameFleet, GameRoom, fleet::Port, room::Endpoint};
use tokio::time::Instant;

use crate::{
    cache::{Cache, Cached},
    fleet::Serving,
    name::ObjectName,
    room::{FleetView, Ledger, ServerState, ServerView},
    server::{Health, Node, ServerPod, pod::Process},
};
pub use objects::{Budget, Revision};

/// What the leader knows.
pub struct World {
    pub fleets: Cache<GameFleet>,
    pub rooms: Cache<GameRoom>,
    pub pods: Cache<ServerPod>,
    pub revisions: Cache<Revision>,
    pub budgets: Cache<Budget>,
    pub nodes: Cache<Node>,
    pub ledger: Ledger,
    /// Fleets that are ours, and how their servers are used: by the last spec that could be carried out.
    pub serving: HashMap<ObjectName, Arc<Serving>>,
    health: HashMap<String, Health>,
    /// By their links, of controlled servers.
    pulses: HashMap<String, Health>,
    /// Why controlled servers cannot be greeted.
    troubles: HashMap<String, String>,
    /// Controlled servers that their fleets do not want to get more rooms.
    drained: HashMap<ObjectName, BTreeSet<String>>,
    history: HashMap<String, History>,
    pub is_synced: bool,
}

/// When we first saw what of a server, on tokio's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    /// It had a node.
    pub scheduled: Option<Instant>,
    /// It was ready. Not forgotten when it no longer is.
    pub ready: Option<Instant>,
    /// It was not ready, since.
    pub unready: Option<Instant>,
    /// The scheduler found no node, since.
    pub unschedulable: Option<Instant>,
    /// Its process had ended.
    pub ended: Option<Instant>,
}

/// The one lock.
#[derive(Clone)]
pub struct Shared(Arc<RwLock<World>>);

impl Shared {
    /// An empty world of the leadership with this term.
    pub fn new(term: u32) -> Self {
        Self(Arc::new(RwLock::new(World {
            fleets: Cache::default(),
            rooms: Cache::default(),
            pods: Cache::default(),
            revisions: Cache::default(),
            budgets: Cache::default(),
            nodes: Cache::default(),
            ledger: Ledger::new(term),
            serving: HashMap::new(),
            health: HashMap::new(),
            pulses: HashMap::new(),
            troubles: HashMap::new(),
            drained: HashMap::new(),
            history: HashMap::new(),
            is_synced: false,
        })))
    }

    /// To read.
    pub fn read(&self) -> RwLockReadGuard<'_, World> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To write.
    pub fn write(&self) -> RwLockWriteGuard<'_, World> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The pods of a fleet; those of a namesake that is gone are not.
    pub fn pods_of<'a>(&'a self, fleet: &'a ObjectName) -> impl Iterator<Item = &'a Arc<ServerPod>> {
        self.pods.of_namespace(&fleet.namespace).filter(move |it| it.fleet == fleet.name)
    }

    /// A server's health, by the kubelet and, if it has a link or its fleet a probe, by us.
    pub fn health(&self, pod: &ServerPod) -> Health {
        let of = |known: &HashMap<String, Health>, counts: bool| match counts {
            true => known.get(&pod.uid).copied().unwrap_or(Health::Unknown),
            false => Health::Ready,
        };
        let has_probe = self.serving.get(&fleet_of(pod)).is_some_and(|it| it.probe.is_some());
        let answers = of(&self.health, has_probe);
        let probed = match of(&self.pulses, pod.control_port.is_some()) {
            Health::Ready => answers,
            pulse => pulse,
        };
        let was_ready = self.history(&pod.uid).ready.is_some();
        match (pod.is_ready, probed) {
            _ if pod.process != Process::Running => Health::Starting,
            (true, probed) => probed,
            (false, Health::Unhealthy) => Health::Unhealthy,
            (false, _) if was_ready => Health::Unhealthy,
            (false, _) => Health::Starting,
        }
    }

    /// Notes what a probe found.
    pub fn set_health(&mut self, uid: &str, health: Health) {
        self.health.insert(uid.to_owned(), health);
    }

    /// Notes what a link found.
    pub fn set_pulse(&mut self, uid: &str, health: Health) {
        self.pulses.insert(uid.to_owned(), health);
        if health == Health::Ready {
            self.troubles.remove(uid);
        }
    }

    /// Whether a controlled server was greeted, and gives no sign of life.
    pub fn is_quiet(&self, pod: &ServerPod) -> bool {
        pod.control_port.is_some() && self.pulses.get(&pod.uid) == Some(&Health::Unhealthy)
    }

    /// Notes why a server cannot be greeted.
    pub fn set_trouble(&mut self, uid: &str, why: String) {
        self.troubles.insert(uid.to_owned(), why);
    }

    /// Why a server cannot be greeted.
    pub fn trouble(&self, uid: &str) -> Option<&String> {
        self.troubles.get(uid)
    }

    /// Notes which servers of a fleet are to get no more rooms. Returns those for which that is news.
    pub fn set_drained(&mut self, fleet: &ObjectName, servers: &BTreeSet<String>) -> Vec<String> {
        let before = match servers.is_empty() {
            true => self.drained.remove(fleet),
            false => self.drained.insert(fleet.clone(), servers.clone()),
        };
        servers.symmetric_difference(&before.unwrap_or_default()).cloned().collect()
    }

    /// When we first saw what of a server.
    pub fn history(&self, uid: &str) -> History {
        self.history.get(uid).copied().unwrap_or_default()
    }

    /// Brings a server's history up to date.
    pub fn keep_history(&mut self, pod: &ServerPod, now: Instant) {
        let is_ready = self.health(pod) == Health::Ready;
        let history = self.history.entry(pod.uid.clone()).or_default();
        let first = |was: Option<Instant>, is: bool| was.or_else(|| is.then_some(now));
        let since = |was: Option<Instant>, is: bool| if is { was.or(Some(now)) } else { None };
        *history = History {
            scheduled: first(history.scheduled, pod.node.is_some()),
            ready: first(history.ready, is_ready),
            unready: since(history.unready, !is_ready),
            unschedulable: since(history.unschedulable, pod.unschedulable.is_some()),
            ended: first(history.ended, pod.exit().is_some()),
        };
    }

    /// Forgets a server that is gone.
    pub fn forget_server(&mut self, uid: &str) {
        self.health.remove(uid);
        self.pulses.remove(uid);
        self.troubles.remove(uid);
        self.history.remove(uid);
    }

    /// A fleet as the ledger sees it.
    pub fn fleet_view(&self, fleet: &GameFleet) -> FleetView {
        let is_deleting = fleet.metadata.deletion_timestamp.is_some();
        let serving = self.serving.get(&fleet.key());
        FleetView {
            is_ours: serving.is_some(),
            is_open: !is_deleting,
            strategy: fleet.spec.placement.strategy,
            newest_revision: fleet.status.as_ref().and_then(|it| it.update_revision.clone()),
            max_rooms: serving.map_or(0, |it| it.max_rooms),
            claim_timeout: serving.map(|it| it.claim_timeout).unwrap_or_default(),
            has_store: serving.is_some_and(|it| it.has_store),
            fence_after: serving.map(|it| it.fence_after).unwrap_or_default(),
            has_standbys: serving.is_some_and(|it| it.has_standbys),
        }
    }

    /// A server as the ledger sees it.
    pub fn server_view(&self, pod: &ServerPod) -> ServerView {
        let fleet = fleet_of(pod);
        ServerView {
            uid: pod.uid.clone(),
            pod_name: pod.name.clone(),
            node: pod.node.clone(),
            labels: pod.labels.clone(),
            revision: pod.revision.clone(),
            state: self.server_state(pod),
            is_deleting: pod.is_deleting,
            is_controlled: pod.control_port.is_some(),
            claim: pod.claim.clone(),
            endpoints: self.serving.get(&fleet).map(|it| self.endpoints(pod, it)).unwrap_or_default(),
            fleet,
        }
    }

    /// Whether the pod's node is to be emptied.
    pub fn is_on_cordoned_node(&self, pod: &ServerPod) -> bool {
        self.node_of(pod).is_some_and(|it| it.is_cordoned)
    }

    fn is_drained(&self, pod: &ServerPod) -> bool {
        self.drained.get(&fleet_of(pod)).is_some_and(|it| it.contains(&pod.uid))
    }

    fn server_state(&self, pod: &ServerPod) -> ServerState {
        if let Some(exit) = pod.exit() {
            return ServerState::Ended(exit);
        }
        match (self.node_of(pod), self.health(pod)) {
            (Some(node), _) if !node.is_ready => ServerState::Unreachable,
            _ if pod.is_deleting => ServerState::Draining,
            (Some(node), _) if node.is_cordoned => ServerState::Draining,
            (_, Health::Unknown | Health::Starting) => ServerState::Starting,
            (_, Health::Unhealthy) => ServerState::Unhealthy,
            (_, Health::Ready) if self.is_drained(pod) => ServerState::Draining,
            (_, Health::Ready) => ServerState::Ready,
        }
    }

    fn endpoints(&self, pod: &ServerPod, fleet: &Serving) -> Vec<Endpoint> {
        let endpoint = |port: &Port, address: &str, number: i32| Endpoint {
            name: port.name.clone(),
            protocol: port.protocol,
            address: address.to_owned(),
            port: number,
        };
        let mut endpoints = Vec::new();
        for port in &fleet.ports {
            let is_ours = |it: &&crate::server::pod::HostPort| {
                it.container_port == port.container_port && it.protocol == port.protocol
            };
            match (port.exposure.host_port_range(), pod.host_ports.iter().find(is_ours)) {
                (Some(_), Some(host)) => {
                    let addresses =
                        self.node_of(pod).map(|it| it.addresses(&fleet.address_types)).unwrap_or_default();
                    endpoints.extend(addresses.iter().map(|it| endpoint(port, it, host.host_port)));
                }
                (None, _) => {
                    endpoints.extend(pod.ip.iter().map(|it| endpoint(port, it, port.container_port)));
                }
                // A pod of an older revision, from before this port was exposed.
                (Some(_), None) => (),
            }
        }
        endpoints
    }

    fn node_of(&self, pod: &ServerPod) -> Option<&Arc<Node>> {
        self.nodes.get(&ObjectName::new("", pod.node.as_ref()?))
    }
}

/// The fleet whose server a pod is.
pub fn fleet_of(pod: &ServerPod) -> ObjectName {
    ObjectName::new(&pod.namespace, &pod.fleet)
}
