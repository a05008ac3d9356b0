//! `GameFleet`: a set of interchangeable game servers.

#![allow(unreachable_pub, reason = "KubeSchema expands to a nested pub struct")]
#![allow(clippy::duplicated_attributes, reason = "several columns have the same type")]

pub mod admission;
pub mod control;
pub mod ports;
pub mod probe;
pub mod rollout;
pub mod state;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{GoDuration, PodTemplate};
pub use admission::{Admission, SecretKeyRef, Tickets};
pub use control::{Control, Rooms};
pub use ports::{AddressType, Exposure, ExposureType, Port, Protocol};
pub use probe::{GrpcProbe, HttpProbe, Probe, ProbeType, TcpProbe, UdpProbe};
pub use rollout::{RollingUpdate, Rollout, RolloutType};
pub use state::{Redis, State, UrlKeyRef};

/// A set of interchangeable game servers, each in a pod of its own.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gamekeeper.dev",
    version = "v1alpha1",
    kind = "GameFleet",
    namespaced,
    shortname = "gf",
    category = "games",
    derive = "PartialEq",
    status = "GameFleetStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.desiredReplicas", description = "Servers wanted"),
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.readyReplicas", description = "Servers that can take a room or have one"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.updatedReplicas", description = "Servers of the newest revision"),
    printcolumn(name = "Rooms", type_ = "integer", json_path = ".status.rooms.running", description = "Rooms on this fleet's servers"),
    printcolumn(name = "Free", type_ = "integer", json_path = ".status.rooms.free", description = "Rooms that could be placed now"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.rooms.pending", description = "Rooms that wait for a place"),
    printcolumn(name = "Rollout", type_ = "string", json_path = r#".status.conditions[?(@.type=="Progressing")].reason"#),
    printcolumn(name = "Degraded", type_ = "string", json_path = r#".status.conditions[?(@.type=="Degraded")].reason"#, priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 45 && !self.metadata.name.contains('.')")
        .message("a fleet's name must have at most 45 characters and no dot, because its pods' names and labels are made from it"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.ports.all(p, self.ports.exists_one(q, q.containerPort == p.containerPort && q.protocol == p.protocol))", "two ports must not have the same containerPort and protocol"),
    validation = ("!has(self.health.probe) || !has(self.health.probe.udp) || string(self.health.probe.udp.port).matches('^[0-9]+$') || self.ports.exists(p, p.name == self.health.probe.udp.port && p.protocol == 'UDP')", "health.probe.udp.port must be a number or the name of a UDP port in spec.ports"),
    validation = ("!has(self.health.probe) || !has(self.health.probe.tcp) || string(self.health.probe.tcp.port).matches('^[0-9]+$') || self.ports.exists(p, p.name == self.health.probe.tcp.port && p.protocol == 'TCP')", "health.probe.tcp.port must be a number or the name of a TCP port in spec.ports"),
    validation = ("!has(self.health.probe) || !has(self.health.probe.http) || string(self.health.probe.http.port).matches('^[0-9]+$') || self.ports.exists(p, p.name == self.health.probe.http.port && p.protocol == 'TCP')", "health.probe.http.port must be a number or the name of a TCP port in spec.ports"),
    validation = ("!has(self.health.probe) || !has(self.health.probe.grpc) || string(self.health.probe.grpc.port).matches('^[0-9]+$') || self.ports.exists(p, p.name == self.health.probe.grpc.port && p.protocol == 'TCP')", "health.probe.grpc.port must be a number or the name of a TCP port in spec.ports"),
    validation = ("has(self.control) || !has(self.rooms.maxPerServer) || self.rooms.maxPerServer == 1", "rooms.maxPerServer must be 1 or absent without control: a plain server hosts one match"),
    validation = ("!has(self.control) || self.ports.all(p, p.protocol != 'TCP' || p.containerPort != self.control.port)", "control.port must not be one of spec.ports: players have no business there"),
    validation = ("has(self.tickets) == (self.admission == 'Ticket')", "tickets must be there with admission Ticket, and only then"),
    validation = ("self.admission != 'Ticket' || has(self.control)", "admission Ticket needs control: a ticket is for one room, and a plain server learns too late which room it has"),
    validation = ("!has(self.state) || has(self.control)", "state needs control: a plain server is told neither which room it has nor that it is to be restored"),
    validation = ("has(self.template.spec) && size(self.template.spec.containers) > 0", "template.spec.containers must have at least one container; the first is the game server"),
    validation = ("!has(self.template.spec) || !has(self.template.spec.restartPolicy) || self.template.spec.restartPolicy == 'Never'", "template.spec.restartPolicy must be Never or absent: the end of a server is the end of its match, and the fleet replaces the pod"),
    validation = ("!has(self.template.spec) || !has(self.template.spec.hostNetwork) || !self.template.spec.hostNetwork || self.ports.all(p, p.exposure.type != 'HostPort')", "template.spec.hostNetwork and the exposure HostPort exclude each other; use exposure PodIP"),
)]
pub struct GameFleetSpec {
    /// How many servers to keep.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 10_000))]
    pub replicas: i32,
    /// Who may join a room. `Open`: whoever reaches the server; the game itself decides. `Ticket`: whoever has a
    /// ticket for the room, which the server checks.
    pub admission: Admission,
    /// With `Ticket`: how servers check tickets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Tickets>,
    /// The ports of a server that players use.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub ports: Vec<Port>,
    /// Which of a node's addresses are published for `HostPort`s: those of the first type that the node has.
    /// The node's annotation `gamekeeper.dev/address` wins over all.
    #[serde(default = "public_first")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub address_types: Vec<AddressType>,
    /// How the operator talks to a server. Absent: servers are plain, and each hosts one room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// How rooms share a server.
    #[serde(default)]
    pub rooms: Rooms,
    /// When a server counts as ready, and when as lost.
    #[serde(default)]
    pub health: Health,
    /// Where the state of rooms is kept. Absent: a match whose server is lost begins afresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// How a changed template reaches the servers.
    #[serde(default)]
    pub rollout: Rollout,
    /// On which servers and nodes rooms and pods go.
    #[serde(default)]
    pub placement: Placement,
    /// How many old revisions of the template to keep.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: i32,
    /// The servers' pods. The first container is the game server. Passed on unaltered, but for what
    /// the manual lists as the operator's.
    pub template: PodTemplate,
}

impl GameFleetSpec {
    /// Where the public key is that tickets are checked with, if the fleet asks for any.
    pub fn ticket_key(&self) -> Option<&SecretKeyRef> {
        match self.admission {
            Admission::Open => None,
            Admission::Ticket => self.tickets.as_ref().map(|it| &it.public_key_secret_key_ref),
        }
    }
}

fn one() -> i32 {
    1
}

fn ten() -> i32 {
    10
}

fn public_first() -> Vec<AddressType> {
    vec![AddressType::ExternalIP, AddressType::InternalIP]
}

/// When a server counts as ready, and when as lost.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// A server that is not ready this long after it was scheduled has failed and is replaced.
    #[serde(default = "a_minute")]
    pub start_timeout: GoDuration,
    /// With `control`: a server that hosts rooms hangs when no beat came, or none that tells of
    /// progress, for this long.
    #[serde(default = "three_tenths")]
    pub hang_timeout: GoDuration,
    /// What the operator asks a server, besides the kubelet's own probes. Without it a server is
    /// ready when its pod is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

impl Default for Health {
    fn default() -> Self {
        Self { start_timeout: a_minute(), hang_timeout: three_tenths(), probe: None }
    }
}

fn a_minute() -> GoDuration {
    "60s".into()
}

fn three_tenths() -> GoDuration {
    "300ms".into()
}

/// On which servers and nodes rooms and pods go.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// `Packed` fills nodes one after the other, so that others can be emptied; `Distributed` spreads.
    #[serde(default)]
    pub strategy: PlacementStrategy,
}

/// How rooms and pods are spread over nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlacementStrategy {
    /// The fullest node that has room.
    #[default]
    Packed,
    /// The emptiest node.
    Distributed,
}

/// The observed state of a fleet.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameFleetStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods of this fleet that have not ended.
    #[serde(default)]
    pub replicas: i32,
    /// Servers that can take a room or have one.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Pods of the newest revision.
    #[serde(default)]
    pub updated_replicas: i32,
    /// How many servers are wanted.
    #[serde(default)]
    pub desired_replicas: i32,
    /// What the servers host.
    #[serde(default)]
    pub rooms: RoomCounts,
    /// The pods' label selector as text, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The hash of the revision that all servers had when the last rollout was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<String>,
    /// The hash of the newest revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_revision: Option<String>,
    /// The Lease of the operator that manages this fleet, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// `Accepted`, `Available`, `Progressing`, `Degraded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Rooms of a fleet, counted.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomCounts {
    /// Rooms on this fleet's servers.
    #[serde(default)]
    pub running: i32,
    /// Rooms that could be placed now.
    #[serde(default)]
    pub free: i32,
    /// Rooms that wait for a place.
    #[serde(default)]
    pub pending: i32,
}
