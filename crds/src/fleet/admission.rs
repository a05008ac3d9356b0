//! Who may join a room, and how servers know it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Admission {
    /// Whoever reaches the server.
    Open,
    /// Whoever has a ticket for the room, signed by the fleet's issuer.
    Ticket,
}

impl Admission {
    /// As the API writes it, and as servers read it in their environment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Ticket => "Ticket",
        }
    }
}

/// How servers check tickets: PASETO v4.public.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tickets {
    /// Where the public key is, as PASERK text (`k4.public.…`): in a Secret of the fleet's namespace. The
    /// kubelet hands it to the servers when they start; the operator never reads it.
    pub public_key_secret_key_ref: SecretKeyRef,
}

/// One entry of a Secret, as Kubernetes' `SecretKeySelector` names it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// The entry in it.
    #[serde(default = "public")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn public() -> String {
    "public".to_owned()
}
