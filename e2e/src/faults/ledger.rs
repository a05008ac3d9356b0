//! What was broken and is not mended yet: whoever breaks things by this ledger can mend all of it, however the work ended.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use kube::Client;
use tokio::sync::Mutex;

use super::burners::Burners;
use super::container::{Container, Victim};
use super::network::{self, Partition};
use super::signal::Signal;
use super::slow::Slowed;
use super::{component, memory, node, pod};
use crate::clock::Moment;
use crate::cluster::{Cluster, Component, NodeNumber};

/// Something to break.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A container's process is signalled. One that is stopped goes on when it is mended.
    Signal(Container, Signal),
    /// A container runs out of memory.
    OutOfMemory(Container),
    /// A pod is deleted by force.
    Delete(Victim),
    /// A node loses the network.
    Cut(NodeNumber),
    /// A node loses its power.
    PowerOff(NodeNumber),
    /// A pod and others do not reach each other.
    Part(Partition),
    /// TCP connections between a pod and others break.
    Reset(Partition),
    /// A container answers late.
    Slow(Container),
    /// A component of the cluster ends.
    Kill(Component),
    /// So many threads take all the time that they get, in a control group of their own.
    Burn(usize),
}

/// What is to be mended.
#[derive(Debug)]
enum Broken {
    Stopped(Container),
    Cut(NodeNumber),
    Off,
    Parted(NodeNumber),
    Slowed(Slowed),
    Down(Component),
    Burning(Burners),
}

/// Breaks things, and mends them.
#[derive(Clone)]
pub struct Faults {
    cluster: Cluster,
    client: Client,
    broken: Arc<Mutex<Vec<Broken>>>,
}

impl Faults {
    /// Nothing is broken yet.
    pub fn of(cluster: &Cluster, client: &Client) -> Self {
        Self { cluster: cluster.clone(), client: client.clone(), broken: Arc::default() }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Breaks something, and returns when: what happens afterwards happens later than this.
    pub async fn inflict(&self, fault: &Fault) -> Result<Moment> {
        let mut broken = self.broken.lock().await;
        // Noted first: half of a fault is to be mended as well.
        match fault {
            Fault::Signal(container, Signal::Stop) => broken.push(Broken::Stopped(container.clone())),
            Fault::Cut(node) => broken.push(Broken::Cut(*node)),
            Fault::PowerOff(_) => broken.push(Broken::Off),
            Fault::Part(partition) | Fault::Reset(partition) => broken.push(Broken::Parted(partition.node)),
            Fault::Kill(component) => broken.push(Broken::Down(*component)),
            Fault::Slow(container) => broken.push(Broken::Slowed(Slowed::begin(container.clone()))),
            Fault::Burn(threads) => broken.push(Broken::Burning(Burners::begin(&self.cluster, *threads)?)),
            Fault::Signal(..) | Fault::OutOfMemory(_) | Fault::Delete(_) => (),
        }
        let before = Moment::now();
        match fault {
            Fault::Signal(container, signal) => container.signal(*signal).await?,
            // From then on it is dying; the time until then is the kernel's.
            Fault::OutOfMemory(container) => return memory::exhaust(&self.cluster, container).await,
            Fault::Delete(victim) => pod::delete(&self.client, victim).await?,
            Fault::Cut(node) => node::cut(&self.cluster, *node).await?,
            Fault::PowerOff(node) => node::power_off(&self.cluster, *node).await?,
            Fault::Part(partition) => partition.begin(&self.cluster).await?,
            Fault::Reset(partition) => partition.reset(&self.cluster).await?,
            Fault::Kill(component) => component::kill(&self.cluster, *component).await?,
            Fault::Slow(_) | Fault::Burn(_) => (),
        }
        Ok(before)
    }

    /// Mends all that is broken, the last first; what cannot be mended now stays noted.
    pub async fn mend(&self) -> Result<()> {
        let mut broken = self.broken.lock().await;
        let mut left = Vec::new();
        let mut why = Vec::new();
        while let Some(mut it) = broken.pop() {
            if let Err(error) = mend(&self.cluster, &mut it).await {
                why.push(format!("{error:#}"));
                left.push(it);
            } else if let Broken::Slowed(slowed) = it {
                slowed.end().await;
            }
        }
        left.reverse();
        *broken = left;
        if why.is_empty() { Ok(()) } else { Err(anyhow!("not all is mended: {}", why.join("; "))) }
    }
}

/// Mends one thing. It may be whole already.
async fn mend(cluster: &Cluster, broken: &mut Broken) -> Result<()> {
    match broken {
        Broken::Stopped(container) => {
            let continued = container.signal(Signal::Cont).await;
            if container.has_ended() { Ok(()) } else { continued }
        }
        Broken::Cut(node) => node::join(cluster, *node).await,
        Broken::Off => node::power_on(cluster).await,
        // Its rules went with its power.
        Broken::Parted(node) if cluster.pid(&node.to_string()).is_none() => Ok(()),
        Broken::Parted(node) => network::mend(cluster, *node).await,
        Broken::Slowed(_) => Ok(()),
        Broken::Down(component) => component::start(cluster, *component).await,
        Broken::Burning(burners) => burners.end(cluster).await,
    }
}
