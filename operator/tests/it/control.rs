//! Controlled servers: the whole operator, talking to processes that live in memory.

mod bad_input;
mod certificates;
mod everyday;
pub(crate) mod servers;
