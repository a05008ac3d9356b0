//! What may be wrong with bytes from the other end.

/// A frame or datagram is not as the contract says. Whoever sends one has no part in the room any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends before its last field does.
    #[error("{field} is cut short")]
    Truncated {
        /// Which field.
        field: &'static str,
    },
    /// It is longer than agreed.
    #[error("{field} has {length} bytes, and at most {limit} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// What it has, in bytes.
        length: u64,
        /// What it may have.
        limit: usize,
    },
    /// A list has more entries than agreed.
    #[error("{field} has {count} entries, and at most {limit} are allowed")]
    TooMany {
        /// Which field.
        field: &'static str,
        /// How many it has.
        count: u64,
        /// How many it may have.
        limit: usize,
    },
    /// What must be there is empty.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// A text is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotText {
        /// Which field.
        field: &'static str,
    },
    /// A number is not one of those agreed.
    #[error("{field} cannot be {value}")]
    BadValue {
        /// Which field.
        field: &'static str,
        /// What it is.
        value: u64,
    },
}
