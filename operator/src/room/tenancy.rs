//! A room on a server, as the server has it.

use gamekeeper_control::{HostedRoom, RoomPhase};

use super::{ServerState, ServerView, status::How};
use crate::terms::Epoch;

/// A room on a server: the claim of a plain server, or a room that a controlled server says it has.
#[derive(Clone, Copy, Debug)]
pub struct Tenancy<'a> {
    pub server: &'a ServerView,
    pub epoch: Epoch,
    /// Its server can be talked to now; always, where that takes no link.
    pub is_reachable: bool,
    /// What a controlled server says of the room, and which process of it.
    pub hosted: Option<(&'a HostedRoom, &'a str)>,
    /// Whether its state outlives the server.
    pub keeping: Keeping<'a>,
    /// Its server is lost although its pod stands, or it was given up.
    pub lost: Option<How>,
    /// The room was sent elsewhere: even if its server comes back, it does not get it back under this epoch.
    pub is_given_up: bool,
}

/// Whether the state of a room outlives its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping<'a> {
    /// The server does not restore rooms, and its fleet has no store.
    Nothing,
    /// The server does not restore rooms, although its fleet has a store.
    NotOffered,
    /// It does, and has not told us yet of a checkpoint of this one.
    Unheard,
    /// The store has a checkpoint.
    Saved,
    /// The store does not take checkpoints, for this reason.
    Failing(&'a str),
}

impl Keeping<'_> {
    /// Whether its server keeps to the store's word of who owns a room.
    pub fn is_by_store(self) -> bool {
        match self {
            Self::Nothing | Self::NotOffered => false,
            Self::Unheard | Self::Saved | Self::Failing(_) => true,
        }
    }
}

/// What became of a room on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there, and may be played.
    Lives,
    /// It is there, and does not tick: a move or a recovery that has not come so far, or is over.
    Idle,
    /// Its match was played to its end.
    Played,
    /// It went down with its server.
    Lost(How),
}

impl Tenancy<'_> {
    /// What became of the room here.
    pub fn fate(&self) -> Fate {
        let is_finished = self.hosted.is_some_and(|(room, _)| room.phase == RoomPhase::Finished);
        match self.server.state {
            _ if is_finished => Fate::Played,
            // The process of a plain server is its match; a controlled one says when a match is over.
            ServerState::Ended(exit) if self.hosted.is_none() && exit.is_success() => Fate::Played,
            ServerState::Ended(exit) => Fate::Lost(How::Exited(exit)),
            _ if let Some(how) = self.lost => Fate::Lost(how),
            _ if self.hosted.is_some_and(|(room, _)| !ticks(room.phase)) => Fate::Idle,
            _ => Fate::Lives,
        }
    }

    /// Whether it is there, and may be played.
    pub fn is_alive(&self) -> bool {
        self.fate() == Fate::Lives
    }
}

fn ticks(phase: RoomPhase) -> bool {
    match phase {
        RoomPhase::Waiting | RoomPhase::Playing => true,
        RoomPhase::Prepared
        | RoomPhase::Loading
        | RoomPhase::Restoring
        | RoomPhase::Released
        | RoomPhase::Finished => false,
    }
}
