//! Containers: which one to hit, and where it is.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cluster::{Cluster, Component, NodeNumber};

/// The container to hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name; any that runs when not given.
    pub container: Option<String>,
}

/// A container that runs. It is found before the fault: finding it takes longer than many a fault itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Where it is.
    pub node: NodeNumber,
    /// Its name at the node's containerd.
    pub id: String,
    /// Its first process, as this machine counts.
    pub pid: u32,
}

impl Victim {
    /// A pod with one container.
    pub fn pod(namespace: &str, pod: &str) -> Self {
        Self { namespace: namespace.to_owned(), pod: pod.to_owned(), container: None }
    }

    fn filter(&self) -> String {
        let filter = format!(
            r#"labels."io.kubernetes.pod.name"=={},labels."io.kubernetes.pod.namespace"=={},labels."io.cri-containerd.kind"==container"#,
            self.pod, self.namespace
        );
        match &self.container {
            None => filter,
            Some(container) => format!(r#"{filter},labels."io.kubernetes.container.name"=={container}"#),
        }
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.pod)?;
        self.container.iter().try_for_each(|container| write!(f, "/{container}"))
    }
}

impl Container {
    /// The running container of a victim.
    pub async fn of(cluster: &Cluster, victim: &Victim) -> Result<Self> {
        let (node, id) = find(cluster, victim).await?;
        let pids = cluster.processes_of(node, &id)?;
        // Containers have a process namespace of their own.
        let first = pids.iter().copied().find(|pid| is_first(*pid));
        let pid = first.with_context(|| format!("the container of {victim} has just ended"))?;
        Ok(Self { node, id, pid })
    }

    /// Its control group with a file of this name: in the first version each controller has one of its own.
    pub(super) fn group_with(&self, cluster: &Cluster, file: &str) -> Result<Option<PathBuf>> {
        Ok(cluster.groups_of(self.node, &self.id)?.into_iter().find(|group| group.join(file).exists()))
    }

    /// Whether its first process has ended.
    pub fn has_ended(&self) -> bool {
        let Ok(status) = fs::read_to_string(Path::new("/proc").join(self.pid.to_string()).join("status"))
        else {
            return true;
        };
        status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
    }
}

/// Whether it is the first one of its process namespace.
fn is_first(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .is_some_and(|pids| pids.split_whitespace().next_back() == Some("1"))
}

/// The node and the task of a victim's running container.
pub(super) async fn find(cluster: &Cluster, victim: &Victim) -> Result<(NodeNumber, String)> {
    for node in cluster.nodes() {
        if !cluster.is_running(&Component::Containerd(node).name()) {
            continue;
        }
        let containers = cluster.ctr(node, &["containers", "list", "--quiet", &victim.filter()]).await?;
        if containers.trim().is_empty() {
            continue;
        }
        let tasks = cluster.ctr(node, &["tasks", "list"]).await?;
        if let Some(task) = containers.lines().find(|id| is_running(&tasks, id)) {
            return Ok((node, task.to_owned()));
        }
    }
    bail!("no container of {victim} runs")
}

fn is_running(tasks: &str, id: &str) -> bool {
    tasks.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(id) && matches!(words.next_back(), Some("RUNNING" | "PAUSED"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_running_and_frozen_tasks_can_be_hit() {
        let tasks =
            "TASK    PID    STATUS\naaa     12     RUNNING\nbbb     0      STOPPED\nccc     13     PAUSED\n";
        assert!(is_running(tasks, "aaa") && is_running(tasks, "ccc"));
        assert!(!is_running(tasks, "bbb") && !is_running(tasks, "aa"));
    }

    #[test]
    fn a_container_can_be_named() {
        let any = Victim::pod("games", "arena-1");
        let one = Victim { container: Some("server".to_owned()), ..any.clone() };
        assert!(!any.filter().contains("container.name"));
        assert!(one.filter().ends_with(r#"labels."io.kubernetes.container.name"==server"#));
        assert_eq!(one.to_string(), "games/arena-1/server");
    }
}
