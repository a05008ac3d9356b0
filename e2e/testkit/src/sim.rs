//! A cluster behind the API server: nodes, scheduler, kubelets, node controller. What containers do
//! is decided by the name of their image:
//!
//! - `crash` ends with code 1 soon after its start;
//! - `never-ready` runs and never becomes ready nor answers;
//! - `bad-image` cannot be pulled;
//! - everything else runs until it is stopped.
//!
//! Containers are never restarted, whatever the pod's restart policy says.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::api::FakeApi;

mod core;
mod kubelet;
mod node;
mod process;
mod scheduler;

use self::core::Core;

/// How long nothing happens if nothing is planned; anything that does wakes the cluster.
const IDLE: Duration = Duration::from_hours(1);

/// What a cluster is like.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many nodes, named `node-1`, `node-2`, …
    pub nodes: usize,
    /// How many pods fit on a node.
    pub pods_per_node: usize,
    /// Whether nodes have an `ExternalIP` beside their `InternalIP`.
    pub external_ips: bool,
    /// From a pod's creation until it has a node.
    pub bind: Range<Duration>,
    /// Twice: from then until the kubelet reports that it takes the pod, and until it runs.
    pub start: Range<Duration>,
    /// From running until ready; if empty, a pod is ready as soon as it runs.
    pub ready: Range<Duration>,
    /// From SIGTERM until the process ends; cut short by the grace period.
    pub stop: Range<Duration>,
    /// From what happens on a node until the API says so.
    pub report: Range<Duration>,
    /// The code with which a process ends that gets SIGTERM.
    pub code_on_term: i32,
    /// From the cut of a node until it is reported `NotReady`.
    pub not_ready_after: Duration,
    /// From then until its pods are deleted.
    pub evict_after: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            nodes: 2,
            pods_per_node: 110,
            external_ips: false,
            bind: ms(1)..ms(20),
            start: ms(50)..ms(500),
            ready: ms(0)..ms(0),
            stop: ms(10)..ms(200),
            report: ms(1)..ms(50),
            code_on_term: 143,
            not_ready_after: Duration::from_secs(40),
            evict_after: Duration::from_mins(5),
        }
    }
}

/// A process that runs, whatever the API says of its pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningPod {
    /// Of the pod.
    pub namespace: String,
    /// Of the pod.
    pub name: String,
    /// Of the pod.
    pub uid: String,
    /// Where it runs.
    pub node: String,
    /// The pod's address.
    pub pod_ip: String,
    /// The first container's image.
    pub image: String,
    /// The pod's annotations, the last known if the pod has gone from the API.
    pub annotations: BTreeMap<String, String>,
    /// The pod's labels, likewise.
    pub labels: BTreeMap<String, String>,
    /// Whether it answers probes: not if it hangs, is `never-ready`, or not ready yet.
    pub answers: bool,
}

/// A cluster that runs until it is dropped.
pub struct Cluster {
    core: Arc<Mutex<Core>>,
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    /// Makes the nodes and begins to look after the pods, those that are there already included: a
    /// pod that is said to run does.
    pub fn start(api: &FakeApi, options: ClusterOptions) -> Self {
        let core = Arc::new(Mutex::new(Core::new(api.clone(), options)));
        let wake = Arc::new(Notify::new());
        let versions = api.state().versions.subscribe();
        let task = tokio::spawn(drive(Arc::clone(&core), versions, Arc::clone(&wake)));
        Self { core, wake, task }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// Does something to the cluster and lets it see to the consequences.
    fn act<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let result = act(&mut self.core());
        self.wake.notify_one();
        result
    }

    /// The processes that run now: the truth, whatever the API says.
    pub fn running(&self) -> Vec<RunningPod> {
        self.core().running()
    }

    /// The process that would hear a packet sent there: to a pod's address and port, or to a node's
    /// address and a host port. None if there is none or its node is cut off.
    pub fn process_at(&self, ip: &str, port: u16) -> Option<RunningPod> {
        self.core().process_at(ip, port)
    }

    /// Ends the pod's process with this code. Returns whether there was one.
    pub fn exit(&self, namespace: &str, pod: &str, code: i32) -> bool {
        self.act(|core| core.end_by_name(namespace, pod, code))
    }

    /// Kills the pod's process, as `kill -9` does. Returns whether there was one.
    pub fn kill(&self, namespace: &str, pod: &str) -> bool {
        self.exit(namespace, pod, 137)
    }

    /// Stops the pod's process from answering, or lets it answer again: SIGSTOP and SIGCONT.
    /// Returns whether there is one.
    pub fn hang(&self, namespace: &str, pod: &str, hangs: bool) -> bool {
        self.act(|core| core.hang(namespace, pod, hangs))
    }

    /// Cuts a node off: its pods run on, nothing is reported, no deletion completes.
    pub fn cut(&self, node: &str) {
        self.act(|core| core.cut(node));
    }

    /// Takes the power from a node: its processes end, and nobody is there to say so.
    pub fn power_off(&self, node: &str) {
        self.act(|core| core.power_off(node));
    }

    /// Ends a cut or a power failure.
    pub fn join(&self, node: &str) {
        self.act(|core| core.join(node));
    }

    /// Whether a node is cut off or without power.
    pub fn is_cut(&self, node: &str) -> bool {
        self.core().is_cut(node)
    }

    /// Takes no new pods on this node, as `kubectl cordon` does.
    pub fn cordon(&self, node: &str) {
        self.act(|core| core.set_unschedulable(node, true));
    }

    /// Takes new pods again.
    pub fn uncordon(&self, node: &str) {
        self.act(|core| core.set_unschedulable(node, false));
    }

    /// Adds a node. Returns its name.
    pub fn add_node(&self) -> String {
        self.act(Core::add_node)
    }
}

fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().expect("nothing panics while it holds the cluster")
}

async fn drive(core: Arc<Mutex<Core>>, mut versions: watch::Receiver<u64>, wake: Arc<Notify>) {
    loop {
        let next = lock(&core).step().unwrap_or_else(|| Instant::now() + IDLE);
        tokio::select! {
            biased;
            changed = versions.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = wake.notified() => {}
            () = sleep_until(next) => {}
        }
    }
}
