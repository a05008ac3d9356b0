//! The folder of a run: figures, logs, and a part for each fleet, with its journals and the record. It stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gamekeeper_checker::Record;
use gamekeeper_checker::record::Step;
use serde_json::Value;

use super::steps;
use crate::chart;
use crate::clock::Clocks;
use crate::cluster::{Cluster, NodeNumber};
use crate::files::{make_folder, write_whole};
use crate::paths;

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// The part of it that belongs to one fleet of the run. What is in it is judged by itself: the journals of a long run are
/// more than can be kept in memory.
#[derive(Clone, Debug)]
pub(super) struct Part(PathBuf);

/// What was done and when, for the checker: beside the journals, which tell what came of it.
const RECORD: &str = "record.json";

/// The figures so far.
const FIGURES: &str = "report.json";

impl Folder {
    /// A new one. The name is that of the run's namespace: nobody else has it.
    pub fn make(name: &str) -> Result<Self> {
        let folder = Self(paths::state_root()?.join("gamekeeper-chaos").join(name));
        make_folder(&folder.0)?;
        Ok(folder)
    }

    /// A new part, where pods can write too.
    pub(super) fn part(&self, number: usize) -> Result<Part> {
        let part = Part(self.0.join(format!("part-{number}")));
        make_folder(&part.players())?;
        make_folder(&part.servers())?;
        // Game servers are nobody in particular.
        let all = fs::Permissions::from_mode(0o777);
        fs::set_permissions(part.servers(), all).context("let servers write their journals")?;
        Ok(part)
    }

    /// Writes the figures so far.
    pub(super) fn keep_figures(&self, figures: &Value) -> Result<()> {
        write_whole(&self.0.join(FIGURES), &serde_json::to_vec_pretty(figures)?)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it, with all that is in it.
    pub fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.0).with_context(|| format!("remove {}", self.0.display()))
    }

    /// Copies the logs of the operators and of a namespace's pods, as far as the nodes still have them.
    pub(super) fn keep_logs(&self, cluster: &Cluster, namespace: &str) -> Result<()> {
        for node in cluster.nodes() {
            for log in logs(&cluster.pod_logs(node), &[chart::NAMESPACE, namespace]) {
                let name = log.strip_prefix(cluster.pod_logs(node)).unwrap_or(&log);
                let copy = self.0.join("logs").join(node.to_string()).join(name);
                make_folder(copy.parent().unwrap_or(&self.0))?;
                fs::copy(&log, &copy).with_context(|| format!("copy {}", log.display()))?;
            }
        }
        Ok(())
    }
}

impl Part {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes all of the record so far: a run that is interrupted can be judged too.
    pub(super) fn keep_record(&self, record: &Record) -> Result<()> {
        write_whole(&self.0.join(RECORD), &serde_json::to_vec_pretty(record)?)
    }

    /// Pictures of what happened after each fault.
    pub(super) fn timeline(&self) -> PathBuf {
        self.0.join("timeline")
    }

    /// The players' journals.
    pub(super) fn players(&self) -> PathBuf {
        self.0.join("journals/players")
    }

    /// The servers' journals.
    pub(super) fn servers(&self) -> PathBuf {
        self.0.join("journals/servers")
    }
}

/// The log of a pod's container, as far as its node still has it.
pub(super) fn log_of(cluster: &Cluster, node: NodeNumber, namespace: &str, pod: &str) -> String {
    let of_pod = format!("{namespace}_{pod}_");
    let files = logs(&cluster.pod_logs(node), &[namespace]).into_iter();
    let its =
        files.filter(|log| log.components().any(|it| it.as_os_str().to_string_lossy().starts_with(&of_pod)));
    its.filter_map(|log| fs::read_to_string(log).ok()).collect()
}

/// What the logs of operators and servers tell of a namespace, in the order of time. It needs no API server and no network.
pub(super) fn steps(cluster: &Cluster, namespace: &str, clocks: &Clocks) -> Vec<Step> {
    let files =
        cluster.nodes().flat_map(|node| logs(&cluster.pod_logs(node), &[chart::NAMESPACE, namespace]));
    let texts = files.filter_map(|log| fs::read_to_string(log).ok());
    let mut all: Vec<_> = texts
        .flat_map(|text| {
            text.lines().filter_map(|line| steps::read(line, namespace, clocks)).collect::<Vec<_>>()
        })
        .collect();
    all.sort_by_key(|step| step.mono_ns);
    all
}

/// The files `POD/CONTAINER/NUMBER.log` of these namespaces' pods: `POD` is `NAMESPACE_NAME_UID`. They come and go.
fn logs(folder: &Path, namespaces: &[&str]) -> Vec<PathBuf> {
    let pods = entries(folder).into_iter().filter(|pod| {
        let name = pod.file_name().unwrap_or_default().to_string_lossy();
        name.split('_').next().is_some_and(|it| namespaces.contains(&it))
    });
    let files = pods.flat_map(|pod| entries(&pod)).flat_map(|container| entries(&container));
    files.filter(|file| file.extension().is_some_and(|it| it == "log")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_of_these_namespaces_are_read() {
        let root = std::env::temp_dir().join(format!("gamekeeper-logs-{}", std::process::id()));
        for file in ["games_a_1/server/0.log", "games-2_b_2/server/0.log", "games_c_3/server/0.log.gz"] {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let found = logs(&root, &["games"]);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [root.join("games_a_1/server/0.log")]);
    }
}
