//! The commands of `gk`, one file each.

mod bench;
mod chaos;
mod demo;
mod down;
mod fault;
mod format;
mod up;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// A real Kubernetes cluster on this machine, and what is done with it.
///
/// With KUBECONFIG set to another cluster, that one is used; what needs nodes of ours says so.
#[derive(Debug, Parser)]
#[command(name = "cargo gk", bin_name = "cargo gk", max_term_width = 110)]
pub struct Gk {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Bench(bench::Bench),
    Chaos(chaos::Chaos),
    Up(up::Up),
    Down(down::Down),
    Fault(fault::Fault),
    /// One side of an echo, for `bench server`.
    #[command(subcommand, hide = true)]
    Echo(crate::bench::players::Echo),
}

impl Gk {
    /// Does what the command line says.
    pub async fn run(self) -> Result<()> {
        match self.verb {
            Verb::Demo(demo) => demo.run().await,
            Verb::Bench(bench) => bench.run().await,
            Verb::Chaos(chaos) => chaos.run().await,
            Verb::Up(up) => up.run().await,
            Verb::Down(down) => down.run().await,
            Verb::Fault(fault) => fault.run().await,
            Verb::Echo(echo) => echo.run().await,
        }
    }
}
