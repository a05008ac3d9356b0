//! Rooms of a game server, pure: no socket, no clock, no thread, no random source.
//!
//! A studio implements [`Game`] and [`GameMaker`]. A [`Room`] runs one game: the players' side of it is its
//! [`Door`], which says who sits where and what they sent since the last tick; [`Pace`] says when a tick is
//! due. The [`Host`] is the book of all rooms of a process: it answers the operator, and says what is to be
//! done. Whoever carries that out, `gamekeeper-server` or a test, brings threads, sockets and the time.

pub mod host;

mod door;
mod ending;
mod game;
mod messages;
mod pace;
mod room;
mod seat;
mod tenancy;
mod text;

pub use door::{
    Door, Heard, INPUT_BYTES_MAX, INPUTS_MAX, Inbound, MESSAGES_WAIT_MAX, NotHeard, NotSeated, Occupant,
    SEATS_MAX,
};
pub use ending::{Ending, TooLarge};
pub use game::{Afterwards, Build, Checkpoint, Declined, Game, GameMaker, Next, Schema, Setup, Tick, Turn};
pub use host::Host;
pub use messages::{MESSAGE_BYTES_MAX, MESSAGES_MAX, Message, Messages, NotSent};
pub use pace::{Due, Pace};
pub use room::{Advance, Phase, Room, RoomNow};
pub use seat::{BadName, PlayerName, Presence, Seat};
pub use tenancy::{Epoch, Tenancy};
pub use text::{TEXT_BYTES_MAX, shortened};
