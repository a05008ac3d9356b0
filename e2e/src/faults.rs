//! Breaking things on purpose. None of it needs a working API server, but for deleting a pod; [`Cluster::up`] repairs what
//! ends a process, and [`Faults`] mends all that it broke.

mod burners;
mod component;
mod container;
mod ledger;
mod memory;
mod network;
mod node;
mod pod;
mod signal;
mod slow;

pub use component::{kill, restart, start};
pub use container::{Container, Victim};
pub use ledger::{Fault, Faults};
pub use network::Partition;
pub use node::{cut, join, power_off};
pub use signal::{Signal, freeze, signal, unfreeze};

#[cfg(doc)]
use crate::cluster::Cluster;
