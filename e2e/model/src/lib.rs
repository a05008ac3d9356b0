//! Ownership, searched exhaustively: who has a room, while servers and operators die, stand still and are cut off, and
//! messages are lost, late and doubled.
//!
//! The machines are the real ones: the operator's ledger and its election, the server's book of rooms, the custody that
//! says whether a room may be ticked, and the pace of checkpoints. The store is four short scripts; they are told again in
//! Rust, and a test holds that to the scripts in a real Redis. Around them is a small world in which everything that may
//! happen next does happen, each in a history of its own.
//!
//! What makes that affordable: states of machines are kept once, have numbers, and are never asked the same twice
//! ([`intern`]). A state of the world is then a few numbers, and millions are visited while a machine runs some thousand
//! times.
//!
//! Time is in steps of half of the fence's time. Within a step all orders of all messages are tried; a message that is still
//! on its way when time passes is a fault, and costs one of [`Bounds::messages`](bounds::Bounds).

#![allow(
    missing_docs,
    reason = "a program's parts, not a library for others; files and types say what they are for"
)]

pub mod actions;
pub mod bounds;
pub mod intern;
pub mod judge;
pub mod leader;
pub mod model;
pub mod process;
pub mod scene;
pub mod search;
pub mod store;
pub mod walks;
pub mod words;
pub mod world;

mod apply;
mod rules;
mod wrong;
