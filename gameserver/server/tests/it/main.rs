//! A whole server over loopback: a real gRPC client as its operator, real threads, real games.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod beats;
mod greeting;
mod life;
mod limits;
mod players;
mod quic;
mod restore;
mod standby;
mod stop;
mod store;
mod support;
mod witness;
