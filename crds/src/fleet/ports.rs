//! The ports of a server, and how players reach them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A port of a server that players use.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The name under which a room publishes it.
    #[schemars(length(min = 1, max = 15), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The port on which the server listens, in its container.
    #[schemars(range(min = 1, max = 65_535))]
    pub container_port: i32,
    /// UDP or TCP.
    #[serde(default)]
    pub protocol: Protocol,
    /// How players reach it.
    #[serde(default)]
    pub exposure: Exposure,
}

/// A transport protocol.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Protocol {
    /// Datagrams.
    #[default]
    UDP,
    /// Streams.
    TCP,
}

impl Protocol {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UDP => "UDP",
            Self::TCP => "TCP",
        }
    }
}

/// How players reach a port.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.type == 'HostPort' || !has(self.range)", "range has a meaning with type HostPort only"))]
pub struct Exposure {
    /// `HostPort`: a port of the node, from a range. `PodIP`: the pod's own address.
    #[serde(rename = "type")]
    pub type_: ExposureType,
    /// Which of the operator's ranges of host ports; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub range: Option<String>,
}

impl Default for Exposure {
    fn default() -> Self {
        Self { type_: ExposureType::HostPort, range: None }
    }
}

impl Exposure {
    /// The range that is used when none is named.
    pub const DEFAULT_RANGE: &'static str = "default";

    /// The range of host ports to take from, if this exposure needs one.
    pub fn host_port_range(&self) -> Option<&str> {
        match self.type_ {
            ExposureType::HostPort => Some(self.range.as_deref().unwrap_or(Self::DEFAULT_RANGE)),
            ExposureType::PodIP => None,
        }
    }
}

/// Ways to reach a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExposureType {
    /// A port of the node on which the server runs.
    HostPort,
    /// The pod's own address, where players are in its network.
    PodIP,
}

/// Kinds of addresses that a node has, by Kubernetes' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AddressType {
    ExternalIP,
    InternalIP,
    ExternalDNS,
    InternalDNS,
    Hostname,
}

impl AddressType {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalIP => "ExternalIP",
            Self::InternalIP => "InternalIP",
            Self::ExternalDNS => "ExternalDNS",
            Self::InternalDNS => "InternalDNS",
            Self::Hostname => "Hostname",
        }
    }
}
