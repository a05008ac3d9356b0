//! Why a call failed, and what to do then.

use std::{error::Error as _, time::Duration};

use gamekeeper_room::shortened;
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

    /// Of a call that may take so long.
    pub(crate) fn of_call(error: &RedisError, timeout: Duration) -> Self {
        match error.kind() {
            // Where in the script, and why. No password is near.
            ErrorKind::Server(ServerErrorKind::ResponseError) => Self::Garbled(shortened(error.to_string())),
            _ => Self::of_connecting(error, timeout),
        }
    }

    /// Of an attempt to connect that may take so long.
    pub(crate) fn of_connecting(error: &RedisError, timeout: Duration) -> Self {
        // Details may quote what we sent, a password as well. Codes do not, and neither do the kernel's errors.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_connecting_repeats_what_redis_quotes() {
        let quote = || Some("unknown command 'AUTH', with args beginning with: 'hunter2'".to_owned());
        for error in [
            RedisError::from((ErrorKind::Io, "failed", quote().unwrap())),
            RedisError::from((ErrorKind::AuthenticationFailed, "failed", quote().unwrap())),
            RedisError::from((ErrorKind::Client, "failed", quote().unwrap())),
            redis::make_extension_error("WRONGPASS".into(), quote()),
            redis::make_extension_error("ERR".into(), quote()),
        ] {
            let error = StoreError::of_connecting(&error, Duration::ZERO);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        let of =
            |code: &str| StoreError::of_call(&redis::make_extension_error(code.into(), None), Duration::ZERO);
        assert_eq!(of("OOM"), StoreError::NotServing("OOM".into()));
        assert_eq!(of("NOAUTH"), StoreError::Denied("NOAUTH".into()));
        assert_eq!(of("WRONGTYPE"), StoreError::Garbled("WRONGTYPE".into()));
        assert!(of("OOM").is_transient() && !of("NOAUTH").is_transient());
    }
}
