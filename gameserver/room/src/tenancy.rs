//! Which room, and which tenancy of it.

use std::fmt;

/// The number of a room's tenancy on a server; grows with every placement, and the higher one owns the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A room and one tenancy of it. All commands about a room are idempotent by uid and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenancy {
    /// Of the `GameRoom`.
    pub namespace: String,
    /// Of the `GameRoom`.
    pub name: String,
    /// Of the `GameRoom`; a name may come back, a uid never does.
    pub uid: String,
    /// Under which the room is here.
    pub epoch: Epoch,
}
