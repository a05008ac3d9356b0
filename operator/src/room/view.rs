//! Fleets and servers as the ledger sees them.

use std::{collections::BTreeMap, time::Duration};

use gamekeeper_crds::{fleet::PlacementStrategy, room::Endpoint};

use crate::{
    name::ObjectName,
    server::{Claim, pod::Exit},
};

/// A fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct FleetView {
    /// Managed by this operator. Rooms of other fleets are left alone.
    pub is_ours: bool,
    /// Takes rooms: it is not being deleted.
    pub is_open: bool,
    pub strategy: PlacementStrategy,
    /// Rooms go to servers of this revision first, so that older ones can be replaced.
    pub newest_revision: Option<String>,
    /// How many rooms a server hosts at most, if it offers that many.
    pub max_rooms: usize,
    /// How long a room waits for its first player.
    pub claim_timeout: Duration,
    /// It has a store for the state of rooms.
    pub has_store: bool,
    /// After so long without a word of us or of the store, its servers freeze their rooms.
    pub fence_after: Duration,
    /// Its servers have standbys, as far as they offer that.
    pub has_standbys: bool,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    pub uid: String,
    pub fleet: ObjectName,
    pub pod_name: String,
    pub node: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub revision: String,
    pub state: ServerState,
    /// Its pod is being deleted; nothing more can be done to it.
    pub is_deleting: bool,
    /// Speaks the control protocol: what it hosts is what it says itself. Else it is plain.
    pub is_controlled: bool,
    /// Of a plain server.
    pub claim: Option<Claim>,
    /// Where its players go.
    pub endpoints: Vec<Endpoint>,
}

/// What a server can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Not ready yet.
    Starting,
    /// Takes a room.
    Ready,
    /// Answered once, and no longer does.
    Unhealthy,
    /// Its node is to be emptied, or the server is being deleted.
    Draining,
    /// Its node is out of reach.
    Unreachable,
    /// Its process has ended, for good.
    Ended(Exit),
}

impl ServerView {
    /// Whether its process may still be running.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, ServerState::Ended(_))
    }

    /// Whether its process has ended otherwise than with its match.
    pub fn has_failed(&self) -> bool {
        matches!(self.state, ServerState::Ended(exit) if !exit.is_success())
    }

    /// Namespace and name of its pod.
    pub fn pod(&self) -> ObjectName {
        ObjectName::new(&self.fleet.namespace, &self.pod_name)
    }
}
