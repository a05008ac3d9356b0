//! How a room begins on a server.

use std::{collections::BTreeMap, time::Duration};

use crate::{Malformed, RoomPort, Tenancy, field, hosted::ports_from, limits, proto};

/// Opens a room. Answered by [`Opened`], by [`Refused`](crate::Refused), or, if the match is over already, by
/// its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The room, and the epoch under which the server shall have it.
    pub tenancy: Tenancy,
    /// Of the `GameRoom`; 0 if it does not say.
    pub seats: u32,
    /// Of the `GameRoom`.
    pub parameters: BTreeMap<String, String>,
    /// Begin from a checkpoint. Only for servers that offer [`Feature::Restore`](crate::Feature).
    pub restore: Option<Restore>,
    /// For the log lines of both sides.
    pub reason: String,
}

/// Begin from the store's checkpoint of the room, or afresh if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The epoch of the owner that was lost, 0 if unknown.
    pub lost_epoch: i64,
    /// The old owner may still be alive: tick only after the store's fence has passed.
    pub fence: bool,
    /// The owner under this epoch is known to have ended, and there was none after it: a standby with a fresh copy of it
    /// need not ask the store. 0: not known.
    pub ended_epoch: i64,
    /// Take the room only if the store has not heard its owner for so long, in whole milliseconds; zero: in any case. Only
    /// for servers that offer [`Feature::TakeIfSilent`](crate::Feature).
    pub owner_silent: Duration,
}

/// The room is open: whoever is told its address may connect now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The room.
    pub tenancy: Tenancy,
    /// Ports of this room alone, if the server has any; else its players use the fleet's ports.
    pub ports: Vec<RoomPort>,
    /// Hashes of the certificates that players may be shown: `sha256:` and 64 hex digits.
    pub certificate_hashes: Vec<String>,
}

impl TryFrom<proto::Open> for Open {
    type Error = Malformed;

    fn try_from(open: proto::Open) -> Result<Self, Malformed> {
        let proto::Open { tenancy, seats, parameters, restore, reason } = open;
        Ok(Self {
            tenancy: field::required("Open.tenancy", tenancy)?.try_into()?,
            seats,
            parameters: field::values("Open.parameters", parameters)?,
            restore: restore.map(TryInto::try_into).transpose()?,
            reason: field::text(reason),
        })
    }
}

impl From<Open> for proto::Open {
    fn from(open: Open) -> Self {
        let Open { tenancy, seats, parameters, restore, reason } = open;
        Self {
            tenancy: Some(tenancy.into()),
            seats,
            parameters,
            restore: restore.map(Into::into),
            reason: field::text(reason),
        }
    }
}

impl TryFrom<proto::Restore> for Restore {
    type Error = Malformed;

    fn try_from(restore: proto::Restore) -> Result<Self, Malformed> {
        let proto::Restore { lost_epoch, fence, ended_epoch, owner_silent_ms } = restore;
        let lost_epoch = field::in_range("Restore.lost_epoch", lost_epoch, 0..=i64::MAX)?;
        let ended_epoch = field::in_range("Restore.ended_epoch", ended_epoch, 0..=i64::MAX)?;
        let owner_silent =
            field::milliseconds("Restore.owner_silent_ms", owner_silent_ms, limits::OWNER_SILENT_MS)?;
        Ok(Self { lost_epoch, fence, ended_epoch, owner_silent })
    }
}

impl From<Restore> for proto::Restore {
    fn from(restore: Restore) -> Self {
        let Restore { lost_epoch, fence, ended_epoch, owner_silent } = restore;
        Self { lost_epoch, fence, ended_epoch, owner_silent_ms: field::whole_milliseconds(owner_silent) }
    }
}

impl TryFrom<proto::Opened> for Opened {
    type Error = Malformed;

    fn try_from(opened: proto::Opened) -> Result<Self, Malformed> {
        let proto::Opened { tenancy, ports, certificate_hashes } = opened;
        Ok(Self {
            tenancy: field::required("Opened.tenancy", tenancy)?.try_into()?,
            ports: ports_from("Opened.ports", ports)?,
            certificate_hashes: field::certificate_hashes("Opened.certificate_hashes", certificate_hashes)?,
        })
    }
}

impl From<Opened> for proto::Opened {
    fn from(opened: Opened) -> Self {
        let Opened { tenancy, ports, certificate_hashes } = opened;
        let ports = ports.into_iter().map(Into::into).collect();
        Self { tenancy: Some(tenancy.into()), ports, certificate_hashes }
    }
}
