//! Judges a run by what its processes wrote down: servers every tick of every room, players all that they were shown.
//! It believes nobody's conclusions, only lines with times by one clock.
//!
//! [`journals`] are read and put in order as a [`History`]; the [`Record`] says what was broken and when. The
//! [`rules`] find what may not be, [`measure`] says how long it took and how much was lost, [`report`] and
//! [`timeline`] tell people.

pub mod history;
pub mod journals;
pub mod measure;
pub mod record;
pub mod report;
pub mod rules;
pub mod timeline;

#[cfg(test)]
mod tests;

pub use history::History;
pub use record::Record;
pub use report::Report;
pub use rules::{Limits, Violation};
