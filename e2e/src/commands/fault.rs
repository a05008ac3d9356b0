//! `gk fault`.

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::cluster::{Cluster, Component, NodeNumber, Slot};
use crate::faults::{self, Signal, Victim};
use crate::target::Target;

/// Break something on purpose; `up` repairs what ends a process
#[derive(Debug, clap::Args)]
pub(super) struct Fault {
    /// The cluster's slot [default: that of KUBECONFIG, or 0]
    #[arg(long, global = true)]
    slot: Option<Slot>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Send KILL, STOP, CONT, TERM or USR1 to the first process of a pod's container
    Signal {
        /// KILL, STOP, CONT, TERM or USR1
        signal: Signal,
        #[command(flatten)]
        pod: Pod,
    },
    /// Stop all processes of a pod's container
    Freeze(Pod),
    /// Let them go on
    Unfreeze(Pod),
    /// Take a node off the network
    Cut {
        /// Its number or name
        node: NodeNumber,
    },
    /// Put it back
    Join {
        /// Its number or name
        node: NodeNumber,
    },
    /// End a node and all that runs on it
    PowerOff {
        /// Its number or name
        node: NodeNumber,
    },
    /// End a component: etcd, kube-apiserver, node-1.kubelet, …
    Kill {
        /// Its name
        component: Component,
    },
    /// Start a component that was killed
    Start {
        /// Its name
        component: Component,
    },
}

#[derive(Debug, clap::Args)]
struct Pod {
    /// The pod's name
    #[arg(value_name = "POD")]
    name: String,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The container, if it has several
    #[arg(short, long)]
    container: Option<String>,
}

impl Fault {
    pub(super) async fn run(self) -> Result<()> {
        let slot = match Target::choose(self.slot)? {
            Target::Ours(slot) => slot,
            Target::Foreign(_) => {
                bail!("faults need nodes of ours, and KUBECONFIG names another cluster: unset it")
            }
        };
        let cluster = &Cluster::existing(slot)?;
        match self.what {
            What::Signal { signal, pod } => faults::signal(cluster, &pod.victim(), signal).await,
            What::Freeze(pod) => faults::freeze(cluster, &pod.victim()).await,
            What::Unfreeze(pod) => faults::unfreeze(cluster, &pod.victim()).await,
            What::Cut { node } => faults::cut(cluster, node).await,
            What::Join { node } => faults::join(cluster, node).await,
            What::PowerOff { node } => faults::power_off(cluster, node).await,
            What::Kill { component } => faults::kill(cluster, component).await,
            What::Start { component } => faults::start(cluster, component).await,
        }
    }
}

impl Pod {
    fn victim(self) -> Victim {
        Victim { namespace: self.namespace, pod: self.name, container: self.container }
    }
}
