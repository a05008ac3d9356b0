//! A server's pod, parsed once: what decisions need, and nothing else, since there are thousands.

use std::collections::BTreeMap;

use gamekeeper_crds::{fleet::Protocol, labels};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt as _;

use crate::terms::Epoch;

/// A server's pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub fleet: String,
    pub revision: String,
    pub labels: BTreeMap<String, String>,
    pub node: Option<String>,
    pub ip: Option<String>,
    pub host_ports: Vec<HostPort>,
    /// Where it serves the control protocol; `None` for a plain server.
    pub control_port: Option<u16>,
    /// Of a plain server.
    pub claim: Option<Claim>,
    /// Failures in a row of the servers before this one.
    pub failures: u32,
    /// Being deleted: takes no rooms, may still host one until its grace period is over.
    pub is_deleting: bool,
    /// The kubelet's verdict.
    pub is_ready: bool,
    pub process: Process,
    /// Why the scheduler found no node.
    pub unschedulable: Option<String>,
}

/// The room that has a plain server, written on its pod (I9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub room_name: String,
    pub room_uid: String,
    pub epoch: Epoch,
}

/// A port of the node that leads to a port of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub container_port: i32,
    pub protocol: Protocol,
    pub host_port: i32,
}

/// The game server's process: the pod's first container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// Not started, with the kubelet's reason if it gave one.
    #[default]
    Waiting,
    /// Cannot be started: the reason and message of the kubelet.
    Stuck {
        reason: String,
        message: String,
    },
    Running,
    /// Ended, for good: a server's pod never restarts it.
    Ended(Exit),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub code: i32,
}

impl Exit {
    /// Whether the server says that its match was played to the end.
    pub fn is_success(self) -> bool {
        self.code == 0
    }
}

/// Reasons of a waiting container that are not "it is being started".
const STUCK: [&str; 9] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// The exit code of a process of which the kubelet only knows that it is gone.
const EXIT_UNKNOWN: i32 = 255;

impl ServerPod {
    /// Reads what we need. `None` for a pod that is not of a fleet, or has not come from the API server.
    pub fn parse(pod: &Pod) -> Option<Self> {
        let fleet = pod.labels().get(labels::FLEET)?.clone();
        let spec = pod.spec.as_ref()?;
        let status = pod.status.as_ref();
        let condition = |type_: &str| {
            status.and_then(|it| it.conditions.as_ref()?.iter().find(|condition| condition.type_ == type_))
        };
        let unscheduled = condition("PodScheduled").filter(|it| it.status == "False");
        Some(Self {
            namespace: pod.namespace()?,
            name: pod.name_any(),
            uid: pod.uid()?,
            resource_version: pod.resource_version()?,
            fleet,
            revision: pod.labels().get(labels::REVISION).cloned().unwrap_or_default(),
            labels: pod.labels().clone(),
            node: spec.node_name.clone().filter(|it| !it.is_empty()),
            ip: status.and_then(|it| it.pod_ip.clone()).filter(|it| !it.is_empty()),
            host_ports: host_ports(pod),
            control_port: annotation(pod, labels::CONTROL_PORT),
            claim: claim(pod),
            failures: annotation(pod, labels::FAILURES).unwrap_or_default(),
            is_deleting: pod.metadata.deletion_timestamp.is_some(),
            is_ready: condition("Ready").is_some_and(|it| it.status == "True"),
            process: process(pod),
            unschedulable: unscheduled
                .filter(|it| it.reason.as_deref() == Some("Unschedulable"))
                .map(|it| it.message.clone().unwrap_or_default()),
        })
    }

    /// How the process ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        match self.process {
            Process::Ended(exit) => Some(exit),
            Process::Waiting | Process::Stuck { .. } | Process::Running => None,
        }
    }
}

fn annotation<T: std::str::FromStr>(pod: &Pod, key: &str) -> Option<T> {
    pod.annotations().get(key)?.parse().ok()
}

fn claim(pod: &Pod) -> Option<Claim> {
    Some(Claim {
        room_name: annotation(pod, labels::ROOM)?,
        room_uid: annotation(pod, labels::ROOM_UID)?,
        epoch: Epoch(annotation(pod, labels::EPOCH)?),
    })
}

fn host_ports(pod: &Pod) -> Vec<HostPort> {
    let containers = pod.spec.iter().flat_map(|it| &it.containers);
    let ports = containers.flat_map(|it| it.ports.iter().flatten());
    ports
        .filter_map(|port| {
            let protocol = match port.protocol.as_deref() {
                Some("UDP") => Protocol::UDP,
                Some("TCP") | None => Protocol::TCP,
                Some(_) => return None,
            };
            Some(HostPort { container_port: port.container_port, protocol, host_port: port.host_port? })
        })
        .collect()
}

fn process(pod: &Pod) -> Process {
    let status = pod.status.as_ref();
    let server = pod.spec.as_ref().and_then(|it| it.containers.first());
    let containers = status.and_then(|it| it.container_statuses.as_ref());
    let found = containers.zip(server).and_then(|(all, server)| all.iter().find(|it| it.name == server.name));
    match found.and_then(|it| it.state.as_ref()) {
        Some(ContainerState { terminated: Some(end), .. }) => Process::Ended(Exit { code: end.exit_code }),
        Some(ContainerState { running: Some(_), .. }) => Process::Running,
        state => match status.and_then(|it| it.phase.as_deref()) {
            // Evicted before it began, or its node was rebooted: the kubelet has no container to tell of.
            Some("Failed") => Process::Ended(Exit { code: EXIT_UNKNOWN }),
            Some("Succeeded") => Process::Ended(Exit { code: 0 }),
            _ => {
                let waiting = state.and_then(|it| it.waiting.as_ref());
                let reason =
                    waiting.and_then(|it| it.reason.clone()).filter(|it| STUCK.contains(&it.as_str()));
                reason.map_or(Process::Waiting, |reason| Process::Stuck {
                    reason,
                    message: waiting.and_then(|it| it.message.clone()).unwrap_or_default(),
                })
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "reads better without an ampersand at every case")]
    fn parse(status: serde_json::Value) -> ServerPod {
        let pod = json!({
            "metadata": {
                "name": "arena-1", "namespace": "games", "uid": "u1", "resourceVersion": "5",
                "labels": { "gamekeeper.dev/fleet": "arena", "gamekeeper.dev/revision": "abc", "build": "1.4" },
                "annotations": {
                    "gamekeeper.dev/room": "duel", "gamekeeper.dev/room-uid": "r1", "gamekeeper.dev/epoch": "4294967297",
                    "gamekeeper.dev/failures": "2",
                },
            },
            "spec": { "nodeName": "node-1", "containers": [
                { "name": "server", "ports": [{ "containerPort": 7777, "hostPort": 7003, "protocol": "UDP" }] },
                { "name": "logs" },
            ] },
            "status": status,
        });
        ServerPod::parse(&serde_json::from_value(pod).unwrap()).unwrap()
    }

    #[test]
    fn a_pod_is_read_with_its_claim_and_ports() {
        let pod = parse(json!({ "phase": "Running", "podIP": "198.18.1.7",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "name": "server", "state": { "running": {} }, "image": "", "imageID": "", "ready": true, "restartCount": 0 }] }));
        assert_eq!(
            pod.claim,
            Some(Claim { room_name: "duel".into(), room_uid: "r1".into(), epoch: Epoch::new(1, 1) })
        );
        assert_eq!(pod.host_ports[0].host_port, 7003);
        assert_eq!((pod.failures, pod.is_ready, pod.process), (2, true, Process::Running));
    }

    #[test]
    fn the_end_of_a_sidecar_is_not_the_end_of_the_server() {
        let end = |name: &str| {
            parse(json!({ "phase": "Running", "containerStatuses": [
                { "name": name, "state": { "terminated": { "exitCode": 3 } }, "image": "", "imageID": "", "ready": false, "restartCount": 0 },
            ] }))
            .exit()
        };
        assert_eq!(end("logs"), None);
        assert_eq!(end("server"), Some(Exit { code: 3 }));
    }

    #[test]
    fn a_pod_that_failed_without_a_container_has_not_succeeded() {
        assert_eq!(parse(json!({ "phase": "Failed" })).exit(), Some(Exit { code: EXIT_UNKNOWN }));
        assert_eq!(parse(json!({ "phase": "Pending" })).exit(), None);
    }

    #[test]
    fn a_server_that_cannot_start_says_why() {
        let pod = parse(json!({ "phase": "Pending", "containerStatuses": [
            { "name": "server", "state": { "waiting": { "reason": "ErrImagePull", "message": "no such image" } }, "image": "", "imageID": "", "ready": false, "restartCount": 0 },
        ] }));
        assert_eq!(
            pod.process,
            Process::Stuck { reason: "ErrImagePull".into(), message: "no such image".into() }
        );
    }
}
