//! Where a room was published, and for how long.

use gamekeeper_crds::GameRoom;
use gamekeeper_crds::room::Phase;
use kube::{Resource, ResourceExt as _};
use tokio::time::Instant;

/// A room on a server, as its status published it.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// The room's name.
    pub room: String,
    /// Its number.
    pub epoch: i64,
    /// The name of the server's pod.
    pub pod: String,
    /// The pod's uid.
    pub pod_uid: String,
    /// The server's process; plain servers do not name theirs.
    pub boot: Option<String>,
    /// When it was seen first.
    pub from: Instant,
    /// When it was seen to be over, if it is.
    pub ended: Option<Ended>,
}

/// The end of a tenancy.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// When it was seen.
    pub at: Instant,
    /// Of the write that ended it: the API server numbers all writes, whatever their kind.
    pub revision: u64,
}

impl Tenancy {
    /// What a room's status publishes.
    pub(super) fn published(room: &GameRoom, now: Instant) -> Option<Self> {
        let status = room.status.as_ref().filter(|it| it.phase == Phase::Running)?;
        let server = status.server.clone()?;
        Some(Self {
            room: room.name_any(),
            epoch: status.epoch,
            pod: server.pod_name,
            pod_uid: server.pod_uid,
            boot: server.boot_id,
            from: now,
            ended: None,
        })
    }

    /// Whether it is on the same process of the same server, under the same epoch.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.pod_uid == other.pod_uid && self.boot == other.boot
    }

    /// Whether the room was here when, or after, the write with this number was made.
    pub(super) fn outlasts(&self, revision: u64) -> bool {
        self.ended.is_none_or(|it| revision < it.revision)
    }
}

/// The number of the write that made an object what it is.
pub(super) fn revision(object: &impl Resource) -> u64 {
    object.resource_version().and_then(|it| it.parse().ok()).unwrap_or_default()
}
