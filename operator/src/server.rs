//! Servers: pods of fleets, as we see them, and whether they can be played on.

pub mod connector;
pub mod health;
pub mod link;
pub mod links;
pub mod node;
pub mod pod;
pub mod probe;
pub mod prober;
pub mod pulse;
pub mod reach;
pub mod suspicion;

pub use health::Health;
pub use node::Node;
pub use pod::{Claim, ServerPod};
