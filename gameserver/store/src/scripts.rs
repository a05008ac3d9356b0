//! The scripts that Redis runs, each as one step. All begin with the same rule.

/// Keeps a checkpoint: key; epoch, lifetime, tick, envelope.
pub const WRITE: &str = concat!(include_str!("scripts/owner.lua"), include_str!("scripts/write.lua"));

/// Makes its caller the owner: key; epoch, lifetime, fence, silence.
pub const TAKE: &str = concat!(include_str!("scripts/owner.lua"), include_str!("scripts/take.lua"));

/// Asks who is the owner: key; epoch, lifetime.
pub const CHECK: &str = concat!(include_str!("scripts/owner.lua"), include_str!("scripts/check.lua"));

/// Ends a room: key; epoch, lifetime, result.
pub const FINISH: &str = concat!(include_str!("scripts/owner.lua"), include_str!("scripts/finish.lua"));
