//! `GameRoom`: one match.

#![allow(unreachable_pub, reason = "KubeSchema expands to a nested pub struct")]
#![allow(clippy::duplicated_attributes, reason = "several columns have the same type")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::fleet::Protocol;

/// One match. Its name is the idempotency key: creating it twice makes one room.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gamekeeper.dev",
    version = "v1alpha1",
    kind = "GameRoom",
    namespaced,
    shortname = "gr",
    category = "games",
    derive = "PartialEq",
    status = "GameRoomStatus",
    selectable = ".spec.fleetName",
    printcolumn(name = "Fleet", type_ = "string", json_path = ".spec.fleetName"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Server", type_ = "string", json_path = ".status.server.podName"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.endpoints[0].address"),
    printcolumn(name = "Port", type_ = "integer", json_path = ".status.endpoints[0].port"),
    printcolumn(name = "Players", type_ = "integer", json_path = ".status.players"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Placed")].reason"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.epoch) || (has(self.status) && has(self.status.epoch) && self.status.epoch >= oldSelf.status.epoch)")
        .message("status.epoch never falls: a later tenancy owns the room"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.phase) || !(oldSelf.status.phase in ['Finished', 'Failed']) || (has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase)")
        .message("a match that is over stays over"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.seats) == has(oldSelf.seats)").message("seats are immutable: create another room"),
    validation = Rule::new("has(self.parameters) == has(oldSelf.parameters)").message("parameters are immutable: create another room"),
)]
pub struct GameRoomSpec {
    /// The fleet whose servers may host this room.
    #[schemars(length(min = 1, max = 45))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("fleetName is immutable: create another room"))]
    pub fleet_name: String,
    /// Over the labels of the fleet's template, so that old clients keep landing on the old build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector")]
    pub server_selector: Option<LabelSelector>,
    /// Who waits goes by priority, the higher first, then by age.
    #[serde(default)]
    #[schemars(range(min = -1_000_000_000, max = 1_000_000_000))]
    pub priority: i32,
    /// Given to the game: at most 32 entries and 4 KiB in all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters")]
    pub parameters: BTreeMap<String, String>,
    /// How many players may take part. Given to the game. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("seats are immutable: create another room"))]
    pub seats: Option<i32>,
    /// What happens when the server is lost.
    #[serde(default)]
    pub recovery: Recovery,
    /// How long a room stays readable after its match is over, until it is deleted.
    #[serde(default = "a_minute")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: i32,
}

fn a_minute() -> i32 {
    60
}

/// What happens when a room's server is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Recovery {
    /// The match goes on elsewhere from its last checkpoint; without a store this is `Restart`.
    #[default]
    Restore,
    /// The match begins afresh on another server.
    Restart,
    /// The room fails.
    Fail,
}

/// The observed state of a room.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameRoomStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the room is in its life.
    #[serde(default)]
    pub phase: Phase,
    /// Where players go. Whoever reads them may connect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// The server that hosts the room, or hosted it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerRef>,
    /// The number of this tenancy; the highest one owns the room. 0: never placed.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub epoch: i64,
    /// SHA-256 hashes of the certificates that the server may show, for clients to pin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub certificate_hashes: Vec<String>,
    /// How many players are there, as far as the server tells; written at most every 30 seconds.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(range(min = 0))]
    pub players: i32,
    /// What the game reported at the end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub result: BTreeMap<String, String>,
    /// The revision of the server that hosts the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How many times the room was placed again after its server was lost.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(range(min = 0))]
    pub recoveries: i32,
    /// How many servers crashed or hung in a row, each within ten seconds of having been given the room again. A room with one is kept
    /// apart from others where there is place; one with two is not placed again.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(range(min = 0))]
    pub losses_in_a_row: i32,
    /// `Placed`, `Checkpointed`, `Finished`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(epoch: &i64) -> bool {
    *epoch == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_none(count: &i32) -> bool {
    *count == 0
}

/// Where a room is in its life.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Phase {
    /// Waits for a server.
    #[default]
    Pending,
    /// Has a server; players may connect.
    Running,
    /// Lost its server and waits for another.
    Recovering,
    /// The match was played to its end.
    Finished,
    /// The match was lost.
    Failed,
}

impl Phase {
    /// Whether the match is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
}

/// An address at which players reach a room.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The port's name in the fleet.
    pub name: String,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// An IP address, or a host name where the fleet asks for one.
    pub address: String,
    /// The port at that address.
    pub port: i32,
}

/// The server that hosts a room.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRef {
    /// Its pod's name.
    pub pod_name: String,
    /// Its pod's uid: a name may come back, a uid never does.
    #[serde(rename = "podUID")]
    pub pod_uid: String,
    /// The process that hosts the room, as it names itself; absent for plain servers.
    #[serde(default, rename = "bootID", skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
}

fn selector(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<LabelSelector>();
    schema.insert("description".into(), "Labels that the server's template must carry.".into());
    schema
}

fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Given to the game: at most 32 entries and 4 KiB in all. Immutable.",
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
        "x-kubernetes-validations": [
            {
                "rule": "self.map(k, size(bytes(k)) + size(bytes(self[k]))).sum() <= 4096",
                "message": "parameters may have at most 4096 bytes in all, keys and values together",
            },
            { "rule": "self == oldSelf", "message": "parameters are immutable: create another room" },
        ],
    })
}
