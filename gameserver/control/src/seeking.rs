//! Rooms that players look for where they are not.

use crate::{Fallback, Malformed, Tenancy, field, limits, proto};

/// A room that was sought is on another server, or about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As it is there.
    pub tenancy: Tenancy,
    /// Where.
    pub server: Fallback,
}

/// The uids of rooms that are sought.
pub(crate) fn sought_from(sought: proto::Sought) -> Result<Vec<String>, Malformed> {
    let proto::Sought { rooms } = sought;
    field::count("Sought.rooms", rooms.len(), limits::SOUGHT_MAX)?;
    rooms.into_iter().map(|it| field::identifier("Sought.rooms", it, limits::UID_BYTES_MAX)).collect()
}

impl TryFrom<proto::Found> for Found {
    type Error = Malformed;

    fn try_from(found: proto::Found) -> Result<Self, Malformed> {
        let proto::Found { tenancy, server } = found;
        Ok(Self {
            tenancy: field::required("Found.tenancy", tenancy)?.try_into()?,
            server: field::required("Found.server", server)?.try_into()?,
        })
    }
}

impl From<Found> for proto::Found {
    fn from(found: Found) -> Self {
        let Found { tenancy, server } = found;
        Self { tenancy: Some(tenancy.into()), server: Some(server.into()) }
    }
}
