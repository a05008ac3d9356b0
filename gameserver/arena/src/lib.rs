//! The arena: a small real game for 2 to 32 players, as an example and for end-to-end tests. One moves, shoots,
//! picks up what lies around, and wins by score when the time is over.
//!
//! Everything here is pure. It computes with whole numbers alone, positions being fixed-point: sixteenths of a
//! tile. So the same inputs give the same state, and the same hash of it, on every build and every processor.
//!
//!
//! [`Arena`](game::Arena) is what a server hosts. A player's program has a [`Bot`](bot::Bot) that plays, a
//! [`Checker`](checker::Checker) that believes nothing, and a [`view`] for people.

pub mod game;

pub mod bot;
pub mod checker;
pub mod view;

pub mod ballast;
pub mod intake;
pub mod settings;
pub mod state;
pub mod world;

pub mod angle;
pub mod input;
pub mod map;
pub mod random;

#[cfg(test)]
mod tests;
