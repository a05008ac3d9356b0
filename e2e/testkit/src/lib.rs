//! A Kubernetes API server in memory, and a cluster behind it, for tests of whole operators in
//! virtual time: no sockets, no real time, reproducible from a seed.
//!
//! [`FakeApi`] keeps the promises that operators lean on: resource versions and conflicts,
//! generations, separate status writes, finalizers, graceful deletion, garbage collection, watches
//! that miss nothing. [`Faults`], outages, [`CrashPoint`]s and [`PauseHandle`]s break what a network
//! and a process may break, and nothing else. Every request is in the [log](Entry).
//!
//! [`sim::Cluster`] plays the scheduler, the kubelets and the node controller, and knows which
//! processes *really* run, whatever the API says.
//!
//! Left out, and to be shown on a real API server: schemas and defaults, CEL but for the rules in
//! `rules.rs`, field ownership beyond what applying managers sent, conversion, admission webhooks.

#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that misuses the kit is told by a panic"
)]

mod answer;
mod api;
mod call;
mod client;
mod clock;
mod faults;
mod log;
mod owners;
mod patch;
pub mod promises;
mod resource;
mod rules;
mod selector;
pub mod sim;
mod state;
mod verbs;
mod watch;

pub use api::FakeApi;
pub use client::{ClientOptions, Connection, Counting, CrashPoint, PauseHandle, When};
pub use faults::{Fault, Faults};
pub use log::{Entry, Verb};
