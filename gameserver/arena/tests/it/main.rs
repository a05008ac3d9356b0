//! What strangers and players do to a server, beside fifty bots who check everything that they are shown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests are tests, and tell what an attack has cost"
)]

mod journals;
mod manners;
mod moving;
mod noise;
mod players;
mod rush;
mod support;
mod tickets;
