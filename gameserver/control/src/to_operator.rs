//! What a server says to the operator.

use std::collections::BTreeMap;

use crate::{
    Beat, Fault, HelloRefused, Malformed, Opened, ProbeResult, Refused, RoomState, StandingBy, Tenancy,
    Welcome, field,
    hosted::result_from,
    proto::{self, server_message::Message},
    seeking,
};

/// A message from a server to the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToOperator {
    /// The Hello is accepted.
    Welcome(Welcome),
    /// The Hello is refused.
    HelloRefused(HelloRefused),
    /// A sign of life.
    Beat(Beat),
    /// A room is open.
    Opened(Opened),
    /// A command about a room is not carried out.
    Refused(Refused),
    /// A room has changed.
    RoomState(RoomState),
    /// A match is over. Repeated every second until the room is closed.
    Finished {
        /// The room.
        tenancy: Tenancy,
        /// What the game says of the match.
        result: BTreeMap<String, String>,
    },
    /// A room is not there any more, and its place is free.
    Closed(Tenancy),
    /// Whether a drain is in force.
    Draining(bool),
    /// The answer to Retire.
    Retired {
        /// The server takes no rooms ever again.
        retired: bool,
        /// How many rooms stand against it.
        rooms: u32,
    },
    /// What a witness found.
    ProbeResult(ProbeResult),
    /// The store does not take checkpoints of a room, or does so again.
    CheckpointFailed {
        /// The room.
        tenancy: Tenancy,
        /// For a person. Empty: checkpoints are taken again.
        message: String,
    },
    /// Something went wrong in a room.
    Fault(Fault),
    /// From the old server of a move: so many players have arrived at the new one.
    PlayersReady {
        /// The room as the old server has it.
        tenancy: Tenancy,
        /// How many.
        players: u32,
    },
    /// From the old server of a move: the room does not tick there any more.
    Released {
        /// The room as the old server had it.
        tenancy: Tenancy,
        /// The last tick there.
        tick: u64,
    },
    /// From the new server of a move: all state up to a tick is there.
    Loaded {
        /// The room as the new server has it.
        tenancy: Tenancy,
        /// That tick.
        tick: u64,
    },
    /// From the new server of a move: the room ticks there.
    Activated {
        /// The room as the new server has it.
        tenancy: Tenancy,
        /// The first tick there.
        tick: u64,
    },
    /// From a standby: where it takes copies.
    StandingBy(StandingBy),
    /// Players came for these rooms, by their uids, which are not there.
    Sought(Vec<String>),
}

impl ToOperator {
    /// Checks a message; `None` if it is of a kind that this release does not know, to be ignored.
    pub fn parse(message: proto::ServerMessage) -> Result<Option<Self>, Malformed> {
        let proto::ServerMessage { message } = message;
        let Some(message) = message else { return Ok(None) };
        Ok(Some(match message {
            Message::Welcome(welcome) => Self::Welcome(welcome.try_into()?),
            Message::HelloRefused(refused) => Self::HelloRefused(refused.into()),
            Message::Beat(beat) => Self::Beat(beat.into()),
            Message::Opened(opened) => Self::Opened(opened.try_into()?),
            Message::Refused(refused) => Self::Refused(refused.try_into()?),
            Message::RoomState(state) => Self::RoomState(state.try_into()?),
            Message::Finished(proto::Finished { tenancy, result }) => {
                let tenancy = field::required("Finished.tenancy", tenancy)?.try_into()?;
                Self::Finished { tenancy, result: result_from(result)? }
            }
            Message::Closed(proto::Closed { tenancy }) => {
                Self::Closed(field::required("Closed.tenancy", tenancy)?.try_into()?)
            }
            Message::Draining(proto::Draining { draining }) => Self::Draining(draining),
            Message::Retired(proto::Retired { retired, rooms }) => Self::Retired { retired, rooms },
            Message::ProbeResult(result) => Self::ProbeResult(result.try_into()?),
            Message::CheckpointFailed(proto::CheckpointFailed { tenancy, message }) => {
                let tenancy = field::required("CheckpointFailed.tenancy", tenancy)?.try_into()?;
                Self::CheckpointFailed { tenancy, message: field::text(message) }
            }
            Message::Fault(fault) => Self::Fault(fault.try_into()?),
            Message::PlayersReady(proto::PlayersReady { tenancy, players }) => {
                let tenancy = field::required("PlayersReady.tenancy", tenancy)?.try_into()?;
                Self::PlayersReady { tenancy, players }
            }
            Message::Released(proto::Released { tenancy, tick }) => {
                Self::Released { tenancy: field::required("Released.tenancy", tenancy)?.try_into()?, tick }
            }
            Message::Loaded(proto::Loaded { tenancy, tick }) => {
                Self::Loaded { tenancy: field::required("Loaded.tenancy", tenancy)?.try_into()?, tick }
            }
            Message::Activated(proto::Activated { tenancy, tick }) => {
                Self::Activated { tenancy: field::required("Activated.tenancy", tenancy)?.try_into()?, tick }
            }
            Message::StandingBy(standing_by) => Self::StandingBy(standing_by.try_into()?),
            Message::Sought(sought) => Self::Sought(seeking::sought_from(sought)?),
        }))
    }
}

impl From<ToOperator> for proto::ServerMessage {
    fn from(message: ToOperator) -> Self {
        let message = match message {
            ToOperator::Welcome(welcome) => Message::Welcome(welcome.into()),
            ToOperator::HelloRefused(refused) => Message::HelloRefused(refused.into()),
            ToOperator::Beat(beat) => Message::Beat(beat.into()),
            ToOperator::Opened(opened) => Message::Opened(opened.into()),
            ToOperator::Refused(refused) => Message::Refused(refused.into()),
            ToOperator::RoomState(state) => Message::RoomState(state.into()),
            ToOperator::Finished { tenancy, result } => Message::Finished(proto::Finished {
                tenancy: Some(tenancy.into()),
                result: Some(proto::Result { values: result }),
            }),
            ToOperator::Closed(tenancy) => Message::Closed(proto::Closed { tenancy: Some(tenancy.into()) }),
            ToOperator::Draining(draining) => Message::Draining(proto::Draining { draining }),
            ToOperator::Retired { retired, rooms } => Message::Retired(proto::Retired { retired, rooms }),
            ToOperator::ProbeResult(result) => Message::ProbeResult(result.into()),
            ToOperator::CheckpointFailed { tenancy, message } => {
                let message = field::text(message);
                Message::CheckpointFailed(proto::CheckpointFailed { tenancy: Some(tenancy.into()), message })
            }
            ToOperator::Fault(fault) => Message::Fault(fault.into()),
            ToOperator::PlayersReady { tenancy, players } => {
                Message::PlayersReady(proto::PlayersReady { tenancy: Some(tenancy.into()), players })
            }
            ToOperator::Released { tenancy, tick } => {
                Message::Released(proto::Released { tenancy: Some(tenancy.into()), tick })
            }
            ToOperator::Loaded { tenancy, tick } => {
                Message::Loaded(proto::Loaded { tenancy: Some(tenancy.into()), tick })
            }
            ToOperator::Activated { tenancy, tick } => {
                Message::Activated(proto::Activated { tenancy: Some(tenancy.into()), tick })
            }
            ToOperator::StandingBy(standing_by) => Message::StandingBy(standing_by.into()),
            ToOperator::Sought(rooms) => Message::Sought(proto::Sought { rooms }),
        };
        Self { message: Some(message) }
    }
}
