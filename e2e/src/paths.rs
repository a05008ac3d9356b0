//! Where things are: the repository, the cache of what was built, the state of clusters.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Folders that every node replaces by its own (see `cluster/node.sh`), so nothing that nodes need may lie there.
const HIDDEN_FROM_NODES: [&str; 4] = ["/run", "/var/run", "/var/lib", "/var/log"];

/// The root of the source tree.
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The folder with the sources of what a cluster is made of.
pub fn cluster_sources() -> PathBuf {
    repository().join("e2e/cluster")
}

/// What was built once: programs, images, and the locks of those who build. Outside the tree, shared by all checkouts.
pub fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    visible_to_nodes(base.join("gamekeeper"), "XDG_CACHE_HOME")
}

/// The programs of a cluster.
pub fn bin() -> Result<PathBuf> {
    Ok(cache()?.join("bin"))
}

/// Where the state folders of clusters lie.
pub fn state_root() -> Result<PathBuf> {
    visible_to_nodes(env::temp_dir(), "TMPDIR")
}

fn visible_to_nodes(path: PathBuf, variable: &str) -> Result<PathBuf> {
    if !path.is_absolute() {
        bail!("{variable} must be an absolute path, not {}", path.display());
    }
    if let Some(hidden) = HIDDEN_FROM_NODES.iter().find(|hidden| path.starts_with(hidden)) {
        bail!("{} lies under {hidden}, which nodes hide: set {variable} to another folder", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_nodes_hide_are_refused_and_the_variable_to_change_is_named() {
        let refused = visible_to_nodes(PathBuf::from("/var/lib/ci/.cache/gamekeeper"), "XDG_CACHE_HOME");
        assert!(refused.unwrap_err().to_string().contains("XDG_CACHE_HOME"));
        assert!(visible_to_nodes(PathBuf::from("cache"), "TMPDIR").is_err());
        assert!(visible_to_nodes(PathBuf::from("/var/tmp"), "TMPDIR").is_ok());
        assert!(visible_to_nodes(PathBuf::from("/runner/tmp"), "TMPDIR").is_ok());
    }
}
