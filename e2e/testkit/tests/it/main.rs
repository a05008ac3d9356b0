//! The kit keeps the promises of the real server, and breaks only what it is told to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod cluster;
mod faults;
mod objects;
mod promises;
mod refusals;
mod support;
mod watches;
