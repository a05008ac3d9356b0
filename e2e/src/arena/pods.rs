//! What scenarios ask of a server's pod.

use gamekeeper_crds::labels;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

/// The fleet that it belongs to.
pub(super) fn fleet_of(pod: &Pod) -> Option<&str> {
    pod.labels().get(labels::FLEET).map(String::as_str)
}

/// The node that it is on, or empty.
pub fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|it| it.node_name.as_deref()).unwrap_or_default()
}

/// The room that has claimed it.
pub fn claim_of(pod: &Pod) -> Option<&str> {
    pod.annotations().get(labels::ROOM).map(String::as_str)
}

/// Its server has not ended and was not told to.
pub(super) fn is_active(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Its server runs, and passes the kubelet's probes.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// No process of it runs any more, or ever ran.
pub(super) fn has_ended(pod: &Pod) -> bool {
    let containers = pod.status.as_ref().and_then(|it| it.container_statuses.as_deref()).unwrap_or_default();
    containers.iter().all(|it| it.state.as_ref().is_none_or(|state| state.running.is_none()))
}

/// How a pod was seen last.
#[derive(Clone, Debug, Default)]
pub struct LastSeen {
    /// Its processes ended well.
    pub has_succeeded: bool,
    /// In a few words: whoever wonders how a match ended begins here.
    pub words: String,
}

impl LastSeen {
    pub(super) fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let phase = status.and_then(|it| it.phase.clone());
        let has_succeeded = phase.as_deref() == Some("Succeeded");
        let containers = status.and_then(|it| it.container_statuses.as_deref()).unwrap_or_default();
        let ends = containers.iter().filter_map(|it| it.state.as_ref()?.terminated.as_ref());
        let exits = ends.map(|it| format!("exit code {}", it.exit_code));
        let reason = status.and_then(|it| it.reason.clone());
        let deleted = pod.metadata.deletion_timestamp.as_ref().map(|it| format!("to end by {}", it.0));
        let words = phase.into_iter().chain([format!("on {}", node_of(pod))]).chain(reason);
        Self { has_succeeded, words: words.chain(exits).chain(deleted).collect::<Vec<_>>().join(", ") }
    }
}
