//! Where rooms' state is kept.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::GoDuration;

/// Where the state of rooms is kept, so that a match outlives its server (see `docs/checkpoint-store.md`).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("duration(self.fenceAfter) - duration(self.checkpointInterval) >= duration(self.checkpointInterval)", "state.fenceAfter must be at least twice state.checkpointInterval: one late checkpoint must not freeze a match"),
)]
pub struct State {
    /// The store.
    pub redis: Redis,
    /// How often the state of a room is saved: what a match loses at most when its server is lost.
    #[serde(default = "a_tenth")]
    #[x_kube(validation = ("duration(self) >= duration('10ms') && duration(self) <= duration('30s')", "state.checkpointInterval must be between 10ms and 30s"))]
    pub checkpoint_interval: GoDuration,
    /// A server that nobody has heard for so long freezes its rooms, and so long a new owner waits after the last
    /// checkpoint of one that may still be alive.
    #[serde(default = "a_second")]
    #[x_kube(validation = ("duration(self) >= duration('100ms') && duration(self) <= duration('60s')", "state.fenceAfter must be between 100ms and 60s"))]
    pub fence_after: GoDuration,
    /// Each server has a standby on another node, which has a copy of its rooms in memory after nearly every tick: when the
    /// server crashes, its matches go on at once, and whether the store can be reached or not.
    #[serde(default)]
    pub standby: bool,
}

/// A Redis, or a Redis Cluster.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redis {
    /// Where its address is, with the password if it has one: in a Secret of the fleet's namespace. The kubelet
    /// hands it to the servers when they start; the operator never reads it.
    pub url_secret_key_ref: UrlKeyRef,
}

/// One entry of a Secret, as Kubernetes' `SecretKeySelector` names it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlKeyRef {
    /// The Secret's name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// The entry in it: `redis://…`, `rediss://…` for TLS.
    #[serde(default = "url")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn url() -> String {
    "url".to_owned()
}

fn a_tenth() -> GoDuration {
    "100ms".into()
}

fn a_second() -> GoDuration {
    "1s".into()
}
