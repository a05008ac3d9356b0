//! Servers that say of each other whether they can be reached.

use std::{net::SocketAddr, time::Duration};

use crate::{
    Malformed, field, limits,
    proto::{self, probe_result},
};

/// Asks a witness whether a server can be reached. Answered by [`ProbeResult`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Chosen by the operator; comes back.
    pub id: u64,
    /// The control port to be dialled.
    pub address: SocketAddr,
    /// How long to try, in whole milliseconds.
    pub timeout: Duration,
}

/// What a witness found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// Of the [`Probe`].
    pub id: u64,
    /// What came of dialling.
    pub finding: Finding,
}

/// What came of dialling a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// A connection was made.
    Connected,
    /// Its kernel refused the connection: nothing listens there.
    Refused,
    /// Nothing answered in time.
    Silent,
}

impl TryFrom<proto::Probe> for Probe {
    type Error = Malformed;

    fn try_from(probe: proto::Probe) -> Result<Self, Malformed> {
        let proto::Probe { id, address, timeout_ms } = probe;
        let address = field::address("Probe.address", address)?;
        let timeout = field::milliseconds("Probe.timeout_ms", timeout_ms, limits::PROBE_TIMEOUT_MS)?;
        Ok(Self { id, address, timeout })
    }
}

impl From<Probe> for proto::Probe {
    fn from(probe: Probe) -> Self {
        let Probe { id, address, timeout } = probe;
        Self { id, address: address.to_string(), timeout_ms: field::whole_milliseconds(timeout) }
    }
}

impl TryFrom<proto::ProbeResult> for ProbeResult {
    type Error = Malformed;

    fn try_from(result: proto::ProbeResult) -> Result<Self, Malformed> {
        let proto::ProbeResult { id, finding: value } = result;
        let finding = match probe_result::Finding::try_from(value) {
            Ok(probe_result::Finding::Connected) => Finding::Connected,
            Ok(probe_result::Finding::Refused) => Finding::Refused,
            Ok(probe_result::Finding::Silent) => Finding::Silent,
            // Guessing here could declare a server dead that lives.
            Ok(probe_result::Finding::Unspecified) | Err(_) => {
                return Err(Malformed::UnknownValue { field: "ProbeResult.finding", value });
            }
        };
        Ok(Self { id, finding })
    }
}

impl From<ProbeResult> for proto::ProbeResult {
    fn from(result: ProbeResult) -> Self {
        let ProbeResult { id, finding } = result;
        let finding = match finding {
            Finding::Connected => probe_result::Finding::Connected,
            Finding::Refused => probe_result::Finding::Refused,
            Finding::Silent => probe_result::Finding::Silent,
        };
        Self { id, finding: finding.into() }
    }
}
