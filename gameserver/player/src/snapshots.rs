//! The lane of snapshots: each as the difference from the newest that the client is known to have.

mod receiver;
mod sender;

pub use receiver::{Received, Receiver, Shown};
pub use sender::{NotSent, Sender};

/// A snapshot that may be a baseline.
#[derive(Debug)]
struct Kept {
    tick: u64,
    state: Vec<u8>,
}
