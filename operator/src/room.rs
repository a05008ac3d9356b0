//! Rooms: where each lives, what becomes of it, and who waits.
//!
//! [`ledger`] decides and knows no client; [`driver`](crate::driver) carries out what it says.

pub mod fallbacks;
pub mod ledger;
pub mod life;
pub mod placement;
pub mod status;
pub mod tenancy;
mod view;

pub use ledger::{Command, Event, Ledger, Outcome};
pub use view::{FleetView, ServerState, ServerView};

#[cfg(test)]
mod tests;
