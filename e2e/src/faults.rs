//! Breaking things on purpose. None of it needs a working API server; [`Cluster::up`] repairs what ends a process.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

use crate::cluster::{Cluster, Component, NodeNumber, set_link};

/// The container to hit.
#[derive(Clone, Debug)]
pub struct Victim {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name; any that runs when not given.
    pub container: Option<String>,
}

/// What a container's first process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It ends at once.
    Kill,
    /// It stands still, until told to continue.
    Stop,
    /// It goes on.
    Cont,
    /// It is asked to end.
    Term,
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

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Stop => "SIGSTOP",
            Self::Cont => "SIGCONT",
            Self::Term => "SIGTERM",
        }
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let all = [Self::Kill, Self::Stop, Self::Cont, Self::Term];
        match all.into_iter().find(|signal| signal.name().trim_start_matches("SIG") == text) {
            Some(signal) => Ok(signal),
            None => bail!("{text} is none of KILL, STOP, CONT, TERM"),
        }
    }
}

/// Sends a signal to the first process of a container.
pub async fn signal(cluster: &Cluster, victim: &Victim, signal: Signal) -> Result<()> {
    let (node, task) = find(cluster, victim).await?;
    cluster.ctr(node, &["tasks", "kill", "--signal", signal.name(), &task]).await.map(drop)
}

/// Stops all processes of a container at once; they cannot notice.
pub async fn freeze(cluster: &Cluster, victim: &Victim) -> Result<()> {
    let (node, task) = find(cluster, victim).await?;
    cluster.ctr(node, &["tasks", "pause", &task]).await.map(drop)
}

/// Ends a [`freeze`].
pub async fn unfreeze(cluster: &Cluster, victim: &Victim) -> Result<()> {
    let (node, task) = find(cluster, victim).await?;
    cluster.ctr(node, &["tasks", "resume", &task]).await.map(drop)
}

/// Takes a node off the network; all on it runs on.
pub async fn cut(cluster: &Cluster, node: NodeNumber) -> Result<()> {
    set_link(cluster.slot(), node, "down").await
}

/// Ends a [`cut`].
pub async fn join(cluster: &Cluster, node: NodeNumber) -> Result<()> {
    set_link(cluster.slot(), node, "up").await
}

/// Ends a node and all that runs on it at once; its disk stays.
pub async fn power_off(cluster: &Cluster, node: NodeNumber) -> Result<()> {
    cluster.cut_power(node).await
}

/// Ends a component at once.
pub async fn kill(cluster: &Cluster, component: Component) -> Result<()> {
    cluster.kill_process(&component.name()).await
}

/// Starts a component that was killed, and waits for it: the API server, or etcd, until it answers.
pub async fn start(cluster: &Cluster, component: Component) -> Result<()> {
    cluster.start_component(component).await?;
    if matches!(component, Component::Etcd | Component::ApiServer) {
        cluster.answering_client().await?;
    }
    Ok(())
}

/// Ends a component at once and starts it again.
pub async fn restart(cluster: &Cluster, component: Component) -> Result<()> {
    kill(cluster, component).await?;
    start(cluster, component).await
}

/// The node and the task of a victim's running container.
async fn find(cluster: &Cluster, victim: &Victim) -> Result<(NodeNumber, String)> {
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
