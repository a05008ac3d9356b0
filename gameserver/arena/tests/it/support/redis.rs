//! The Redis of the store's own tests.

#[allow(dead_code, reason = "the store's own tests use all of it")]
#[path = "../../../../store/tests/redis/process.rs"]
mod process;

pub(crate) use process::Server as Redis;
