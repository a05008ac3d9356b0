//! The control protocol: all that the operator and a game server share.
//!
//! What goes over the wire is in [`proto`], generated from `control.proto`. Neither end works with it: a
//! message becomes a [`ToServer`] or a [`ToOperator`] as soon as it has come in, by `parse`, which checks
//! every limit and promise once, and becomes protobuf again by `From` when it goes out. The contract in
//! words, for servers in other languages, is `docs/control-protocol.md`.

#![deny(missing_docs)]
// Numbers from the wire index nothing.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod limits;
pub mod proto;

mod beat;
mod closing;
mod fallback;
mod field;
mod greeting;
mod hosted;
mod malformed;
mod moving;
mod negotiation;
mod opening;
mod refusal;
mod report;
mod seeking;
mod standby;
mod tenancy;
mod to_operator;
mod to_server;
mod witness;

#[cfg(test)]
mod tests;

pub use beat::Beat;
pub use closing::{Close, CloseWhy};
pub use fallback::Fallback;
pub use greeting::{Feature, Hello, HelloRefused, HelloRefusedWhy, Welcome};
pub use hosted::{HostedRoom, RoomPhase, RoomPort};
pub use malformed::Malformed;
pub use moving::{Endpoint, MoveTo, Prepare, Transport};
pub use negotiation::{PROTOCOL, agree};
pub use opening::{Open, Opened, Restore};
pub use refusal::{Refused, RefusedWhy};
pub use report::{Fault, RoomState};
pub use seeking::Found;
pub use standby::{Mirror, StandingBy, Token};
pub use tenancy::Tenancy;
pub use to_operator::ToOperator;
pub use to_server::ToServer;
pub use witness::{Finding, Probe, ProbeResult};
