//! Players over real QUIC, on servers that are just enough for that.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests are tests, and tell how long things took"
)]

mod moving;
mod silences;
mod support;
