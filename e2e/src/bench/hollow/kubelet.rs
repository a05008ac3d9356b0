//! The kubelet of all hollow nodes: says of every pod that is bound there that it runs, and ends those that are to end.

use std::collections::{HashSet, VecDeque};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::nodes;
use crate::bench::stage::NAMESPACE;
use crate::progress::say;

/// Requests at once, each a connection of its own. The same for both sides.
const IN_FLIGHT: usize = 16;

/// Works until it is dropped.
pub(super) struct Kubelet {
    _task: JoinSet<()>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Deed {
    Run,
    End,
}

impl Kubelet {
    pub(super) fn start(client: Client, news: mpsc::UnboundedReceiver<Pod>) -> Self {
        let mut task = JoinSet::new();
        task.spawn(work(Api::namespaced(client, NAMESPACE), news));
        Self { _task: task }
    }
}

async fn work(pods: Api<Pod>, mut news: mpsc::UnboundedReceiver<Pod>) {
    let pods = &pods;
    let mut done: HashSet<(String, Deed)> = HashSet::new();
    let mut queue = VecDeque::new();
    let mut in_flight = FuturesUnordered::new();
    let mut number: u32 = 0;
    loop {
        while in_flight.len() < IN_FLIGHT
            && let Some((pod, deed)) = queue.pop_front()
        {
            number = number.wrapping_add(1);
            in_flight.push(act(pods, pod, deed, number));
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

async fn act(pods: &Api<Pod>, pod: Pod, deed: Deed, number: u32) {
    let name = pod.name_any();
    let result = match deed {
        Deed::Run => {
            let status = Patch::Merge(status(&pod, number));
            pods.patch_status(&name, &PatchParams::default(), &status).await.map(drop)
        }
        Deed::End => pods.delete(&name, &DeleteParams::default().grace_period(0)).await.map(drop),
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
fn status(pod: &Pod, number: u32) -> Value {
    let now = nodes::now();
    let node = pod.spec.as_ref().and_then(|it| it.node_name.as_deref()).unwrap_or_default();
    let [_, b, c, d] = number.to_be_bytes();
    let (host, ip) = (nodes::address(node), format!("10.{b}.{c}.{d}"));
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
