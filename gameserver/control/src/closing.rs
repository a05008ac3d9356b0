//! How a room ends on a server.

use crate::{
    Malformed, Tenancy, field,
    proto::{self, close},
};

/// Ends a room, whatever its phase, and forgets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The room.
    pub tenancy: Tenancy,
    /// The reason.
    pub why: CloseWhy,
}

/// Why a room is closed. The server closes it whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseWhy {
    /// No reason, or one that this release does not know.
    Unspecified,
    /// Its result was written down.
    Finished,
    /// The `GameRoom` was deleted.
    Deleted,
    /// A later epoch owns it, on another server.
    Superseded,
    /// Nobody came within the claim timeout.
    Unclaimed,
    /// No `GameRoom` has ever heard of it.
    Unknown,
}

impl TryFrom<proto::Close> for Close {
    type Error = Malformed;

    fn try_from(close: proto::Close) -> Result<Self, Malformed> {
        // An unknown reason reads as unspecified: the room must be closed in any case.
        let why = close.why().into();
        let proto::Close { tenancy, why: _ } = close;
        Ok(Self { tenancy: field::required("Close.tenancy", tenancy)?.try_into()?, why })
    }
}

impl From<Close> for proto::Close {
    fn from(close: Close) -> Self {
        let Close { tenancy, why } = close;
        Self { tenancy: Some(tenancy.into()), why: close::Why::from(why).into() }
    }
}

impl From<close::Why> for CloseWhy {
    fn from(why: close::Why) -> Self {
        match why {
            close::Why::Unspecified => Self::Unspecified,
            close::Why::Finished => Self::Finished,
            close::Why::Deleted => Self::Deleted,
            close::Why::Superseded => Self::Superseded,
            close::Why::Unclaimed => Self::Unclaimed,
            close::Why::Unknown => Self::Unknown,
        }
    }
}

impl From<CloseWhy> for close::Why {
    fn from(why: CloseWhy) -> Self {
        match why {
            CloseWhy::Unspecified => Self::Unspecified,
            CloseWhy::Finished => Self::Finished,
            CloseWhy::Deleted => Self::Deleted,
            CloseWhy::Superseded => Self::Superseded,
            CloseWhy::Unclaimed => Self::Unclaimed,
            CloseWhy::Unknown => Self::Unknown,
        }
    }
}
