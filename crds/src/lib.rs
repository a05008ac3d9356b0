//! The custom resources of Gamekeeper, `gamekeeper.dev/v1alpha1`: what a platform team and a
//! matchmaker write, what the operator answers, and the words that both use.
//!
//! Types, labels and reasons only: whoever uses this crate gets no client and no runtime with it.

pub mod conditions;
pub mod duration;
pub mod examples;
pub mod fleet;
pub mod labels;
pub mod manifest;
pub mod room;
pub mod template;

pub use duration::GoDuration;
pub use fleet::{GameFleet, GameFleetSpec, GameFleetStatus};
pub use room::{GameRoom, GameRoomSpec, GameRoomStatus};
pub use template::PodTemplate;

/// The API group of both kinds, and the prefix of every label and annotation.
pub const GROUP: &str = "gamekeeper.dev";
