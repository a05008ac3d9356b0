//! Where rooms' checkpoints are kept: Redis, a single node or a cluster.
//!
//! A checkpoint is sealed into an [`envelope`], which says whose it is and tells damage. Four scripts, which Redis
//! runs as one step each, see to it that only the highest epoch of a room may write; [`Store`] calls them. A
//! [`Checkpointer`] decides, for one room, when to save and when to write. The contract in words, for servers in
//! other languages, is `docs/checkpoint-store.md`.

#![deny(missing_docs)]
// Numbers from the store index nothing.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod checkpointer;
pub mod envelope;
pub mod scripts;

mod address;
mod backoff;
mod error;
mod keys;
mod link;
mod options;
mod store;
mod verdict;

#[cfg(test)]
mod manual;

pub use address::BadUrl;
pub use checkpointer::Checkpointer;
pub use envelope::Sealed;
pub use error::StoreError;
pub use keys::room_key;
pub use options::Options;
pub use store::{RESULT_BYTES_MAX, Store};
pub use verdict::{Bid, Mismatch, Taken, Verdict, Written};
