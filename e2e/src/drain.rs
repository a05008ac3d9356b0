//! `kubectl drain`, beside something else.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Child;
use tokio::time::timeout;

use crate::kubectl::Kubectl;

/// It asks for evictions again every five seconds.
pub const ASKED_AGAIN: Duration = Duration::from_secs(6);

/// A node that is being drained.
#[derive(Debug)]
pub struct Drain {
    node: String,
    child: Child,
}

impl Drain {
    /// Begins to drain a node, and gives up after `deadline`.
    pub fn begin(kubectl: &Kubectl, node: &str, deadline: Duration) -> Result<Self> {
        let timeout = format!("--timeout={}s", deadline.as_secs());
        let mut command = kubectl.command();
        command.args(["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", &timeout]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("kubectl drain")?;
        Ok(Self { node: node.to_owned(), child })
    }

    /// Waits until the node is drained, and returns what was complained of meanwhile.
    pub async fn done(self, patience: Duration) -> Result<String> {
        let ended = timeout(patience, self.child.wait_with_output()).await;
        let Output { status, stdout, stderr } =
            ended.with_context(|| format!("kubectl drain {} goes on", self.node))??;
        let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        ensure!(status.success(), "kubectl drain {} failed: {complained}", self.node);
        ensure!(said.contains("drained"), "{said}");
        Ok(complained.into_owned())
    }
}

/// Lets a node have pods again.
pub async fn uncordon(kubectl: &Kubectl, node: &str) -> Result<()> {
    kubectl.run(&["uncordon", node]).await.map(drop)
}
