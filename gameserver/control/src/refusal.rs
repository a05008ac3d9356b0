//! What a server says when it does not do what it is told.

use crate::{
    Malformed, Tenancy, field,
    proto::{self, refused},
};

/// A command about a room that is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As in the command.
    pub tenancy: Tenancy,
    /// The reason.
    pub why: RefusedWhy,
    /// The epoch under which the server has the room, 0 if it does not have it.
    pub current_epoch: i64,
    /// For a person.
    pub message: String,
}

/// Why a command about a room is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedWhy {
    /// No reason, or one that this release does not know.
    Unspecified,
    /// The server has the room under a higher epoch.
    Epoch,
    /// As many rooms as the server can host.
    Full,
    /// The server takes no new rooms.
    Draining,
    /// The server takes no rooms ever again.
    Retired,
    /// The game does not take these parameters or seats; another server would not either.
    Parameters,
    /// The command is malformed or was not offered.
    Unsupported,
    /// The server does not have the room.
    UnknownRoom,
    /// The checkpoint could not be read.
    Checkpoint,
    /// The store says that a later epoch owns the room.
    Fenced,
    /// The store has heard the owner not long enough ago, and nothing was changed.
    OwnerAlive,
}

impl TryFrom<proto::Refused> for Refused {
    type Error = Malformed;

    fn try_from(refused: proto::Refused) -> Result<Self, Malformed> {
        // An unknown reason reads as unspecified: that nothing was done must be heard in any case.
        let why = refused.why().into();
        let proto::Refused { tenancy, why: _, current_epoch, message } = refused;
        Ok(Self {
            tenancy: field::required("Refused.tenancy", tenancy)?.try_into()?,
            why,
            current_epoch: field::in_range("Refused.current_epoch", current_epoch, 0..=i64::MAX)?,
            message: field::text(message),
        })
    }
}

impl From<Refused> for proto::Refused {
    fn from(refused: Refused) -> Self {
        let Refused { tenancy, why, current_epoch, message } = refused;
        Self {
            tenancy: Some(tenancy.into()),
            why: refused::Why::from(why).into(),
            current_epoch,
            message: field::text(message),
        }
    }
}

impl From<refused::Why> for RefusedWhy {
    fn from(why: refused::Why) -> Self {
        match why {
            refused::Why::Unspecified => Self::Unspecified,
            refused::Why::Epoch => Self::Epoch,
            refused::Why::Full => Self::Full,
            refused::Why::Draining => Self::Draining,
            refused::Why::Retired => Self::Retired,
            refused::Why::Parameters => Self::Parameters,
            refused::Why::Unsupported => Self::Unsupported,
            refused::Why::UnknownRoom => Self::UnknownRoom,
            refused::Why::Checkpoint => Self::Checkpoint,
            refused::Why::Fenced => Self::Fenced,
            refused::Why::OwnerAlive => Self::OwnerAlive,
        }
    }
}

impl From<RefusedWhy> for refused::Why {
    fn from(why: RefusedWhy) -> Self {
        match why {
            RefusedWhy::Unspecified => Self::Unspecified,
            RefusedWhy::Epoch => Self::Epoch,
            RefusedWhy::Full => Self::Full,
            RefusedWhy::Draining => Self::Draining,
            RefusedWhy::Retired => Self::Retired,
            RefusedWhy::Parameters => Self::Parameters,
            RefusedWhy::Unsupported => Self::Unsupported,
            RefusedWhy::UnknownRoom => Self::UnknownRoom,
            RefusedWhy::Checkpoint => Self::Checkpoint,
            RefusedWhy::Fenced => Self::Fenced,
            RefusedWhy::OwnerAlive => Self::OwnerAlive,
        }
    }
}
