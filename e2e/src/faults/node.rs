//! Nodes that lose the network, or their power.

use anyhow::Result;

use crate::cluster::{Cluster, NodeNumber, Wish, set_link};

/// Takes a node off the network; all on it runs on.
pub async fn cut(cluster: &Cluster, node: NodeNumber) -> Result<()> {
    set_link(cluster.slot(), node, "down").await
}

/// Ends a [`cut`].
pub async fn join(cluster: &Cluster, node: NodeNumber) -> Result<()> {
    set_link(cluster.slot(), node, "up").await
}

/// Ends a node and all that runs on it at once; its disk stays.
pub async fn power_off(cluster: &Cluster, node: NodeNumber) -> Result<()> {
    // The network first: who has no power does not say good-bye, as the kernel does for a process that is killed.
    cut(cluster, node).await?;
    cluster.cut_power(node).await
}

/// Ends a [`power_off`].
pub(super) async fn power_on(cluster: &Cluster) -> Result<()> {
    Cluster::up(cluster.slot(), Wish::default()).await.map(drop)
}
