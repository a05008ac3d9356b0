//! The kubelet of all hollow nodes: says of every pod that is bound there that it runs, and ends those that are to end.

use std::collections::{HashSet, VecDeque};
use std::net::Ipv4Addr;

use anyhow::Result;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gamekeeper_crds::labels;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::nodes;
use crate::bench::stage::NAMESPACE;
use crate::cluster::Spare;
use crate::progress::say;

/// Requests at once, each a connection of its own. The same for both sides.
const IN_FLIGHT: usize = 16;

/// Works until it is dropped.
pub(in crate::bench) struct Kubelet {
    _task: JoinSet<()>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Deed {
    Run,
    End,
}

impl Kubelet {
    /// Pods that serve the control protocol get the `reachable` addresses, if there are any, the others some that nobody has.
    pub(in crate::bench) fn start(
        client: Client,
        news: mpsc::UnboundedReceiver<Pod>,
        reachable: Option<Spare>,
    ) -> Self {
        let mut task = JoinSet::new();
        let addresses = Addresses { reachable, controlled: 0, others: 0 };
        task.spawn(work(Api::namespaced(client, NAMESPACE), news, addresses));
        Self { _task: task }
    }
}

/// Gives each pod an address that no other has had.
struct Addresses {
    reachable: Option<Spare>,
    controlled: u16,
    others: u32,
}

impl Addresses {
    fn next(&mut self, pod: &Pod) -> Result<Ipv4Addr> {
        if let Some(reachable) = self.reachable
            && pod.annotations().contains_key(labels::CONTROL_PORT)
        {
            self.controlled = self.controlled.saturating_add(1);
            return reachable.address(self.controlled);
        }
        self.others = self.others.wrapping_add(1);
        let [_, b, c, d] = self.others.to_be_bytes();
        Ok(Ipv4Addr::new(10, b, c, d))
    }
}

async fn work(pods: Api<Pod>, mut news: mpsc::UnboundedReceiver<Pod>, mut addresses: Addresses) {
    let pods = &pods;
    let mut done: HashSet<(String, Deed)> = HashSet::new();
    let mut queue = VecDeque::new();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while in_flight.len() < IN_FLIGHT
            && let Some((pod, deed)) = queue.pop_front()
        {
            let status = match deed {
                Deed::Run => addresses.next(&pod).map(|it| Some(status(&pod, it))),
                Deed::End => Ok(None),
            };
            match status {
                Ok(status) => in_flight.push(act(pods, pod.name_any(), status)),
                Err(error) => say(&format!("the hollow kubelet: {}: {error:#}", pod.name_any())),
            }
        }
        tokio::select! {
            Some(()) = in_flight.next(), if !in_flight.is_empty() => {}
            pod = news.recv() => {
                let Some(pod) = pod else { return };
                if let Some(deed) = due(&pod)
                    && done.insert((pod.uid().unwrap_or_default(), deed))
                {
                    queue.push_back((pod, deed));
                }
            }
        }
    }
}

/// What a kubelet would do with a pod.
fn due(pod: &Pod) -> Option<Deed> {
    let node = pod.spec.as_ref()?.node_name.as_ref()?;
    if !node.starts_with(nodes::PREFIX) {
        return None;
    }
    Some(if pod.metadata.deletion_timestamp.is_some() { Deed::End } else { Deed::Run })
}

/// Tells a pod's status, or ends the pod if there is none to tell.
async fn act(pods: &Api<Pod>, name: String, status: Option<Value>) {
    let result = match status {
        Some(status) => {
            pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await.map(drop)
        }
        None => pods.delete(&name, &DeleteParams::default().grace_period(0)).await.map(drop),
    };
    match result {
        // It was ended before it ran.
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        // Whoever waits for the pod has a deadline.
        Err(error) => say(&format!("the hollow kubelet: {name}: {error}")),
        Ok(()) => {}
    }
}

/// What a kubelet says of a pod that runs and is ready.
fn status(pod: &Pod, ip: Ipv4Addr) -> Value {
    let now = nodes::now();
    let node = pod.spec.as_ref().and_then(|it| it.node_name.as_deref()).unwrap_or_default();
    let host = nodes::address(node);
    let conditions: Vec<Value> =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
            .into_iter()
            .map(|type_| json!({ "type": type_, "status": "True", "lastTransitionTime": now }))
            .collect();
    let containers: Vec<Value> = (pod.spec.iter().flat_map(|it| &it.containers))
        .map(|it| {
            json!({
                "name": it.name, "image": it.image, "imageID": "sha256:0", "containerID": "containerd://0",
                "ready": true, "started": true, "restartCount": 0, "state": { "running": { "startedAt": now } },
            })
        })
        .collect();
    json!({ "status": {
        "phase": "Running", "hostIP": host, "hostIPs": [{ "ip": host }], "podIP": ip, "podIPs": [{ "ip": ip }],
        "startTime": now, "conditions": conditions, "containerStatuses": containers,
    } })
}
