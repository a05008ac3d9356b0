//! The pod of a server: the template as the API server accepted it, and what the operator owns in it.
//!
//! The list of what it owns is in `docs/fleets.md`; keep both the same.

use gamekeeper_crds::{
    GameFleet,
    fleet::{PlacementStrategy, Port, SecretKeyRef, State, UrlKeyRef},
    labels,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Map, Value, json};

/// How strongly servers of a fleet are drawn together or apart; 1 to 100.
const AFFINITY_WEIGHT: i32 = 100;

/// Tells the game server who may join: `Open` or `Ticket`.
pub const ADMISSION: &str = "GAMEKEEPER_ADMISSION";

/// With `Ticket`: the public key that tickets are checked with, as PASERK text.
pub const TICKET_KEY: &str = "GAMEKEEPER_TICKET_KEY";

/// With `spec.state`: the store's address, and how its clients are to behave, in milliseconds.
pub const STATE_URL: &str = "GAMEKEEPER_STATE_URL";
pub const CHECKPOINT_INTERVAL: &str = "GAMEKEEPER_CHECKPOINT_INTERVAL_MS";
pub const FENCE_AFTER: &str = "GAMEKEEPER_FENCE_AFTER_MS";

/// Variables that the template must not set.
pub const VARIABLES: [&str; 5] = [ADMISSION, TICKET_KEY, STATE_URL, CHECKPOINT_INTERVAL, FENCE_AFTER];

/// What one pod has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Particulars {
    /// Host ports in the order of the fleet's ports; `None` where a port needs none.
    pub host_ports: Vec<Option<u16>>,
    /// Failures in a row of the servers before it.
    pub failures: u32,
}

/// Builds a pod of the fleet's newest revision.
pub fn build(fleet: &GameFleet, owner: &OwnerReference, hash: &str, particulars: &Particulars) -> Value {
    let template = &fleet.spec.template.0;
    let part = |key: &str| template.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(part("metadata"), fleet, owner, hash, particulars.failures),
        "spec": spec(part("spec"), fleet, &particulars.host_ports),
    })
}

fn metadata(
    mut metadata: Map<String, Value>,
    fleet: &GameFleet,
    owner: &OwnerReference,
    hash: &str,
    failures: u32,
) -> Map<String, Value> {
    let name = fleet.metadata.name.as_deref().unwrap_or_default();
    metadata.remove("name");
    metadata.insert("generateName".into(), json!(format!("{name}-{hash}-")));
    metadata.insert("namespace".into(), json!(fleet.metadata.namespace));
    metadata.insert("ownerReferences".into(), json!([owner]));
    let labels = entry(&mut metadata, "labels");
    labels.insert(labels::FLEET.into(), json!(name));
    labels.insert(labels::REVISION.into(), json!(hash));
    if let Some(control) = &fleet.spec.control {
        // On the pod, so that each server is spoken to as it was made, whatever the fleet says now.
        let port = control.port.to_string();
        entry(&mut metadata, "annotations").insert(labels::CONTROL_PORT.into(), json!(port));
    }
    if 0 < failures {
        entry(&mut metadata, "annotations").insert(labels::FAILURES.into(), json!(failures.to_string()));
    }
    metadata
}

fn spec(mut spec: Map<String, Value>, fleet: &GameFleet, host_ports: &[Option<u16>]) -> Map<String, Value> {
    // The end of a server is the end of its match: the fleet replaces the pod.
    spec.insert("restartPolicy".into(), json!("Never"));
    let name = fleet.metadata.name.as_deref().unwrap_or_default();
    let (kind, preferred) = match fleet.spec.placement.strategy {
        PlacementStrategy::Packed => ("podAffinity", AFFINITY_WEIGHT),
        PlacementStrategy::Distributed => ("podAntiAffinity", AFFINITY_WEIGHT),
    };
    let term = json!({
        "weight": preferred,
        "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": { "matchLabels": { labels::FLEET: name } },
        },
    });
    let affinity = entry(entry(&mut spec, "affinity"), kind);
    list(affinity, "preferredDuringSchedulingIgnoredDuringExecution").push(term);
    if let Some(Value::Array(containers)) = spec.get_mut("containers") {
        if let Some(Value::Object(server)) = containers.first_mut() {
            // In front, so that the template's own variables may refer to them by `$(NAME)`.
            list(server, "env").splice(0..0, environment(fleet));
        }
        for (port, host_port) in fleet.spec.ports.iter().zip(host_ports) {
            if let Some(host_port) = host_port {
                expose(containers, port, *host_port);
            }
        }
    }
    spec
}

/// What the game server is told when it starts.
fn environment(fleet: &GameFleet) -> Vec<Value> {
    let mut environment = vec![json!({ "name": ADMISSION, "value": fleet.spec.admission.as_str() })];
    if let Some(SecretKeyRef { name, key }) = fleet.spec.ticket_key() {
        // The kubelet reads it, so that we need no right to read Secrets. Not optional: a server without the key
        // could let nobody in, and it is better seen not to start. So for the store's address.
        environment.push(json!({ "name": TICKET_KEY, "valueFrom": of_secret(name, key) }));
    }
    if let Some(State { redis, checkpoint_interval, fence_after, standby: _ }) = &fleet.spec.state {
        let UrlKeyRef { name, key } = &redis.url_secret_key_ref;
        environment.push(json!({ "name": STATE_URL, "valueFrom": of_secret(name, key) }));
        for (variable, duration) in [(CHECKPOINT_INTERVAL, checkpoint_interval), (FENCE_AFTER, fence_after)] {
            // Checked before; CEL has checked it even earlier.
            let milliseconds = duration.parse().unwrap_or_default().as_millis();
            environment.push(json!({ "name": variable, "value": milliseconds.to_string() }));
        }
    }
    environment
}

fn of_secret(name: &str, key: &str) -> Value {
    json!({ "secretKeyRef": { "name": name, "key": key } })
}

/// Sets the host port where the template lists the port, or lists it with the first container.
fn expose(containers: &mut [Value], port: &Port, host_port: u16) {
    let is_it = |it: &Value| {
        it["containerPort"].as_i64() == Some(port.container_port.into())
            && it["protocol"].as_str().unwrap_or("TCP") == port.protocol.as_str()
    };
    for container in containers.iter_mut() {
        let ports = container.get_mut("ports").and_then(Value::as_array_mut);
        if let Some(listed) = ports.and_then(|it| it.iter_mut().find(|it| is_it(it))) {
            listed["hostPort"] = json!(host_port);
            return;
        }
    }
    if let Some(Value::Object(server)) = containers.first_mut() {
        list(server, "ports").push(json!({
            "name": port.name,
            "containerPort": port.container_port,
            "protocol": port.protocol,
            "hostPort": host_port,
        }));
    }
}

fn entry<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made an object")
}

fn list<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    let value = map.entry(key).or_insert_with(|| json!([]));
    if !value.is_array() {
        *value = json!([]);
    }
    value.as_array_mut().expect("it was just made a list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "reads better without an ampersand at every case")]
    fn pod(change: Value) -> Value {
        let mut fleet = json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet",
            "metadata": { "name": "arena", "namespace": "games", "uid": "u1" },
            "spec": {
                "admission": "Open",
                "ports": [
                    { "name": "game", "containerPort": 7777 },
                    { "name": "voice", "containerPort": 7778 },
                    { "name": "web", "containerPort": 80, "protocol": "TCP", "exposure": { "type": "PodIP" } },
                ],
                "template": {
                    "metadata": { "labels": { "build": "1.4" }, "annotations": { "team": "seven" } },
                    "spec": {
                        "someFieldOfTomorrow": { "kept": true },
                        "containers": [
                            { "name": "server", "image": "arena:1", "resources": { "requests": { "cpu": 0.1 } } },
                            { "name": "voice", "image": "voice:1", "ports": [{ "containerPort": 7778, "protocol": "UDP" }] },
                        ],
                    },
                },
            },
        });
        json_patch::merge(&mut fleet, &change);
        let fleet: GameFleet = serde_json::from_value(fleet).unwrap();
        let owner = OwnerReference { name: "arena".into(), uid: "u1".into(), ..OwnerReference::default() };
        let particulars = Particulars { host_ports: vec![Some(7003), Some(7009), None], failures: 2 };
        build(&fleet, &owner, "abcd1234", &particulars)
    }

    #[test]
    fn a_pod_is_its_template_and_what_the_operator_owns() {
        insta::assert_yaml_snapshot!(pod(json!({})));
    }

    #[test]
    fn p8_the_key_for_tickets_comes_from_the_kubelet_and_stands_in_front() {
        let tickets = json!({ "publicKeySecretKeyRef": { "name": "arena-tickets" } });
        let own = json!([{ "name": "MODE", "value": "for $(GAMEKEEPER_ADMISSION)" }]);
        let containers = json!([{ "name": "server", "image": "arena:1", "env": own }, { "name": "voice", "image": "voice:1" }]);
        let pod = pod(json!({ "spec": {
            "admission": "Ticket", "control": { "port": 9600 }, "tickets": tickets,
            "template": { "spec": { "containers": containers } },
        } }));
        insta::assert_yaml_snapshot!(pod["spec"]["containers"]);
    }

    #[test]
    fn the_stores_address_comes_from_the_kubelet() {
        let state = json!({ "redis": { "urlSecretKeyRef": { "name": "redis" } }, "fenceAfter": "1.5s" });
        let pod = pod(json!({ "spec": { "control": { "port": 9600 }, "state": state } }));
        insta::assert_yaml_snapshot!(pod["spec"]["containers"][0]["env"], @r#"
        - name: GAMEKEEPER_ADMISSION
          value: Open
        - name: GAMEKEEPER_STATE_URL
          valueFrom:
            secretKeyRef:
              key: url
              name: redis
        - name: GAMEKEEPER_CHECKPOINT_INTERVAL_MS
          value: "100"
        - name: GAMEKEEPER_FENCE_AFTER_MS
          value: "1500"
        "#);
    }
}
