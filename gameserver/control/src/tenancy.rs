//! Whose room it is.

use crate::{Malformed, field, limits, proto};

/// A room, and one tenancy of it on a server.
///
/// Commands are idempotent by `(uid, epoch)`; of two tenancies of a room, the one with the higher epoch owns
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenancy {
    /// Of the `GameRoom`.
    pub namespace: String,
    /// Of the `GameRoom`.
    pub name: String,
    /// Of the `GameRoom`. A name may come back, a uid never does.
    pub uid: String,
    /// Grows with every placement: `term << 32 | counter`.
    pub epoch: i64,
}

impl TryFrom<proto::Tenancy> for Tenancy {
    type Error = Malformed;

    fn try_from(tenancy: proto::Tenancy) -> Result<Self, Malformed> {
        let proto::Tenancy { namespace, name, uid, epoch } = tenancy;
        Ok(Self {
            namespace: field::identifier("Tenancy.namespace", namespace, limits::NAMESPACE_BYTES_MAX)?,
            name: field::identifier("Tenancy.name", name, limits::NAME_BYTES_MAX)?,
            uid: field::identifier("Tenancy.uid", uid, limits::UID_BYTES_MAX)?,
            epoch: field::in_range("Tenancy.epoch", epoch, 1..=i64::MAX)?,
        })
    }
}

impl From<Tenancy> for proto::Tenancy {
    fn from(tenancy: Tenancy) -> Self {
        let Tenancy { namespace, name, uid, epoch } = tenancy;
        Self { namespace, name, uid, epoch }
    }
}
