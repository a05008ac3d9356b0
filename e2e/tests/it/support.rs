//! What scenarios are told in: an arena with fleets and rooms, players in their matches, and a referee.

mod arena;
mod book;
mod game;
mod manifests;
mod operators;
mod pods;
mod scenario;
mod shelf;

use std::time::Duration;

pub(crate) use arena::Arena;
pub(crate) use game::Game;
pub(crate) use manifests::server;
pub(crate) use operators::Operators;
pub(crate) use pods::{claim_of, is_ready, node_of};
pub(crate) use scenario::{alone, together};

/// How long anything may take that is done in seconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
