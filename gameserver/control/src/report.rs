//! What a server says of its rooms unasked.

use std::num::NonZeroU64;

use crate::{Malformed, RoomPhase, Tenancy, field, hosted::phase_from, proto};

/// A room has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// The room.
    pub tenancy: Tenancy,
    /// How far it is.
    pub phase: RoomPhase,
    /// How many players are there.
    pub players: u32,
    /// The tick of the newest checkpoint that the store has accepted, if there is one.
    pub checkpoint_tick: Option<NonZeroU64>,
    /// Hashes of the certificates that players may be shown from now on; empty: as before.
    pub certificate_hashes: Vec<String>,
}

/// Something went wrong in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The room.
    pub tenancy: Tenancy,
    /// For a person.
    pub message: String,
    /// The room is gone from this server.
    pub is_fatal: bool,
}

impl TryFrom<proto::RoomState> for RoomState {
    type Error = Malformed;

    fn try_from(state: proto::RoomState) -> Result<Self, Malformed> {
        let proto::RoomState { tenancy, phase, players, checkpoint_tick, certificate_hashes } = state;
        Ok(Self {
            tenancy: field::required("RoomState.tenancy", tenancy)?.try_into()?,
            phase: phase_from("RoomState.phase", phase)?,
            players,
            checkpoint_tick: NonZeroU64::new(checkpoint_tick),
            certificate_hashes: field::certificate_hashes(
                "RoomState.certificate_hashes",
                certificate_hashes,
            )?,
        })
    }
}

impl From<RoomState> for proto::RoomState {
    fn from(state: RoomState) -> Self {
        let RoomState { tenancy, phase, players, checkpoint_tick, certificate_hashes } = state;
        Self {
            tenancy: Some(tenancy.into()),
            phase: proto::RoomPhase::from(phase).into(),
            players,
            checkpoint_tick: checkpoint_tick.map_or(0, NonZeroU64::get),
            certificate_hashes,
        }
    }
}

impl TryFrom<proto::Fault> for Fault {
    type Error = Malformed;

    fn try_from(fault: proto::Fault) -> Result<Self, Malformed> {
        let proto::Fault { tenancy, message, fatal } = fault;
        let tenancy = field::required("Fault.tenancy", tenancy)?.try_into()?;
        Ok(Self { tenancy, message: field::text(message), is_fatal: fatal })
    }
}

impl From<Fault> for proto::Fault {
    fn from(fault: Fault) -> Self {
        let Fault { tenancy, message, is_fatal } = fault;
        Self { tenancy: Some(tenancy.into()), message: field::text(message), fatal: is_fatal }
    }
}
