//! What happens to a host, and what it wants done.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use crate::{Ending, Epoch, Phase, RoomNow, Tenancy, Tick};

/// A room of this process: the same uid may come back under another number, a number never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomNumber(pub u64);

/// A stream of an operator; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream began with a Hello.
    Greeted {
        /// Which.
        stream: StreamId,
        /// The leadership that it speaks for.
        term: u32,
        /// The version of the protocol that both speak, if there is one.
        protocol: Option<u32>,
        /// How often beats are wanted.
        heartbeat: Duration,
    },
    /// A stream began with anything else, or a second Hello came over it.
    Garbled(StreamId),
    /// A command came over a stream.
    Asked(StreamId, Command),
    /// A stream is no more.
    StreamEnded(StreamId),
    /// The answer to [`Action::Make`].
    Made {
        /// Which.
        room: RoomNumber,
        /// Or why there is none.
        outcome: Result<(), NotMade>,
    },
    /// There is news of the checkpoints of a room that runs.
    Saving(RoomNumber, Saving),
    /// A room that runs is in another state than before. When it is finished, nothing more is heard of it.
    Changed(RoomNumber, RoomNow),
    /// A room that ran is gone, by a fault of its game. Nothing more is heard of it.
    Broke {
        /// Which.
        room: RoomNumber,
        /// For people.
        message: String,
    },
    /// The answer to [`Action::Drop`].
    Gone(RoomNumber),
    /// What is told with every room has changed, such as the certificate by which players know this server.
    Restate,
    /// The process was told to stop: it takes no new rooms.
    Stopping,
    /// It is as late as [`next_due`](super::Host::next_due) said.
    TimePassed,
}

/// Why a room was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// The game does not take the seats or parameters: for people.
    Declined(String),
    /// Its checkpoint cannot be had, or not be read: for people.
    Checkpoint(String),
    /// A later owner has taken it, by the store.
    Fenced {
        /// The epoch of that owner.
        owner: Epoch,
    },
    /// The store has heard its owner not long enough ago.
    OwnerAlive,
    /// Its match is over, by the store.
    Over(Arc<Ending>),
}

/// News of a room's checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saving {
    /// The store has the first one, of this tick.
    Begun(Tick),
    /// The store has taken none for as long as the fence allows: for people.
    Failing(String),
    /// It takes them again.
    Recovered,
}

/// What the operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A room.
    Open(Order),
    /// A room's end.
    Close(Tenancy),
    /// No new rooms; or `false`, new rooms again.
    Drain(bool),
    /// No room ever again.
    Retire,
    /// Something about a room that this server did not offer, or that is malformed.
    Unsupported {
        /// Which.
        tenancy: Tenancy,
        /// For people.
        message: String,
    },
}

/// What a room is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which.
    pub tenancy: Tenancy,
    /// `None`: the `GameRoom` does not say.
    pub seats: Option<NonZeroU32>,
    /// Of the `GameRoom`.
    pub parameters: BTreeMap<String, String>,
    /// Another server has lost it: it goes on from its checkpoint, if there is one.
    pub restore: Option<Restore>,
}

/// How a room is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restore {
    /// Checkpoints of later owners are not restored. `None`: the newest is.
    pub lost_epoch: Option<Epoch>,
    /// The old owner may still live: it ticks only when the store's fence has passed.
    pub fence: bool,
    /// The owner under this epoch has ended for certain, and there was none after it. `None`: not known.
    pub ended_epoch: Option<Epoch>,
    /// It is taken only if the store has not heard its owner for so long. `None`: in any case.
    pub owner_silent: Option<Duration>,
}

/// Something is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this. A stream that does not take it is ended, and [`Event::StreamEnded`] tells.
    Send(StreamId, Report),
    /// Beats go to this stream from now on, and to no other.
    Beat(StreamId, Duration),
    /// End the stream, after what was sent over it. There is no answer.
    End(StreamId),
    /// End the stream at once, whatever was sent over it: another counts. There is no answer.
    Replace(StreamId),
    /// Make the game of a room. Answered by [`Event::Made`].
    Make(RoomNumber, Order),
    /// Let players in and tick the room that was made.
    Run(RoomNumber, Tenancy),
    /// The room goes on under this epoch.
    Adopt(RoomNumber, Epoch),
    /// Let no player in any more: the room has ended by itself.
    Shut(RoomNumber),
    /// Let no player in any more, and drop the room that runs. Answered by [`Event::Gone`], unless a last
    /// [`Event::Changed`] or [`Event::Broke`] was on its way.
    Drop(RoomNumber),
}

/// Something is to be said to the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Its Hello is accepted.
    Welcome(Welcome),
    /// Its Hello is not accepted.
    HelloRefused {
        /// The reason.
        why: HelloRefusedWhy,
        /// The highest term that was seen.
        highest_term: u32,
    },
    /// The room is open.
    Opened(Tenancy),
    /// A command about a room is not carried out.
    Refused {
        /// As in the command.
        tenancy: Tenancy,
        /// The reason.
        why: RefusedWhy,
        /// The epoch under which the room is here, if it is.
        current: Option<Epoch>,
        /// For people.
        message: String,
    },
    /// A room has changed.
    RoomState {
        /// Which.
        tenancy: Tenancy,
        /// How far it is.
        phase: Phase,
        /// How many are there.
        players: u32,
        /// The store has a checkpoint of it: the tick of the first.
        checkpoint: Option<Tick>,
    },
    /// The store does not take a room's checkpoints, and why; without a reason, it does again.
    CheckpointFailed(Tenancy, String),
    /// A match is over. Answers an Open of it, too.
    Finished(Tenancy, Arc<Ending>),
    /// The room is not here.
    Closed(Tenancy),
    /// Whether new rooms are taken.
    Draining(bool),
    /// The answer to [`Command::Retire`].
    Retired {
        /// It is.
        is_retired: bool,
        /// How many rooms stand against it.
        rooms: usize,
    },
    /// A room is gone by its own fault.
    Fault(Tenancy, String),
}

/// What an operator is told first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The version that both speak.
    pub protocol: u32,
    /// `Retire` was accepted.
    pub is_retired: bool,
    /// No new rooms are taken.
    pub is_draining: bool,
    /// All rooms that are here.
    pub rooms: Vec<Hosted>,
}

/// A room that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosted {
    /// Which.
    pub tenancy: Tenancy,
    /// How far it is, with its result if it is finished.
    pub now: RoomNow,
}

/// Why a Hello is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HelloRefusedWhy {
    /// A higher term was seen.
    Term,
    /// No common version of the protocol.
    Protocol,
    /// Not a Hello, or not one at the right place.
    Malformed,
}

/// Why a command about a room is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusedWhy {
    /// The room is here under a higher epoch.
    Epoch,
    /// As many rooms as the server can host.
    Full,
    /// No new rooms are taken.
    Draining,
    /// No room will ever be taken.
    Retired,
    /// The game does not take these seats or parameters.
    Parameters,
    /// Its checkpoint cannot be had, or not be read by this build.
    Checkpoint,
    /// A later owner has taken it, by the store.
    Fenced,
    /// The store has heard the owner not long enough ago: nothing was changed.
    OwnerAlive,
    /// The command was not offered, or is malformed.
    Unsupported,
    /// The room is not here, or was closed before it was open.
    UnknownRoom,
}
