//! The operator: runs fleets of game servers and places rooms on them.
//!
//! `ARCHITECTURE.md` at the repository's root has the map.

#![allow(
    missing_docs,
    reason = "a program's parts, not a library for others; files and types say what they are for"
)]

pub mod admin;
pub mod backoff;
pub mod cache;
pub mod clock;
pub mod config;
pub mod driver;
pub mod events;
pub mod fleet;
pub mod leader;
pub mod logs;
pub mod metrics;
pub mod name;
pub mod operator;
pub mod room;
pub mod server;
pub mod terms;
pub mod watch;
pub mod world;

/// The owner of every field that this operator sets.
pub const FIELD_MANAGER: &str = "gamekeeper";
