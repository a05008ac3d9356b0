//! Tests of the definitions as a user meets them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic, and reads better without ceremony"
)]

mod manifest;
mod rules;
