//! What a cluster is made with; kept in its state folder, so that a repair makes the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::NodeNumber;

/// What a cluster is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// How many nodes it has.
    pub nodes: u8,
    /// Seconds without a sign of life until a node is `NotReady`.
    pub node_grace_s: u16,
    /// Seconds after that until its pods are evicted.
    pub evict_after_s: u16,
}

/// Kubernetes' own times. Two nodes are the fewest on which something can move.
impl Default for Options {
    fn default() -> Self {
        Self { nodes: 2, node_grace_s: 50, evict_after_s: 300 }
    }
}

/// What someone asks of a cluster that may exist; what is not said stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Wish {
    /// How many nodes [default: 2]; a running cluster can get more
    #[arg(long, value_name = "N")]
    pub nodes: Option<u8>,
    /// Seconds without a sign of life until a node is `NotReady` [default: 50]
    #[arg(long, value_name = "SECONDS")]
    pub node_grace: Option<u16>,
    /// Seconds after that until its pods are evicted [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub evict_after: Option<u16>,
}

impl Options {
    pub(super) fn load(state: &Path) -> Result<Option<Self>> {
        let file = file(state);
        match fs::read(&file) {
            Ok(text) => {
                let options = serde_json::from_slice(&text);
                options.map(Some).with_context(|| format!("{} is damaged: run `down` first", file.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
        }
    }

    pub(super) fn save(self, state: &Path) -> Result<()> {
        crate::files::write_whole(&file(state), &serde_json::to_vec_pretty(&self)?)
    }

    /// What the cluster becomes: as wished where that is possible.
    pub(super) fn merge(existing: Option<Self>, wish: Wish) -> Result<Self> {
        let from = existing.unwrap_or_default();
        let wanted = Self {
            nodes: wish.nodes.unwrap_or(from.nodes),
            node_grace_s: wish.node_grace.unwrap_or(from.node_grace_s),
            evict_after_s: wish.evict_after.unwrap_or(from.evict_after_s),
        };
        NodeNumber::new(wanted.nodes)?;
        ensure!(
            wanted.node_grace_s >= 4,
            "below 4 s of grace a node's lease is too short to be renewed in time"
        );
        if existing.is_some() {
            ensure!(
                wanted.nodes >= from.nodes && Self { nodes: from.nodes, ..wanted } == from,
                "the cluster runs with {from:?} and cannot become {wanted:?}: run `down` first"
            );
        }
        Ok(wanted)
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("options.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_cluster_can_grow_and_nothing_else() {
        let two = Options::default();
        let wish = |nodes, node_grace| Wish { nodes, node_grace, evict_after: None };
        assert_eq!(Options::merge(None, Wish::default()).unwrap(), two);
        assert_eq!(Options::merge(Some(two), Wish::default()).unwrap(), two);
        assert_eq!(Options::merge(Some(two), wish(Some(3), None)).unwrap().nodes, 3);
        assert!(Options::merge(Some(two), wish(Some(1), None)).is_err());
        assert!(Options::merge(Some(two), wish(None, Some(8))).is_err());
        assert_eq!(Options::merge(None, wish(None, Some(8))).unwrap().node_grace_s, 8);
        assert!(Options::merge(None, wish(Some(0), None)).is_err());
        assert!(Options::merge(None, wish(Some(16), None)).is_err());
    }
}
