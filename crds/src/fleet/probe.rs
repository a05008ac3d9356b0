//! What the operator asks a server to learn whether it can be played on.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::GoDuration;

/// A question that a healthy server answers. Asked by the operator, at the pod's address.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.udp) == (self.type == 'UDP')", "udp must be there with type UDP, and only then"),
    validation = ("has(self.tcp) == (self.type == 'TCP')", "tcp must be there with type TCP, and only then"),
    validation = ("has(self.http) == (self.type == 'HTTP')", "http must be there with type HTTP, and only then"),
    validation = ("has(self.grpc) == (self.type == 'GRPC')", "grpc must be there with type GRPC, and only then"),
)]
pub struct Probe {
    /// Which of the fields below is used.
    #[serde(rename = "type")]
    pub type_: ProbeType,
    /// Send a datagram, expect one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<UdpProbe>,
    /// Open a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// GET a page; 200 to 399 is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Call `grpc.health.v1.Health/Check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcProbe>,
    /// The time from one question to the next.
    #[serde(default = "a_second")]
    pub period: GoDuration,
    /// How long to wait for the answer.
    #[serde(default = "a_second")]
    pub timeout: GoDuration,
    /// So many unanswered questions in a row make a ready server unhealthy. One answer makes it healthy.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: i32,
}

fn a_second() -> GoDuration {
    "1s".into()
}

fn five() -> i32 {
    5
}

/// Kinds of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ProbeType {
    UDP,
    TCP,
    HTTP,
    GRPC,
}

/// Send a datagram, expect one back.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UdpProbe {
    /// A port's name in `spec.ports`, or a number.
    #[schemars(schema_with = "port")]
    pub port: IntOrString,
    /// What to send, in base64.
    #[schemars(schema_with = "payload")]
    pub send: String,
    /// How the answer must begin, in base64. Absent: any answer will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "payload")]
    pub expect: Option<String>,
}

/// Open a connection.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpProbe {
    /// A port's name in `spec.ports`, or a number.
    #[schemars(schema_with = "port")]
    pub port: IntOrString,
}

/// GET a page; 200 to 399 is healthy.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// A port's name in `spec.ports`, or a number.
    #[schemars(schema_with = "port")]
    pub port: IntOrString,
    /// The page.
    #[serde(default = "root")]
    #[schemars(length(max = 1024), regex(pattern = "^/[!-~]*$"))]
    pub path: String,
}

fn root() -> String {
    "/".to_owned()
}

/// Call `grpc.health.v1.Health/Check`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcProbe {
    /// A port's name in `spec.ports`, or a number.
    #[schemars(schema_with = "port")]
    pub port: IntOrString,
    /// The service to ask for; the whole server if absent.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub service: String,
}

fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "A port's name in spec.ports, or a number.",
        "x-kubernetes-int-or-string": true,
        "x-kubernetes-validations": [{
            "rule": "string(self).matches('^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]|[a-z]([-a-z0-9]{0,13}[a-z0-9])?)$')",
            "message": "must be a port's name or a number from 1 to 65535",
        }],
    })
}

fn payload(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "Bytes in base64, at most 1,200 of them so that they fit one datagram anywhere.",
        "type": "string",
        "minLength": 4,
        "maxLength": 1600,
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    })
}
