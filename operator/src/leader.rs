//! Who may write: leader election by a `Lease`, terms, and the fence that stops a leader whose lease
//! may have run out.

#[doc(hidden)] // Pure, and run by the search through all histories.
pub mod election;
mod fence;
mod lease;

pub use election::Timing;
pub use fence::{Fence, fenced};
pub use lease::{Elector, Leadership};
