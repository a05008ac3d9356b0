//! Fleets: `observe → validate → plan → apply → report`, one step a file; `plan` is pure.

mod apply;
pub mod controller;
mod observe;
pub mod owner;
pub mod plan;
pub mod pod;
pub mod ports;
mod report;
pub mod revision;
mod validate;
mod verdict;

pub use controller::Context;
pub use owner::Owner;
pub use validate::{Invalid, Serving, Valid};
