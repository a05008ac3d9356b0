//! The arena: a small real game for 2 to 32 players, as an example and for end-to-end tests. One moves, shoots,
//! picks up what lies around, and wins by score when the time is over.
//!
//! Everything here is pure. It computes with whole numbers alone, positions being fixed-point: sixteenths of a
//! tile. So the same inputs give the same state, and the same hash of it, on every build and every processor.
//!

pub mod angle;
pub mod input;
pub mod map;
pub mod random;
