//! What is measured: fleets, a Deployment like one, and single pods like a fleet's.

use serde_json::{Value, json};

use super::stage::NAMESPACE;

/// Labels and taints of nodes that only the bench believes in.
pub(super) const HOLLOW: &str = "gamekeeper.dev/hollow";

/// In the place of the label that names the fleet, and as long: the operator is not to be busy with rivals.
const RIVAL: &str = "gamekeeper.dev/rival";

/// The container's port; nobody listens there on hollow nodes.
const PORT: u16 = 7777;

/// A template of pods.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) image: String,
    pub(super) is_hollow: bool,
}

/// How the operator talks to a fleet's servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control {
    pub(super) port: u16,
    pub(super) rooms_per_server: usize,
}

impl Template {
    /// Of pods on hollow nodes, where nobody looks for the image.
    pub(super) fn hollow() -> Self {
        Self { image: "localhost/hollow:1".to_owned(), is_hollow: true }
    }

    fn spec(&self) -> Value {
        let mut spec = json!({
            // The test server leaves at once when no match is on; hollow pods are ended by the bench.
            "terminationGracePeriodSeconds": 30,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "containers": [{
                "name": "server",
                "image": self.image,
                "imagePullPolicy": "Never",
                "ports": [{ "name": "game", "containerPort": PORT, "protocol": "UDP" }],
                "resources": { "requests": { "cpu": "1m", "memory": "4Mi" } },
            }],
        });
        if self.is_hollow {
            spec["nodeSelector"] = json!({ HOLLOW: "true" });
            spec["tolerations"] = json!([{ "key": HOLLOW, "operator": "Exists" }]);
        }
        spec
    }
}

/// How a fleet's servers are reached: one of `HostPort` and `PodIP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    HostPort,
    PodIP,
}

/// A fleet without servers yet. It has no probe, so that ready means what it means to the kubelet.
pub(super) fn fleet(name: &str, template: &Template, exposure: Exposure) -> Value {
    let exposure = match exposure {
        Exposure::HostPort => "HostPort",
        Exposure::PodIP => "PodIP",
    };
    json!({
        "apiVersion": "gamekeeper.dev/v1alpha1",
        "kind": "GameFleet",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "replicas": 0,
            "admission": "Open",
            "ports": [{ "name": "game", "containerPort": PORT, "protocol": "UDP", "exposure": { "type": exposure } }],
            "template": { "metadata": { "labels": { "build": "1" } }, "spec": template.spec() },
        },
    })
}

/// The same, of servers that the operator talks to.
pub(super) fn controlled_fleet(name: &str, template: &Template, control: Control) -> Value {
    let mut fleet = fleet(name, template, Exposure::PodIP);
    let spec = &mut fleet["spec"];
    spec["control"] = json!({ "port": control.port, "heartbeat": "100ms" });
    // No player ever comes.
    spec["rooms"] = json!({ "maxPerServer": control.rooms_per_server, "claimTimeout": "24h" });
    // Servers that cannot be reached for a while, because the bench wants it so, are not to be replaced.
    spec["health"] = json!({ "startTimeout": "24h" });
    fleet
}

/// A Deployment of the same pods. It cannot have host ports: two of its pods would never share a node.
pub(super) fn deployment(name: &str, template: &Template) -> Value {
    let mut spec = template.spec();
    spec["affinity"] = affinity(name);
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": { RIVAL: name } },
            "template": { "metadata": { "labels": { "build": "1", RIVAL: name } }, "spec": spec },
        },
    })
}

/// A pod as the operator makes them, with an owner of the rival's own.
pub(super) fn pod(template: &Template, owner: &Value, host_port: u16) -> Value {
    let name = "rival";
    let mut spec = template.spec();
    spec["affinity"] = affinity(name);
    spec["restartPolicy"] = json!("Never");
    spec["containers"][0]["ports"][0]["hostPort"] = json!(host_port);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": format!("{name}-abcd1234-"),
            "namespace": NAMESPACE,
            "ownerReferences": [owner],
            "labels": { "build": "1", RIVAL: name, "gamekeeper.dev/revision": "abcd1234" },
        },
        "spec": spec,
    })
}

/// What the operator adds for the strategy `Packed`.
fn affinity(name: &str) -> Value {
    json!({ "podAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 100,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": { "matchLabels": { RIVAL: name } },
        },
    }] } })
}

/// A pod's spec without what differs from pod to pod and from side to side; the rest has to be the same.
pub(super) fn common(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["nodeName"] = Value::Null;
    spec["containers"][0]["ports"][0]["hostPort"] = Value::Null;
    let term = &mut spec["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0];
    term["podAffinityTerm"]["labelSelector"] = Value::Null;
    spec
}
