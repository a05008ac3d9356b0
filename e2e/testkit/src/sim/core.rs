//! The cluster's state and agenda: what it has seen of the API, and what it will do when.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tokio::time::Instant;

use super::{ClusterOptions, node::Node, process::Process, scheduler::Placed};
use crate::{
    api::FakeApi,
    faults::draw,
    resource::{Key, Resource},
    rules::is_over,
};

/// Something that is due at a time.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Find a node for a pod.
    Schedule(Key),
    /// Find nodes for the pods that found none before.
    Reschedule,
    /// The kubelet takes the pod.
    Take(String),
    /// The image cannot be pulled, for the first time or not.
    FailPull { uid: String, again: bool },
    /// The process starts.
    Run(String),
    /// The process answers its probes.
    Ready(String),
    /// The process ends.
    End { uid: String, code: i32 },
    /// The kubelet reports how the process is.
    Report(String),
    /// The kubelet lets the pod go.
    Release { uid: String, key: Key, node: String },
    /// The node controller finds that a node is silent, since the cut with this number.
    Silent { node: String, cut: u64 },
    /// The node controller gives up the pods of a node.
    Evict { node: String, cut: u64 },
    /// The pods of a node that is gone are gone.
    Bury(String),
}

pub(super) struct Core {
    pub(super) api: FakeApi,
    pub(super) options: ClusterOptions,
    pub(super) rng: StdRng,
    /// The version up to which changes have been seen.
    seen: u64,
    agenda: BTreeMap<(Instant, u64), Action>,
    planned: u64,
    pub(super) nodes: BTreeMap<String, Node>,
    /// By pod uid: what kubelets know of, running or ended.
    pub(super) processes: BTreeMap<String, Process>,
    /// By pod uid: what takes place on nodes.
    pub(super) placed: BTreeMap<String, Placed>,
    /// Pods that found no node.
    pub(super) unplaced: Vec<Key>,
    pub(super) will_reschedule: bool,
}

impl Core {
    pub(super) fn new(api: FakeApi, options: ClusterOptions) -> Self {
        let seed = api.state().seed;
        let mut this = Self {
            api,
            // A sequence of its own, lest the clients' luck depend on the cluster's.
            rng: StdRng::seed_from_u64(seed ^ 0x5eed_c105_7e12),
            seen: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            nodes: BTreeMap::new(),
            processes: BTreeMap::new(),
            placed: BTreeMap::new(),
            unplaced: Vec::new(),
            will_reschedule: false,
            options,
        };
        for _ in 0..this.options.nodes {
            this.add_node();
        }
        this.look_again();
        this
    }

    pub(super) fn plan(&mut self, delay: &Range<Duration>, action: Action) {
        let delay = draw(delay, &mut self.rng);
        self.plan_in(delay, action);
    }

    pub(super) fn plan_in(&mut self, delay: Duration, action: Action) {
        self.planned += 1;
        self.agenda.insert((Instant::now() + delay, self.planned), action);
    }

    pub(super) fn plan_report(&mut self, uid: &str) {
        self.plan(&self.options.report.clone(), Action::Report(uid.to_owned()));
    }

    /// Does all that is due. Returns when there is more to do.
    pub(super) fn step(&mut self) -> Option<Instant> {
        if let Some(end) = self.api.state().outage() {
            return Some(end);
        }
        loop {
            self.look();
            let next = self.agenda.first_entry()?;
            if Instant::now() < next.key().0 {
                return Some(next.key().0);
            }
            let action = next.remove();
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Schedule(key) => self.schedule(&key),
            Action::Reschedule => self.reschedule(),
            Action::Take(uid) => self.take(&uid),
            Action::FailPull { uid, again } => self.fail_pull(&uid, again),
            Action::Run(uid) => self.run(&uid),
            Action::Ready(uid) => self.make_ready(&uid),
            Action::End { uid, code } => self.end(&uid, code),
            Action::Report(uid) => self.report(&uid),
            Action::Release { uid, key, node } => self.release(&uid, &key, &node),
            Action::Silent { node, cut } => self.declare_silent(&node, cut),
            Action::Evict { node, cut } => self.evict(&node, cut),
            Action::Bury(node) => self.bury(&node),
        }
    }

    /// Takes in what has changed since the last look.
    fn look(&mut self) {
        let state = self.api.state();
        if state.version == self.seen {
            return;
        }
        if self.seen < state.compacted {
            drop(state);
            return self.look_again();
        }
        let news = state.history.iter().rev().take_while(|it| self.seen < it.version);
        let news = news.filter(|it| it.key.resource.is_pods() || it.key.resource.plural == "nodes");
        let news: Vec<_> =
            news.map(|it| (it.key.clone(), Arc::clone(&it.last), it.after.is_some())).collect();
        self.seen = state.version;
        drop(state);
        for (key, object, is_there) in news.into_iter().rev() {
            match (key.resource.is_pods(), is_there) {
                (true, true) => self.see_pod(&key, &object),
                (true, false) => self.see_pod_gone(&object),
                (false, true) => self.plan_reschedule(),
                (false, false) => self.plan_in(self.options.not_ready_after, Action::Bury(key.name)),
            }
        }
    }

    /// Takes in everything as it is.
    fn look_again(&mut self) {
        let state = self.api.state();
        self.seen = state.version;
        let pods = state.range(&Resource::new("", "pods"), None);
        let pods: Vec<_> = pods.map(|(key, pod)| (key.clone(), Arc::clone(pod))).collect();
        drop(state);
        let is_there = |uid: &String| pods.iter().any(|(_, pod)| pod["metadata"]["uid"] == **uid);
        let gone: Vec<Arc<Value>> = {
            let gone = self.processes.iter().filter(|(uid, _)| !is_there(uid));
            gone.map(|(_, it)| Arc::clone(&it.pod)).collect()
        };
        for pod in gone {
            self.see_pod_gone(&pod);
        }
        for (key, pod) in pods {
            self.see_pod(&key, &pod);
        }
    }

    pub(super) fn see_pod(&mut self, key: &Key, pod: &Arc<Value>) {
        let Some(node) = pod["spec"]["nodeName"].as_str() else {
            let is_new = pod["status"]["conditions"].as_array().is_none_or(Vec::is_empty);
            if is_new {
                self.plan(&self.options.bind.clone(), Action::Schedule(key.clone()));
            } else if !self.unplaced.contains(key) {
                self.unplaced.push(key.clone());
                self.plan_reschedule();
            }
            return;
        };
        let uid = pod_uid(pod);
        if is_over(pod) {
            if self.placed.remove(&uid).is_some() {
                self.plan_reschedule();
            }
        } else {
            self.placed.entry(uid).or_insert_with(|| Placed::new(node, pod));
        }
        self.sync_pod(node, pod);
    }

    fn see_pod_gone(&mut self, pod: &Value) {
        let uid = pod_uid(pod);
        if self.placed.remove(&uid).is_some() {
            self.plan_reschedule();
        }
        // A kubelet that is cut off does not hear of it: the process runs on.
        if self.processes.get(&uid).is_some_and(|it| !self.is_cut(&it.node)) {
            self.processes.remove(&uid);
        }
    }

    pub(super) fn plan_reschedule(&mut self) {
        if !self.unplaced.is_empty() && !self.will_reschedule {
            self.will_reschedule = true;
            self.plan(&self.options.bind.clone(), Action::Reschedule);
        }
    }
}

pub(super) fn pod_uid(pod: &Value) -> String {
    pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}
