//! What a game server in Rust links: many rooms in one process, played by Gamekeeper's rules.
//!
//! A studio brings a [`GameMaker`] that opens its [`Game`]s. A [`Server`] talks to the operator, opens the
//! rooms that it asks for, ticks them at a fixed rate on a few threads, tells how they are, and lets them
//! end in peace when the process is to stop. The players' transport gets them in by [`Rooms`].
//!
//! ```no_run
//! use gamekeeper_server::{Declined, Ending, Game, Next, Server, Setup, Turn, stop_on_signal};
//!
//! struct Minute;
//!
//! impl Game for Minute {
//!     fn tick(&mut self, turn: &Turn<'_>) -> Next {
//!         if turn.tick.0 < 60 * 30 { Next::Tick } else { Next::End(Ending::default()) }
//!     }
//! }
//!
//! async fn play() -> Result<(), Box<dyn std::error::Error>> {
//!     let maker = |_: &Setup| -> Result<Box<dyn Game>, Declined> { Ok(Box::new(Minute)) };
//!     let stop = stop_on_signal()?;
//!     let server = Server::builder(maker).capacity(16).tick_rate(30).threads(2).bind().await?;
//!     server.run(stop).await?;
//!     Ok(())
//! }
//! ```
//!
//! How it is built: the [`Host`](gamekeeper_room::Host) of `gamekeeper-room` decides, and one task, the
//! *desk*, carries out what it says. Streams, threads that tick and threads that open rooms each have their
//! own queue to it. Beats go from the threads that tick straight to the stream, so that nothing but a thread
//! that ticks can send one.

#[cfg(feature = "count-allocations")]
mod allocations;
mod audience;
mod builder;
mod clock;
mod control;
#[doc(hidden)] // Pure, and run by the search through all histories.
pub mod convert;
#[doc(hidden)] // The same.
pub mod custody;
mod desk;
mod listener;
mod measure;
mod opener;
mod outbox;
mod place;
mod players;
mod pulse;
mod rooms;
mod saved;
mod server;
mod signal;
mod standby;
mod state;
mod vault;
mod witness;
mod worker;

pub use builder::{BindError, Builder};
pub use gamekeeper_player::admission::Admission;
pub use gamekeeper_room::{
    Afterwards, Checkpoint, Declined, Ending, Epoch, Game, GameMaker, Messages, Next, NotHeard, NotSeated,
    PlayerName, Presence, Schema, Seat, Setup, Tick, Turn,
};
pub use players::PlayersError;
pub use pulse::Contact;
pub use rooms::{Entrance, Rooms};
pub use server::{RunError, Server, Stopped};
pub use signal::stop_on_signal;
pub use standby::Standing;
pub use state::{State, StateError};
