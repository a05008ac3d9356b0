//! Which cluster commands and tests work on: one of ours, or the one that KUBECONFIG names.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use kube::Client;

use crate::cluster::{Cluster, Slot, Wish, client};
use crate::{paths, tools};

/// The cluster to work on.
#[derive(Clone, Debug)]
pub enum Target {
    /// One of ours, which can be made, broken and given images.
    Ours(Slot),
    /// Somebody's, that is taken as it is.
    Foreign(PathBuf),
}

impl Target {
    /// The cluster of KUBECONFIG, which may be one of ours; without it the one in slot 0.
    pub fn from_env() -> Result<Self> {
        let Some(value) = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) else {
            return Ok(Self::Ours(Slot::default()));
        };
        let path = PathBuf::from(value);
        Ok(Slot::of_kubeconfig(&path)?.map_or(Self::Foreign(path), Self::Ours))
    }

    /// The same, unless a slot is given.
    pub fn choose(slot: Option<Slot>) -> Result<Self> {
        slot.map_or_else(Self::from_env, |slot| Ok(Self::Ours(slot)))
    }

    /// Brings the cluster up if it is ours.
    pub async fn up(self) -> Result<Reached> {
        self.up_as(Wish::default()).await
    }

    /// The same, as wished; what is not ours cannot be.
    pub async fn up_as(self, wish: Wish) -> Result<Reached> {
        match self {
            Self::Ours(slot) => Cluster::up(slot, wish).await.map(Reached::Ours),
            Self::Foreign(kubeconfig) => {
                ensure!(wish == Wish::default(), "KUBECONFIG names a cluster that is not ours to size");
                let reached = Reached::Foreign { kubeconfig };
                match reached.client().await?.apiserver_version().await {
                    Ok(_) => Ok(reached),
                    Err(error) => bail!(
                        "KUBECONFIG names {}, whose cluster does not answer: {error}; unset it for a local cluster",
                        reached.kubeconfig().display()
                    ),
                }
            }
        }
    }
}

/// A cluster that answers.
#[derive(Clone, Debug)]
pub enum Reached {
    /// One of ours.
    Ours(Cluster),
    /// Somebody's.
    Foreign {
        /// How to reach it.
        kubeconfig: PathBuf,
    },
}

impl Reached {
    /// How to reach it.
    pub fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Ours(cluster) => cluster.kubeconfig(),
            Self::Foreign { kubeconfig } => kubeconfig.clone(),
        }
    }

    /// A client that belongs to the calling runtime.
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig()).await
    }

    /// The cluster if it is ours, for `what`, which needs nodes of ours.
    pub fn ours(&self, what: &str) -> Result<&Cluster> {
        match self {
            Self::Ours(cluster) => Ok(cluster),
            Self::Foreign { kubeconfig } => bail!(
                "{what} needs nodes of ours, and KUBECONFIG names another cluster ({}): unset it for a local cluster",
                kubeconfig.display()
            ),
        }
    }

    /// `kubectl` or `helm` for it.
    pub async fn program(&self, name: &str) -> Result<PathBuf> {
        match self {
            Self::Ours(_) => Ok(paths::bin()?.join(name)),
            Self::Foreign { .. } => tools::client(name).await,
        }
    }
}
