//! What may be wrong with a message.

/// A message breaks a promise of the contract.
///
/// Fields are named as in `control.proto`: `Tenancy.uid`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// What the receiver cannot do without is not there, or is empty.
    #[error("{field} is missing")]
    Missing {
        /// Which field.
        field: &'static str,
    },
    /// An identifier or a map is longer than agreed. Texts for people are cut instead.
    #[error("{field} has {length} bytes, and at most {limit} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// What it has, in bytes.
        length: usize,
        /// What it may have.
        limit: usize,
    },
    /// A list or map has more entries than agreed.
    #[error("{field} has {count} entries, and at most {limit} are allowed")]
    TooMany {
        /// Which field.
        field: &'static str,
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A number is not one of those agreed.
    #[error("{field} is {value}, which is not from {min} to {max}")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What it is.
        value: i64,
        /// The lowest value allowed.
        min: i64,
        /// The highest value allowed.
        max: i64,
    },
    /// An enum has a value that this release does not know and cannot ignore, or none.
    #[error("{field} is {value}, which this release does not know")]
    UnknownValue {
        /// Which field.
        field: &'static str,
        /// The number on the wire.
        value: i32,
    },
    /// A text is not of the form agreed.
    #[error("{field} is not {form}")]
    WrongForm {
        /// Which field.
        field: &'static str,
        /// What it should be.
        form: &'static str,
    },
    /// A room is listed more than once.
    #[error("the room {uid} is listed twice")]
    RoomTwice {
        /// The uid of the room.
        uid: String,
    },
}
