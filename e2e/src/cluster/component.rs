//! The parts of a cluster that can be started, and killed, one by one.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, bail};

use super::NodeNumber;

/// A process of a cluster, but for what pods run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The store of the API server.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers of Deployments, node health, garbage collection and so on.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// A node's runtime of containers; they live on without it.
    Containerd(NodeNumber),
    /// A node's kubelet; pods live on without it.
    Kubelet(NodeNumber),
    /// A node's way to Services; what it wrote works on without it.
    KubeProxy(NodeNumber),
}

impl Component {
    /// The control plane, in the order of starting.
    pub const CONTROL_PLANE: [Self; 4] =
        [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// Its name, for pid files, logs and command lines: `etcd`, `node-1.kubelet`.
    pub fn name(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Etcd => f.write_str("etcd"),
            Self::ApiServer => f.write_str("kube-apiserver"),
            Self::ControllerManager => f.write_str("kube-controller-manager"),
            Self::Scheduler => f.write_str("kube-scheduler"),
            Self::Containerd(node) => write!(f, "{node}.containerd"),
            Self::Kubelet(node) => write!(f, "{node}.kubelet"),
            Self::KubeProxy(node) => write!(f, "{node}.kube-proxy"),
        }
    }
}

impl FromStr for Component {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(component) = Self::CONTROL_PLANE.into_iter().find(|component| component.name() == text) {
            return Ok(component);
        }
        let (node, what) = text.split_once('.').with_context(|| format!("no component is called {text}"))?;
        let node = node.parse()?;
        match what {
            "containerd" => Ok(Self::Containerd(node)),
            "kubelet" => Ok(Self::Kubelet(node)),
            "kube-proxy" => Ok(Self::KubeProxy(node)),
            _ => bail!("no component is called {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_found_by_its_name() {
        let node = NodeNumber::new(2).unwrap();
        let of_node = [Component::Containerd(node), Component::Kubelet(node), Component::KubeProxy(node)];
        for component in Component::CONTROL_PLANE.into_iter().chain(of_node) {
            assert_eq!(component.name().parse::<Component>().unwrap(), component);
        }
        for wrong in ["kubelet", "node-2", "node-2.etcd", "node-99.kubelet"] {
            assert!(wrong.parse::<Component>().is_err(), "{wrong}");
        }
    }
}
