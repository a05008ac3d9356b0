//! The store against a real `redis-server`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, with their helpers")]

mod redis {
    pub(crate) mod process;
    pub(crate) mod server;

    mod cluster;
    mod owners;
    mod trouble;
}
