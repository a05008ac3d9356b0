//! Who may run at the same time, and what every scenario uses.

mod both;
mod scenario;

pub(crate) use both::{BOTH, Kind, with_both};
pub(crate) use e2e::arena::{Arena, Game, PATIENCE, claim_of, is_ready, node_of, server};
pub(crate) use e2e::operators::Operators;
pub(crate) use scenario::{alone, together};
