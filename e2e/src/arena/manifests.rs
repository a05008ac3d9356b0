//! Fleets and rooms as a user would write them.

use serde_json::{Value, json};

/// A fleet of the UDP server, which a probe is sent to.
pub(super) fn plain_fleet(name: &str, replicas: i32, image: &str) -> Value {
    let mut fleet = fleet(name, replicas, image);
    // "probe" and "ok".
    fleet["spec"]["health"] = json!({
        "probe": { "type": "UDP", "udp": { "port": "game", "send": "cHJvYmU=", "expect": "b2s=" } },
    });
    fleet
}

/// A fleet of a server that speaks the control protocol.
pub(super) fn rooms_fleet(name: &str, replicas: i32, image: &str) -> Value {
    let mut fleet = fleet(name, replicas, image);
    fleet["spec"]["control"] = json!({});
    fleet
}

fn fleet(name: &str, replicas: i32, image: &str) -> Value {
    json!({
        "apiVersion": "gamekeeper.dev/v1alpha1",
        "kind": "GameFleet",
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "admission": "Open",
            "ports": [{ "name": "game", "containerPort": 7777 }],
            "template": {
                "metadata": { "labels": { "build": "1" } },
                "spec": {
                    // A server with a match does not end when it is told to, and nobody waits for it here.
                    "terminationGracePeriodSeconds": 3,
                    "containers": [server(image, &[])],
                },
            },
        },
    })
}

/// The container of a server, so small that many fit.
pub fn server(image: &str, arguments: &[&str]) -> Value {
    json!({
        "name": "server",
        "image": image,
        "args": arguments,
        "resources": { "requests": { "cpu": "1m", "memory": "8Mi" } },
    })
}

/// A room that stays readable until its scenario has ended; `change` is a merge patch.
pub(super) fn room(name: &str, fleet: &str, change: &Value) -> Value {
    let mut room = json!({
        "apiVersion": "gamekeeper.dev/v1alpha1",
        "kind": "GameRoom",
        "metadata": { "name": name },
        "spec": { "fleetName": fleet, "ttlSecondsAfterFinished": 3600 },
    });
    json_patch::merge(&mut room, change);
    room
}
