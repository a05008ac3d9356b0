//! Controlled servers: the whole operator, talking to processes that live in memory.

mod bad_input;
mod certificates;
mod everyday;
mod losses;
pub(crate) mod servers;
mod standbys;
