//! A cluster: etcd and the control plane as plain processes, each node in Linux namespaces of its own.

mod api;
mod cgroups;
mod component;
mod control_plane;
mod dns;
mod down;
mod leftovers;
mod network;
mod node;
mod options;
mod pki;
mod process;
mod slot;
#[cfg(test)]
mod tests;
mod up;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;

use crate::image::Image;
use crate::paths;
use cgroups::Groups;
use process::Processes;

pub use api::client;
pub(crate) use cgroups::processes_of;
pub use component::Component;
pub use leftovers::leftovers;
pub(crate) use network::set_link;
pub use options::{Options, Wish};
pub(crate) use process::signal_kill;
pub(crate) use slot::Spare;
pub use slot::{NodeNumber, Slot};

/// A cluster of ours, in a slot of this machine.
#[derive(Clone, Debug)]
pub struct Cluster {
    slot: Slot,
    options: Options,
    state: PathBuf,
    processes: Processes,
}

impl Cluster {
    /// Starts all of the slot's cluster that does not run; what does run is left alone.
    pub async fn up(slot: Slot, wish: Wish) -> Result<Self> {
        up::up(slot, wish).await
    }

    /// Ends the slot's cluster and removes all it left on the machine. Harmless when there is none.
    pub async fn down(slot: Slot) -> Result<()> {
        down::down(slot).await
    }

    /// The cluster that `up` made in the slot.
    pub fn existing(slot: Slot) -> Result<Self> {
        let state = slot.state()?;
        let Some(options) = Options::load(&state)? else {
            bail!("there is no cluster in slot {slot}: `cargo gk up --slot {slot}` makes one");
        };
        Ok(Self::new(slot, state, options))
    }

    fn new(slot: Slot, state: PathBuf, options: Options) -> Self {
        let processes = Processes::new(&state);
        Self { slot, options, state, processes }
    }

    /// Where it is.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The folder with its data, certificates and logs (`log/`).
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The credentials of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        slot::kubeconfig(&self.state)
    }

    /// Its nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeNumber> + use<> {
        NodeNumber::first(self.options.nodes)
    }

    /// A line for a shell that is to use the cluster.
    pub fn shell_line(&self) -> Result<String> {
        Ok(format!(
            "export KUBECONFIG={} PATH={}:\"$PATH\"",
            self.kubeconfig().display(),
            paths::bin()?.display()
        ))
    }

    /// Gives an image to all nodes that run and do not have it.
    pub async fn load(&self, image: &Image) -> Result<()> {
        let nodes = self.nodes().filter(|node| self.processes.is_alive(&Component::Containerd(*node).name()));
        try_join_all(nodes.map(|node| self.load_on(node, image))).await.map(drop)
    }

    /// Has the machine itself answer at addresses that are the pods' of nodes that are not there.
    pub(crate) async fn answer_at_spare(&self) -> Result<Spare> {
        Spare::ensure_free(self.options.nodes)?;
        network::answer_at_spare(self.slot).await?;
        Ok(self.slot.spare())
    }

    /// Ends that, also for an earlier process of ours.
    pub(crate) async fn forget_spare(&self) -> Result<()> {
        network::forget_spare(self.slot).await
    }

    pub(crate) fn is_running(&self, process: &str) -> bool {
        self.processes.is_alive(process)
    }

    pub(crate) fn pid(&self, process: &str) -> Option<u32> {
        self.processes.pid(process)
    }

    pub(crate) async fn kill_process(&self, process: &str) -> Result<()> {
        self.processes.kill(process).await
    }

    /// The processes of a container, as this machine counts them.
    pub(crate) fn processes_of(&self, node: NodeNumber, container: &str) -> Result<Vec<u32>> {
        Ok(processes_of(&self.groups_of(node, container)?))
    }

    /// The control groups of a container, one in each hierarchy.
    pub(crate) fn groups_of(&self, node: NodeNumber, container: &str) -> Result<Vec<PathBuf>> {
        Groups::of_node(self.slot, node).named(container)
    }

    /// Makes the control group of what only burns time, beside those of the nodes; says where it is.
    pub(crate) fn burners(&self) -> Result<Vec<PathBuf>> {
        cgroups::ensure(&self.slot.cgroup_of_burners())
    }

    /// Removes it; fails while processes in it are still ending.
    pub(crate) fn remove_burners(&self) -> Result<()> {
        Groups::of_burners(self.slot).remove()
    }

    /// A variable by which `down` finds a process that we did not end ourselves.
    pub(crate) fn mark(&self) -> (&'static str, &Path) {
        self.processes.mark()
    }

    async fn load_on(&self, node: NodeNumber, image: &Image) -> Result<()> {
        self.import(node, image).await.with_context(|| format!("give {} to {node}", image.reference()))
    }
}
