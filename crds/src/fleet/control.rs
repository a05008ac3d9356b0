//! How the operator talks to servers, and how rooms share them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::GoDuration;

/// The control protocol of a fleet's servers (see `docs/control-protocol.md`).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// The TCP port of a server, in its pod, that the operator dials. Players do not reach it.
    #[serde(default = "usual_port")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
    /// How often a server that hosts rooms gives a sign of life.
    #[serde(default = "a_tenth")]
    #[x_kube(validation = ("duration(self) >= duration('10ms') && duration(self) <= duration('60s')", "control.heartbeat must be between 10ms and 60s"))]
    pub heartbeat: GoDuration,
}

/// How rooms share a server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rooms {
    /// How many rooms a server hosts at most, if it offers that many. Absent: as many as it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub max_per_server: Option<i32>,
    /// With `control`: a room that no player has come to for this long is closed, and has failed.
    #[serde(default = "half_a_minute")]
    pub claim_timeout: GoDuration,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { max_per_server: None, claim_timeout: half_a_minute() }
    }
}

fn usual_port() -> i32 {
    9600
}

fn a_tenth() -> GoDuration {
    "100ms".into()
}

fn half_a_minute() -> GoDuration {
    "30s".into()
}
