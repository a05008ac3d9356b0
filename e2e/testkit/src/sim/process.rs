//! One pod's process, and the status that a kubelet makes of it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{RunningPod, scheduler::host_ports};
use crate::clock::stamp;

/// What a kubelet knows of a pod.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) node: String,
    pub(super) host_ip: String,
    pub(super) pod_ip: String,
    /// As last seen.
    pub(super) pod: Arc<Value>,
    pub(super) stage: Stage,
    pub(super) taken: Option<Timestamp>,
    pub(super) is_ready: bool,
    pub(super) hangs: bool,
    /// Has been told to end.
    pub(super) is_stopping: bool,
}

/// How far a process has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not started yet.
    Starting,
    /// Cannot be started.
    NoImage {
        again: bool,
    },
    Running {
        since: Timestamp,
    },
    /// Ended, or was never started.
    Ended {
        since: Option<Timestamp>,
        code: i32,
        at: Timestamp,
    },
}

impl Process {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    pub(super) fn image(&self) -> &str {
        self.pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default()
    }

    /// Whether the image is the one of this name, in whichever registry and version.
    pub(super) fn is_image(&self, name: &str) -> bool {
        let last = self.image().rsplit('/').next().unwrap_or_default();
        last.split([':', '@']).next() == Some(name)
    }

    pub(super) fn is_named(&self, namespace: &str, name: &str) -> bool {
        let metadata = &self.pod["metadata"];
        metadata["namespace"] == namespace && metadata["name"] == name
    }

    pub(super) fn listens_at(&self, ip: &str, port: u16) -> bool {
        let mut ports = host_ports(&self.pod).into_iter();
        let containers = self.pod["spec"]["containers"].as_array().into_iter().flatten();
        let mut inner = containers.flat_map(|it| it["ports"].as_array().into_iter().flatten());
        self.host_ip == ip && ports.any(|(_, it)| it == i64::from(port))
            || self.pod_ip == ip && inner.any(|it| it["containerPort"] == port)
    }

    /// As others see it; `pod` is its pod as it is now, if it is still there.
    pub(super) fn seen(&self, pod: Option<&Value>) -> RunningPod {
        let pod = pod.filter(|it| it["metadata"]["uid"] == self.pod["metadata"]["uid"]).unwrap_or(&self.pod);
        let metadata = &pod["metadata"];
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let map = |it: &Value| -> BTreeMap<String, String> {
            it.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
        };
        RunningPod {
            namespace: text(&metadata["namespace"]),
            name: text(&metadata["name"]),
            uid: text(&metadata["uid"]),
            node: self.node.clone(),
            pod_ip: self.pod_ip.clone(),
            image: self.image().to_owned(),
            annotations: map(&metadata["annotations"]),
            labels: map(&metadata["labels"]),
            answers: self.is_ready && !self.hangs,
        }
    }

    /// The pod's status, given the one that it has.
    pub(super) fn status(&self, before: &Value, now: Timestamp) -> Value {
        let phase = match &self.stage {
            Stage::Starting | Stage::NoImage { .. } => "Pending",
            Stage::Running { .. } => "Running",
            Stage::Ended { code: 0, .. } => "Succeeded",
            Stage::Ended { .. } => "Failed",
        };
        let is_ready = self.is_running() && self.is_ready;
        let why_not = if self.has_ended() { "PodCompleted" } else { "ContainersNotReady" };
        let mut conditions = before["conditions"].as_array().cloned().unwrap_or_default();
        for (kind, holds) in [
            ("PodScheduled", true),
            ("Initialized", true),
            ("ContainersReady", is_ready),
            ("Ready", is_ready),
        ] {
            set_condition(&mut conditions, kind, holds, (!holds).then_some(why_not), now);
        }
        let containers = self.pod["spec"]["containers"].as_array().into_iter().flatten();
        let containers: Vec<Value> = containers.map(|it| self.container(it, is_ready)).collect();
        let mut status = before.clone();
        status["phase"] = json!(phase);
        status["conditions"] = json!(conditions);
        status["containerStatuses"] = json!(containers);
        status["hostIP"] = json!(self.host_ip);
        status["hostIPs"] = json!([{ "ip": self.host_ip }]);
        status["startTime"] = json!(stamp(self.taken.unwrap_or(now)));
        let has_address = matches!(self.stage, Stage::Running { .. } | Stage::Ended { since: Some(_), .. });
        if has_address {
            status["podIP"] = json!(self.pod_ip);
            status["podIPs"] = json!([{ "ip": self.pod_ip }]);
        }
        status
    }

    fn container(&self, container: &Value, is_ready: bool) -> Value {
        let uid = self.pod["metadata"]["uid"].as_str().unwrap_or_default();
        let id = format!("containerd://{uid}");
        let state = match &self.stage {
            Stage::Starting => json!({ "waiting": { "reason": "ContainerCreating" } }),
            Stage::NoImage { again } => {
                let reason = if *again { "ImagePullBackOff" } else { "ErrImagePull" };
                let message = format!("failed to pull image {}: not found", container["image"]);
                json!({ "waiting": { "reason": reason, "message": message } })
            }
            Stage::Running { since } => json!({ "running": { "startedAt": stamp(*since) } }),
            Stage::Ended { since, code, at } => json!({ "terminated": {
                "exitCode": code,
                "reason": if *code == 0 { "Completed" } else { "Error" },
                "startedAt": stamp(since.unwrap_or(*at)),
                "finishedAt": stamp(*at),
                "containerID": id,
            } }),
        };
        let mut status = json!({
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": is_ready,
            "started": self.is_running(),
            "restartCount": 0,
            "state": state,
        });
        if self.is_running() || self.has_ended() {
            status["containerID"] = json!(id);
        }
        status
    }
}

/// Sets a condition; its time changes only when its status does.
pub(super) fn set_condition(
    conditions: &mut Vec<Value>,
    kind: &str,
    holds: bool,
    reason: Option<&str>,
    now: Timestamp,
) {
    let status = if holds { "True" } else { "False" };
    let mut condition = json!({ "type": kind, "status": status, "lastTransitionTime": stamp(now) });
    if let Some(reason) = reason {
        condition["reason"] = json!(reason);
    }
    match conditions.iter_mut().find(|it| it["type"] == kind) {
        Some(before) => {
            if before["status"] == status {
                condition["lastTransitionTime"] = before["lastTransitionTime"].clone();
            }
            *before = condition;
        }
        None => conditions.push(condition),
    }
}
