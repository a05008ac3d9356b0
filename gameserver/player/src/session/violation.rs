//! Why a session is ended by force.

use crate::Malformed;

/// What the other end did that ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It sent what is no frame or datagram of ours.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// It sent something that has no place there.
    #[error("{0} is not expected now")]
    Unexpected(&'static str),
    /// It did not say in time what it wants.
    #[error("no Join in time")]
    NoJoin,
    /// It sent many times more than its budget.
    #[error("more than ten times the budget was sent")]
    Flood,
    /// It does not read what it is sent.
    #[error("what is sent is not read")]
    NotReading,
}

impl Violation {
    /// With which the connection is closed (QUIC's application error code).
    pub fn code(self) -> u32 {
        match self {
            Self::Malformed(_) | Self::Unexpected(_) => 1,
            Self::NoJoin => 2,
            Self::Flood => 3,
            Self::NotReading => 4,
        }
    }
}
