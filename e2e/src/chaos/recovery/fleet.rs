//! The fleets of a run, and their rooms.

use std::time::Duration;

use anyhow::Result;
use gamekeeper_crds::labels;
use serde_json::{Value, json};

use super::folder::Part;
use super::store;
use crate::arena::Arena;
use crate::testenv::GameServer;

/// The fleet's `state.fenceAfter` and `state.checkpointInterval`: the defaults, said.
pub(super) const FENCE_MS: u64 = 1000;
pub(super) const INTERVAL_MS: u64 = 100;

/// How long the ticks of a server stand still when they are told to: longer than anybody needs to notice and to go on
/// elsewhere.
pub(super) const HANG: Duration = Duration::from_secs(5);

/// Of the arena's servers.
pub(super) const TICKS_PER_SECOND: u32 = 30;

/// How long matches last: longer than a run, as far as the arena allows.
const MATCH_S: &str = "3600";

/// Rooms of one server of the fleet for the loss of many.
const MASS_ROOMS_PER_SERVER: u8 = 50;

/// What all fleets of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// `state.standby`.
    pub(super) standby: bool,
    /// What each server's pod requests.
    pub(super) cpu: &'static str,
}

/// How large a fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) name: &'static str,
    pub(super) servers: u8,
    /// Of one server.
    pub(super) rooms: u8,
}

/// Two servers on each node: so there is always one elsewhere, and one more.
pub(super) fn usual(nodes: usize) -> Result<Size> {
    Ok(Size { name: "arena", servers: u8::try_from(2 * nodes)?, rooms: 16 })
}

/// The fleet for the loss of many: all rooms are on one node, and there is place for all on another.
pub(super) fn mass(rooms: u16) -> Result<Size> {
    let servers = u8::try_from(rooms.div_ceil(MASS_ROOMS_PER_SERVER.into()))?;
    let rooms = u8::try_from(rooms.div_ceil(servers.into()))?;
    Ok(Size { name: "mass", servers, rooms })
}

/// A fleet of arenas that save their rooms and keep journals in a folder.
pub(super) async fn manifest(arena: &Arena, folder: &Part, size: Size, manner: Manner) -> Result<Value> {
    let (secret, key) = store::lend(arena.namespace()).await?;
    let image = arena.namespace().env().image(GameServer::Arena)?;
    let capacity = size.rooms.to_string();
    let hang = HANG.as_secs().to_string();
    let arguments = ["server", "--capacity", &capacity, "--journal", "/journals", "--hang-on-usr1", &hang];
    Ok(json!({
        "apiVersion": "gamekeeper.dev/v1alpha1",
        "kind": "GameFleet",
        "metadata": { "name": size.name },
        "spec": {
            "replicas": size.servers,
            "rooms": { "maxPerServer": size.rooms, "claimTimeout": "60s" },
            "admission": "Open",
            "ports": [{ "name": "game", "containerPort": 7777 }],
            "control": {},
            "placement": { "strategy": "Distributed" },
            "state": {
                "redis": { "urlSecretKeyRef": { "name": secret, "key": key } },
                "checkpointInterval": format!("{INTERVAL_MS}ms"),
                "fenceAfter": format!("{FENCE_MS}ms"),
                "standby": manner.standby,
            },
            "template": { "metadata": { "labels": { "build": "1" } }, "spec": {
                // A server with a match does not end when it is told to, and nobody waits for it here.
                "terminationGracePeriodSeconds": 3,
                "automountServiceAccountToken": false,
                "topologySpreadConstraints": [{
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": { "matchLabels": { labels::FLEET: size.name } },
                }],
                "volumes": [{
                    "name": "journals",
                    "hostPath": { "path": folder.servers(), "type": "Directory" },
                }],
                "containers": [{
                    "name": "server",
                    "image": image,
                    "args": arguments,
                    "volumeMounts": [{ "name": "journals", "mountPath": "/journals" }],
                    "resources": {
                        "requests": { "cpu": manner.cpu, "memory": "16Mi" },
                        "limits": { "memory": "256Mi" },
                    },
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": 65532,
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": { "drop": ["ALL"] },
                    },
                }],
            } },
        },
    }))
}

/// What rooms are like, as a merge patch.
pub(super) fn room() -> Value {
    json!({ "spec": {
        "seats": 4,
        "parameters": { "map": "harbour", "seconds": MATCH_S },
        "recovery": "Restore",
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rooms_of_a_mass_find_place() {
        for rooms in [1, 49, 50, 51, 60, 300, 999] {
            let size = mass(rooms).unwrap();
            let places = u16::from(size.servers) * u16::from(size.rooms);
            assert!((rooms..rooms + u16::from(size.servers)).contains(&places), "{rooms}: {size:?}");
        }
        assert_eq!(mass(300).unwrap(), Size { name: "mass", servers: 6, rooms: 50 });
    }
}
