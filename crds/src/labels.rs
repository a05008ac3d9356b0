//! Labels and annotations that the operator puts on what it makes.

/// Label of a server's pod, a revision and a disruption budget: the name of their fleet.
pub const FLEET: &str = "gamekeeper.dev/fleet";

/// Label of a server's pod and a revision: the hash that names the revision.
pub const REVISION: &str = "gamekeeper.dev/revision";

/// Annotation of a plain server's pod: the name of the room that has claimed it.
///
/// Written together with [`ROOM_UID`] and [`EPOCH`] by one compare-and-set; never removed, since a
/// plain server serves one match and then ends.
pub const ROOM: &str = "gamekeeper.dev/room";

/// Annotation of a plain server's pod: the uid of the room that has claimed it.
pub const ROOM_UID: &str = "gamekeeper.dev/room-uid";

/// Annotation of a plain server's pod: the epoch under which its room claimed it, in decimal.
pub const EPOCH: &str = "gamekeeper.dev/epoch";

/// Annotation of a plain server's pod: the room's parameters as a JSON object of strings.
///
/// A server that wants them mounts it by the downward API; they appear there a moment after the claim.
pub const PARAMETERS: &str = "gamekeeper.dev/parameters";

/// Annotation of a server's pod: how many servers in a row failed before this one in its place.
pub const FAILURES: &str = "gamekeeper.dev/failures";

/// Annotation of a node: the address at which players reach it, instead of those in its status (NAT).
pub const ADDRESS: &str = "gamekeeper.dev/address";

/// Annotation of a server's pod: the port of its control service; absent on plain servers.
pub const CONTROL_PORT: &str = "gamekeeper.dev/control-port";
