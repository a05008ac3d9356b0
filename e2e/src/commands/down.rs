//! `gk down`.

use anyhow::{Result, bail};

use crate::cluster::{Cluster, Slot};
use crate::target::Target;

/// End a cluster and remove all it left on the machine
#[derive(Debug, clap::Args)]
pub(super) struct Down {
    /// Its slot [default: that of KUBECONFIG, or 0]
    #[arg(long)]
    slot: Option<Slot>,
}

impl Down {
    pub(super) async fn run(self) -> Result<()> {
        match Target::choose(self.slot)? {
            Target::Ours(slot) => Cluster::down(slot).await,
            Target::Foreign(kubeconfig) => {
                bail!("{} names a cluster that is not ours to end: unset KUBECONFIG", kubeconfig.display())
            }
        }
    }
}
