//! Parts of the cluster that end and begin again.

use anyhow::Result;

use crate::cluster::{Cluster, Component};

/// Ends a component at once.
pub async fn kill(cluster: &Cluster, component: Component) -> Result<()> {
    cluster.kill_process(&component.name()).await
}

/// Starts a component that was killed, and waits for it: the API server, or etcd, until it answers.
pub async fn start(cluster: &Cluster, component: Component) -> Result<()> {
    cluster.start_component(component).await?;
    if matches!(component, Component::Etcd | Component::ApiServer) {
        cluster.answering_client().await?;
    }
    Ok(())
}

/// Ends a component at once and starts it again.
pub async fn restart(cluster: &Cluster, component: Component) -> Result<()> {
    kill(cluster, component).await?;
    start(cluster, component).await
}
