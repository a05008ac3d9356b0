//! The whole operator against an API server in memory, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and reads better without ceremony"
)]

mod bad_input;
mod checker;
mod control;
mod convergence;
mod everyday;
mod leadership;
mod neighbour;
mod process;
mod rights;
mod support;
