//! `kubectl`, for what users do and for what has no type of ours.

use std::path::PathBuf;

use anyhow::Result;
use tokio::process::Command;

use crate::command::{output, output_of_input, program};
use crate::target::Reached;

/// `kubectl` for a cluster, and perhaps for a namespace of it.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: Option<String>,
}

impl Kubectl {
    /// For a cluster.
    pub async fn of(cluster: &Reached) -> Result<Self> {
        let program = cluster.program("kubectl").await?;
        Ok(Self { program, kubeconfig: cluster.kubeconfig(), namespace: None })
    }

    /// The same, for a namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// Runs it and returns what it printed; an error has its complaint.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        output(self.command().args(arguments)).await
    }

    /// Applies a text of YAML or JSON.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        output_of_input(self.command().args(["apply", "-f", "-"]), manifest.as_bytes()).await
    }

    /// The command without arguments, for what runs beside something else: `drain`, `get --watch`.
    pub fn command(&self) -> Command {
        let mut command = program(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        if let Some(namespace) = &self.namespace {
            command.args(["--namespace", namespace]);
        }
        command
    }
}
