//! Why a call failed, and what to do then.

use std::{error::Error as _, time::Duration};

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why there is no answer of the store. None of them names an owner: the room stays whose it was, and the match
/// runs on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer in time. Whether the call took effect is not known; it may be made again, as all of them may.
    #[error("the store did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// There is no connection. Call again: the pauses between attempts to connect are kept here, and a call in
    /// between fails at once.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// Redis is there and does not serve: it loads its data, is a replica, lacks memory, its cluster lacks a shard.
    /// Call again; people must look at it if it lasts.
    #[error("the store does not serve now: {0}")]
    NotServing(String),
    /// User, password or the rights of the user are wrong. It is tried again with every new connection, since
    /// Redis may be mended, but tell people: the URL or Redis' configuration must be changed.
    #[error("the store refuses our user, password or rights: {0}")]
    Denied(String),
    /// More than [`RESULT_BYTES_MAX`](crate::RESULT_BYTES_MAX) or
    /// [`ENVELOPE_BYTES_MAX`](crate::envelope::ENVELOPE_BYTES_MAX) bytes. Do not call again with the same.
    #[error("{bytes} bytes for the store, where {max} are allowed")]
    TooLarge {
        /// So many there are.
        bytes: usize,
        /// So many are allowed.
        max: usize,
    },
    /// Redis answered what our scripts never say. Something else uses the key, or another release does. Tell people.
    #[error("the store's answer is not understood: {0}")]
    Garbled(String),
}

impl StoreError {
    /// Whether it may be gone by itself when the same call is made again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Unreachable(_) | Self::NotServing(_) => true,
            Self::Denied(_) | Self::TooLarge { .. } | Self::Garbled(_) => false,
        }
    }

    /// Of an error of the client library, of a call or an attempt to connect that may take so long.
    pub(crate) fn of(error: &RedisError, timeout: Duration) -> Self {
        // Details may quote what we sent. Codes do not, and neither do the kernel's errors.
        let code = error.code().unwrap_or_else(|| error.category()).to_owned();
        match error.kind() {
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
                Self::Denied(code)
            }
            _ if matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM")) => Self::Denied(code),
            _ if error.is_timeout() => Self::Timeout(timeout),
            ErrorKind::Server(ServerErrorKind::ResponseError | ServerErrorKind::CrossSlot) => {
                Self::Garbled(code)
            }
            ErrorKind::Server(_) => Self::NotServing(code),
            ErrorKind::Extension if NOT_SERVING.contains(&code.as_str()) => Self::NotServing(code),
            ErrorKind::Extension | ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Self::Garbled(code),
            ErrorKind::Io => Self::Unreachable(error.source().map_or(code, ToString::to_string)),
            _ => Self::Unreachable(code),
        }
    }
}

/// Error codes of Redis that the client library has no name for, and that pass.
const NOT_SERVING: [&str; 4] = ["OOM", "MISCONF", "NOREPLICAS", "BUSY"];
