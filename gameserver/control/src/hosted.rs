//! A room as its server sees it.

use std::collections::BTreeMap;

use crate::{Malformed, Tenancy, field, limits, proto};

/// A room that a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedRoom {
    /// The room, and the epoch under which the server has it.
    pub tenancy: Tenancy,
    /// How far it is.
    pub phase: RoomPhase,
    /// How many players are there.
    pub players: u32,
    /// What the game said at the end. There if and only if the phase is [`RoomPhase::Finished`].
    pub result: Option<BTreeMap<String, String>>,
    /// Ports of this room alone, if the server has any.
    pub ports: Vec<RoomPort>,
    /// Hashes of the certificates that players may be shown: `sha256:` and 64 hex digits.
    pub certificate_hashes: Vec<String>,
}

/// How far a room is on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoomPhase {
    /// Its place is held for a move; it does not tick.
    Prepared,
    /// Its state is coming in from another server; it does not tick.
    Loading,
    /// Its state is being read from the store; it does not tick.
    Restoring,
    /// Open, and no player has come yet.
    Waiting,
    /// Open, and at least one player has come.
    Playing,
    /// Handed over to another server; it does not tick here any more.
    Released,
    /// Its match is over.
    Finished,
}

/// A port of the server under which one room is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoomPort {
    /// A name from the fleet's `ports`.
    pub name: String,
    /// Where the server listens; not 0.
    pub port: u16,
}

impl TryFrom<proto::HostedRoom> for HostedRoom {
    type Error = Malformed;

    fn try_from(room: proto::HostedRoom) -> Result<Self, Malformed> {
        let proto::HostedRoom { tenancy, phase, players, result, ports, certificate_hashes } = room;
        let phase = phase_from("HostedRoom.phase", phase)?;
        // A finished room always has a result, if only an empty one; no other has any.
        let result = match phase {
            RoomPhase::Finished => Some(result_from(result)?),
            _ => None,
        };
        Ok(Self {
            tenancy: field::required("HostedRoom.tenancy", tenancy)?.try_into()?,
            phase,
            players,
            result,
            ports: ports_from("HostedRoom.ports", ports)?,
            certificate_hashes: field::certificate_hashes(
                "HostedRoom.certificate_hashes",
                certificate_hashes,
            )?,
        })
    }
}

impl From<HostedRoom> for proto::HostedRoom {
    fn from(room: HostedRoom) -> Self {
        let HostedRoom { tenancy, phase, players, result, ports, certificate_hashes } = room;
        Self {
            tenancy: Some(tenancy.into()),
            phase: proto::RoomPhase::from(phase).into(),
            players,
            result: result.map(|values| proto::Result { values }),
            ports: ports.into_iter().map(Into::into).collect(),
            certificate_hashes,
        }
    }
}

pub(crate) fn result_from(result: Option<proto::Result>) -> Result<BTreeMap<String, String>, Malformed> {
    let proto::Result { values } = result.unwrap_or_default();
    field::values("Result.values", values)
}

pub(crate) fn phase_from(field: &'static str, value: i32) -> Result<RoomPhase, Malformed> {
    match proto::RoomPhase::try_from(value) {
        Ok(proto::RoomPhase::Prepared) => Ok(RoomPhase::Prepared),
        Ok(proto::RoomPhase::Loading) => Ok(RoomPhase::Loading),
        Ok(proto::RoomPhase::Restoring) => Ok(RoomPhase::Restoring),
        Ok(proto::RoomPhase::Waiting) => Ok(RoomPhase::Waiting),
        Ok(proto::RoomPhase::Playing) => Ok(RoomPhase::Playing),
        Ok(proto::RoomPhase::Released) => Ok(RoomPhase::Released),
        Ok(proto::RoomPhase::Finished) => Ok(RoomPhase::Finished),
        Ok(proto::RoomPhase::Unspecified) | Err(_) => Err(Malformed::UnknownValue { field, value }),
    }
}

impl From<RoomPhase> for proto::RoomPhase {
    fn from(phase: RoomPhase) -> Self {
        match phase {
            RoomPhase::Prepared => Self::Prepared,
            RoomPhase::Loading => Self::Loading,
            RoomPhase::Restoring => Self::Restoring,
            RoomPhase::Waiting => Self::Waiting,
            RoomPhase::Playing => Self::Playing,
            RoomPhase::Released => Self::Released,
            RoomPhase::Finished => Self::Finished,
        }
    }
}

pub(crate) fn ports_from(
    field: &'static str,
    ports: Vec<proto::RoomPort>,
) -> Result<Vec<RoomPort>, Malformed> {
    field::count(field, ports.len(), limits::PORTS_MAX)?;
    ports.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<proto::RoomPort> for RoomPort {
    type Error = Malformed;

    fn try_from(port: proto::RoomPort) -> Result<Self, Malformed> {
        let proto::RoomPort { name, port } = port;
        Ok(Self {
            name: field::identifier("RoomPort.name", name, limits::PORT_NAME_BYTES_MAX)?,
            port: field::port("RoomPort.port", port)?,
        })
    }
}

impl From<RoomPort> for proto::RoomPort {
    fn from(port: RoomPort) -> Self {
        let RoomPort { name, port } = port;
        Self { name, port: port.into() }
    }
}
