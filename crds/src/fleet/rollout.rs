//! How a changed template reaches the servers.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How a changed template reaches the servers. A server that hosts a match stays until it is over.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// `RollingUpdate`: new servers beside and instead of old ones, a few at a time.
    #[serde(default, rename = "type")]
    pub type_: RolloutType,
    /// The limits of a rolling update.
    #[serde(default)]
    pub rolling_update: RollingUpdate,
}

/// Kinds of rollouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RolloutType {
    /// New servers beside and instead of old ones, a few at a time.
    #[default]
    RollingUpdate,
}

/// The limits of a rolling update, as in a Deployment.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!(string(self.maxSurge).matches('^0+%?$') && string(self.maxUnavailable).matches('^0+%?$'))",
    "maxSurge and maxUnavailable must not both be zero: the rollout could not begin"
))]
pub struct RollingUpdate {
    /// How many servers there may be above what is wanted: a number or a percentage, rounded up.
    #[serde(default = "a_quarter")]
    #[schemars(schema_with = "share")]
    pub max_surge: IntOrString,
    /// How many servers may be missing from what is wanted: a number or a percentage, rounded down.
    #[serde(default = "a_quarter")]
    #[schemars(schema_with = "share")]
    pub max_unavailable: IntOrString,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self { max_surge: a_quarter(), max_unavailable: a_quarter() }
    }
}

fn a_quarter() -> IntOrString {
    IntOrString::String("25%".into())
}

fn share(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "A number of servers, or a percentage of those that are wanted.",
        "x-kubernetes-int-or-string": true,
        "x-kubernetes-validations": [{
            "rule": "string(self).matches('^([0-9]{1,4}|10000|(100|[0-9]{1,2})%)$')",
            "message": "must be a number from 0 to 10000 or a percentage from 0% to 100%",
        }],
    })
}
