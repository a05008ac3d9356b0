//! Slots: several clusters side by side on one machine, and the addresses and names of each.
//!
//! All addresses lie in 198.18.0.0/15, which is reserved for tests and never routed.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, ensure};

use crate::paths;

/// Slots on a machine: each has 16 of the 256 numbers in the third part of an address.
const SLOTS: u8 = 16;

/// Nodes in a slot, each with one of those numbers for its pods; the first is for the nodes themselves.
const NODES: u8 = 15;

/// The nodes whose pods' addresses may be lent to the machine itself, while the cluster is smaller: half of them.
const SPARE_FROM: u8 = 8;

/// The path of a socket in a state folder must fit into what the kernel allows: 107 bytes.
const LONGEST_STATE: usize = 80;

/// One of the places for a cluster on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot(u8);

/// Addresses of a slot that its cluster does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spare(Ipv4Addr);

/// A node of a cluster, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeNumber(u8);

impl Slot {
    /// All slots of the machine.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SLOTS).map(Self)
    }

    /// The slot of whose cluster `kubeconfig` is, if it is one of ours.
    pub fn of_kubeconfig(path: &Path) -> Result<Option<Self>> {
        for slot in Self::all() {
            if kubeconfig(&slot.state()?) == path {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// The folder of the cluster's state.
    pub fn state(self) -> Result<PathBuf> {
        let state = paths::state_root()?.join(format!("gamekeeper-{}", self.0));
        let length = state.as_os_str().len();
        ensure!(
            length <= LONGEST_STATE,
            "{} is too long for the paths of sockets: set TMPDIR",
            state.display()
        );
        Ok(state)
    }

    /// The lock of who changes the slot's cluster.
    pub(crate) fn lock(self) -> String {
        format!("slot-{}", self.0)
    }

    fn base(self) -> u8 {
        self.0 * 16
    }

    /// The machine's address in the cluster's network, where the API server listens.
    pub fn api_address(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.base(), 1)
    }

    pub(crate) fn etcd_port(self) -> u16 {
        2379 + 10 * u16::from(self.0)
    }

    pub(crate) fn services(self) -> String {
        format!("198.19.{}.0/20", self.base())
    }

    pub(crate) fn api_service(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, self.base(), 1)
    }

    pub(crate) fn dns(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, self.base(), 10)
    }

    pub(crate) fn node_address(self, node: NodeNumber) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.base(), 10 + node.0)
    }

    pub(crate) fn pods(self, node: NodeNumber) -> String {
        format!("198.18.{}.0/24", self.base() + node.0)
    }

    /// Addresses of pods that nobody has in a cluster of fewer than eight nodes.
    pub(crate) fn spare(self) -> Spare {
        Spare(Ipv4Addr::new(198, 18, self.base() + SPARE_FROM, 0))
    }

    pub(crate) fn bridge(self) -> String {
        format!("{}br", self.link_prefix())
    }

    pub(crate) fn link(self, node: NodeNumber) -> String {
        format!("{}v{}", self.link_prefix(), node.0)
    }

    /// What the names of all its links begin with.
    pub(crate) fn link_prefix(self) -> String {
        format!("gk{}-", self.0)
    }

    pub(crate) fn cgroup(self, node: NodeNumber) -> String {
        format!("{}node-{}", self.cgroup_prefix(), node.0)
    }

    pub(crate) fn cgroup_of_burners(self) -> String {
        format!("{}burners", self.cgroup_prefix())
    }

    /// What the names of all its control groups begin with.
    pub(crate) fn cgroup_prefix(self) -> String {
        format!("gk{}-", self.0)
    }
}

impl Spare {
    /// How many addresses there are, without the first and the last.
    const COUNT: u16 = 256 * (NODES as u16 + 1 - SPARE_FROM as u16) - 2;

    /// The address of a number from 1.
    pub(crate) fn address(self, number: u16) -> Result<Ipv4Addr> {
        ensure!((1..=Self::COUNT).contains(&number), "there are {} addresses, not {number}", Self::COUNT);
        Ok(Ipv4Addr::from(u32::from(self.0) + u32::from(number)))
    }

    /// All of them.
    pub(super) fn range(self) -> String {
        let bits = (Self::COUNT + 2).trailing_zeros();
        format!("{}/{}", self.0, 32 - bits)
    }

    /// Fails if the cluster has nodes that need them.
    pub(super) fn ensure_free(nodes: u8) -> Result<()> {
        ensure!(
            nodes < SPARE_FROM,
            "of a cluster with {nodes} nodes no addresses can be spared: make a smaller one"
        );
        Ok(())
    }
}

impl NodeNumber {
    /// The first `count` nodes.
    pub fn first(count: u8) -> impl Iterator<Item = Self> {
        (1..=count).map(Self)
    }

    /// A node by its number.
    pub fn new(number: u8) -> Result<Self> {
        ensure!((1..=NODES).contains(&number), "a node's number is between 1 and {NODES}, not {number}");
        Ok(Self(number))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for Slot {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let slot = text.parse().with_context(|| format!("{text} is not a slot"))?;
        ensure!(slot < SLOTS, "a slot is between 0 and {}, not {slot}", SLOTS - 1);
        Ok(Self(slot))
    }
}

impl FromStr for NodeNumber {
    type Err = Error;

    /// Takes a number, or the node's name.
    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_prefix("node-").unwrap_or(text);
        Self::new(number.parse().with_context(|| format!("{text} is not a node"))?)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of the node, in the cluster and in all names of ours.
impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}

pub(crate) fn kubeconfig(state: &Path) -> PathBuf {
    state.join("admin.kubeconfig")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_addresses_of_its_own() {
        let slot: Slot = "15".parse().unwrap();
        assert_eq!(slot.api_address().to_string(), "198.18.240.1");
        assert_eq!(slot.services(), "198.19.240.0/20");
        let last = NodeNumber::new(15).unwrap();
        assert_eq!(slot.pods(last), "198.18.255.0/24");
        assert_eq!(slot.node_address(last).to_string(), "198.18.240.25");
        assert!("16".parse::<Slot>().is_err());
        assert!(NodeNumber::new(16).is_err());
    }

    #[test]
    fn spare_addresses_are_those_of_nodes_that_are_not_there() {
        let spare = "15".parse::<Slot>().unwrap().spare();
        assert_eq!(spare.range(), "198.18.248.0/21");
        assert_eq!(spare.address(1).unwrap().to_string(), "198.18.248.1");
        assert_eq!(spare.address(Spare::COUNT).unwrap().to_string(), "198.18.255.254");
        assert!(spare.address(0).is_err() && spare.address(Spare::COUNT + 1).is_err());
        assert!(Spare::ensure_free(7).is_ok() && Spare::ensure_free(8).is_err());
    }

    #[test]
    fn no_name_of_a_slot_begins_like_one_of_another() {
        for (one, other) in [("1", "15"), ("1", "11")] {
            let (one, other): (Slot, Slot) = (one.parse().unwrap(), other.parse().unwrap());
            assert!(!other.bridge().starts_with(&one.link_prefix()));
            assert!(!other.cgroup_prefix().starts_with(&one.cgroup_prefix()));
        }
    }

    #[test]
    fn our_own_kubeconfigs_are_known_and_others_are_not() {
        let slot: Slot = "3".parse().unwrap();
        let ours = kubeconfig(&slot.state().unwrap());
        assert_eq!(Slot::of_kubeconfig(&ours).unwrap(), Some(slot));
        assert_eq!(Slot::of_kubeconfig(Path::new("/home/me/.kube/config")).unwrap(), None);
    }
}
