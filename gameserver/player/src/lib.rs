//! The players' protocol, pure: no socket, no clock; bytes and times in, bytes and decisions out.
//!
//! A client opens one stream over QUIC, the *reliable lane*, for [frames](frame), and both ends send
//! [datagrams](datagram), the *unreliable lane*: [inputs] to the server, [snapshots] to the player. The state
//! machines of both ends are in [session]. Who is let in is decided by [admission] and [tickets](ticket). The
//! contract in words, for clients in other languages, is `docs/player-protocol.md`.

#![deny(missing_docs)]
// Numbers from the wire index nothing.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod admission;
pub mod datagram;
pub mod delta;
pub mod frame;
pub mod inputs;
pub mod limits;
pub mod session;
pub mod snapshots;
pub mod ticket;
pub mod varint;

mod bucket;
mod lane;
mod malformed;
mod wire;

#[cfg(test)]
mod tests;

pub use malformed::Malformed;
