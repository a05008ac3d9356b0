//! `gk up`.

use anyhow::{Result, ensure};

use crate::cluster::{Cluster, Slot, Wish};
use crate::progress::say;
use crate::target::Target;

/// Start a cluster, or what of it does not run, and print the line for a shell to use it
#[derive(Debug, clap::Args)]
pub(super) struct Up {
    /// Clusters in different slots, 0 to 15, run side by side [default: that of KUBECONFIG, or 0]
    #[arg(long)]
    slot: Option<Slot>,
    #[command(flatten)]
    wish: Wish,
}

impl Up {
    pub(super) async fn run(self) -> Result<()> {
        match Target::choose(self.slot)? {
            Target::Ours(slot) => {
                let cluster = Cluster::up(slot, self.wish).await?;
                println!("{}", cluster.shell_line()?);
            }
            foreign @ Target::Foreign(_) => {
                ensure!(self.wish == Wish::default(), "KUBECONFIG names a cluster that is not ours to size");
                let reached = foreign.up().await?;
                say("KUBECONFIG names a cluster that answers: nothing to start");
                println!("export KUBECONFIG={}", reached.kubeconfig().display());
            }
        }
        Ok(())
    }
}
