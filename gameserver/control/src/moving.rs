//! How a room is taken from one server to another without loss. Defined, and not sent by this release.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use crate::{Malformed, Tenancy, field, limits, proto};

/// To the new server: hold a place for a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepare {
    /// The room, and the epoch under which the new server shall have it.
    pub tenancy: Tenancy,
    /// Of the `GameRoom`; 0 if it does not say.
    pub seats: u32,
    /// Of the `GameRoom`.
    pub parameters: BTreeMap<String, String>,
}

/// To the old server: hand a room over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTo {
    /// The room as the old server has it.
    pub tenancy: Tenancy,
    /// The epoch under which the new server has it; higher than the old one's.
    pub next_epoch: i64,
    /// Where the new server takes the snapshots.
    pub handover_address: SocketAddr,
    /// What the players are told.
    pub endpoints: Vec<Endpoint>,
    /// Hashes of the new server's certificates: `sha256:` and 64 hex digits.
    pub certificate_hashes: Vec<String>,
    /// The move is given up when it has not come so far by then; in whole milliseconds from receipt.
    pub deadline: Duration,
}

/// Where players go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name from the fleet's `ports`.
    pub name: String,
    /// How it is talked to.
    pub protocol: Transport,
    /// An IP address or a host name.
    pub address: String,
    /// The port at that address; not 0.
    pub port: u16,
}

/// What carries a player's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A byte stream.
    Tcp,
}

impl TryFrom<proto::Prepare> for Prepare {
    type Error = Malformed;

    fn try_from(prepare: proto::Prepare) -> Result<Self, Malformed> {
        let proto::Prepare { tenancy, seats, parameters } = prepare;
        let tenancy = field::required("Prepare.tenancy", tenancy)?.try_into()?;
        Ok(Self { tenancy, seats, parameters: field::values("Prepare.parameters", parameters)? })
    }
}

impl From<Prepare> for proto::Prepare {
    fn from(prepare: Prepare) -> Self {
        let Prepare { tenancy, seats, parameters } = prepare;
        Self { tenancy: Some(tenancy.into()), seats, parameters }
    }
}

impl TryFrom<proto::MoveTo> for MoveTo {
    type Error = Malformed;

    fn try_from(move_to: proto::MoveTo) -> Result<Self, Malformed> {
        let proto::MoveTo {
            tenancy,
            next_epoch,
            handover_address,
            endpoints,
            certificate_hashes,
            deadline_ms,
        } = move_to;
        let tenancy: Tenancy = field::required("MoveTo.tenancy", tenancy)?.try_into()?;
        // Saturating: an old owner with the highest epoch of all has no successor, and never comes to be.
        let higher = tenancy.epoch.saturating_add(1)..=i64::MAX;
        field::count("MoveTo.endpoints", endpoints.len(), limits::ENDPOINTS_MAX)?;
        Ok(Self {
            tenancy,
            next_epoch: field::in_range("MoveTo.next_epoch", next_epoch, higher)?,
            handover_address: field::address("MoveTo.handover_address", handover_address)?,
            endpoints: endpoints.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            certificate_hashes: field::certificate_hashes("MoveTo.certificate_hashes", certificate_hashes)?,
            deadline: field::milliseconds("MoveTo.deadline_ms", deadline_ms, limits::MOVE_DEADLINE_MS)?,
        })
    }
}

impl From<MoveTo> for proto::MoveTo {
    fn from(move_to: MoveTo) -> Self {
        let MoveTo { tenancy, next_epoch, handover_address, endpoints, certificate_hashes, deadline } =
            move_to;
        Self {
            tenancy: Some(tenancy.into()),
            next_epoch,
            handover_address: handover_address.to_string(),
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            certificate_hashes,
            deadline_ms: field::whole_milliseconds(deadline),
        }
    }
}

impl TryFrom<proto::Endpoint> for Endpoint {
    type Error = Malformed;

    fn try_from(endpoint: proto::Endpoint) -> Result<Self, Malformed> {
        let proto::Endpoint { name, protocol, address, port } = endpoint;
        let protocol = match protocol.as_str() {
            "UDP" => Transport::Udp,
            "TCP" => Transport::Tcp,
            _ => return Err(Malformed::WrongForm { field: "Endpoint.protocol", form: "UDP or TCP" }),
        };
        Ok(Self {
            name: field::identifier("Endpoint.name", name, limits::PORT_NAME_BYTES_MAX)?,
            protocol,
            address: field::identifier("Endpoint.address", address, limits::HOST_BYTES_MAX)?,
            port: field::port("Endpoint.port", port)?,
        })
    }
}

impl From<Endpoint> for proto::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        let Endpoint { name, protocol, address, port } = endpoint;
        let protocol = match protocol {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        Self { name, protocol: protocol.to_owned(), address, port: port.into() }
    }
}
