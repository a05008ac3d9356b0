//! Where players go when their server is lost.

use crate::{Endpoint, Malformed, field, limits, proto};

/// A server that may own another's rooms next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What the players are told.
    pub endpoints: Vec<Endpoint>,
    /// Hashes of its certificates: `sha256:` and 64 hex digits.
    pub certificate_hashes: Vec<String>,
}

impl TryFrom<proto::Fallbacks> for Vec<Fallback> {
    type Error = Malformed;

    fn try_from(fallbacks: proto::Fallbacks) -> Result<Self, Malformed> {
        let proto::Fallbacks { servers } = fallbacks;
        field::count("Fallbacks.servers", servers.len(), limits::FALLBACKS_MAX)?;
        servers.into_iter().map(TryInto::try_into).collect()
    }
}

impl From<Vec<Fallback>> for proto::Fallbacks {
    fn from(servers: Vec<Fallback>) -> Self {
        Self { servers: servers.into_iter().map(Into::into).collect() }
    }
}

impl TryFrom<proto::Fallback> for Fallback {
    type Error = Malformed;

    fn try_from(fallback: proto::Fallback) -> Result<Self, Malformed> {
        let proto::Fallback { endpoints, certificate_hashes } = fallback;
        field::count("Fallback.endpoints", endpoints.len(), limits::ENDPOINTS_MAX)?;
        Ok(Self {
            endpoints: endpoints.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            certificate_hashes: field::certificate_hashes("Fallback.certificate_hashes", certificate_hashes)?,
        })
    }
}

impl From<Fallback> for proto::Fallback {
    fn from(fallback: Fallback) -> Self {
        let Fallback { endpoints, certificate_hashes } = fallback;
        Self { endpoints: endpoints.into_iter().map(Into::into).collect(), certificate_hashes }
    }
}
