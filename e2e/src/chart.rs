//! Gamekeeper's Helm chart, put into a cluster as a user would.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::command::{output, program};
use crate::kubectl::Kubectl;
use crate::progress::step;
use crate::target::Reached;
use crate::{hash, paths};

/// The name of the release.
pub const RELEASE: &str = "gamekeeper";

/// The namespace of the release.
pub const NAMESPACE: &str = "gamekeeper-system";

/// How long the operator may take to be ready, on a machine that compiles at the same time.
const DEADLINE: &str = "120s";

/// Which image of the operator is installed.
#[derive(Clone, Debug)]
pub struct OperatorImage {
    /// Without the tag.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// `Never` where images are loaded and cannot be pulled.
    pub pull_policy: &'static str,
}

/// Installs or upgrades the chart and waits until the operator is ready; does nothing when it is installed as it is now.
pub async fn install(cluster: &Reached, kubectl: &Kubectl, image: &OperatorImage) -> Result<()> {
    let chart = paths::repository().join("charts/gamekeeper");
    let content = hash::folder(&chart).await.context("look at the chart")?;
    let description =
        format!("chart {content} with {}:{} {}", image.repository, image.tag, image.pull_policy);
    let helm = Helm { program: cluster.program("helm").await?, kubeconfig: cluster.kubeconfig() };
    let (status, installed) = helm.status().await;
    if status == "deployed" && installed == description {
        return operator_is_available(kubectl).await;
    }
    if status.starts_with("pending") {
        // A helm that was killed: it refuses to go on from there.
        helm.run(&["uninstall", RELEASE, "--wait"]).await?;
    }
    let repository = format!("image.repository={}", image.repository);
    let tag = format!("image.tag={}", image.tag);
    let policy = format!("image.pullPolicy={}", image.pull_policy);
    let chart = chart.display().to_string();
    // --set-string: a tag may look like a number.
    let values = ["--set-string", &repository, "--set-string", &tag, "--set-string", &policy];
    let upgrade =
        ["upgrade", "--install", RELEASE, &chart, "--create-namespace", "--description", &description];
    let arguments = [&upgrade[..], &values, &["--wait", "--timeout", DEADLINE]].concat();
    step("installing the chart", async {
        helm.run(&arguments).await?;
        operator_is_available(kubectl).await
    })
    .await
}

/// A release that is deployed may still have lost its pods since.
async fn operator_is_available(kubectl: &Kubectl) -> Result<()> {
    let timeout = format!("--timeout={DEADLINE}");
    let wait = ["wait", "--for=condition=Available", "deployment", "--all", &timeout];
    kubectl.in_namespace(NAMESPACE).run(&wait).await.map(drop)
}

struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Helm {
    fn command(&self) -> Command {
        let mut helm = program(&self.program);
        helm.arg("--kubeconfig").arg(&self.kubeconfig).args(["--namespace", NAMESPACE]);
        helm
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        output(self.command().args(arguments)).await
    }

    /// The release's status and description; empty when there is none.
    async fn status(&self) -> (String, String) {
        let printed = self.run(&["status", RELEASE, "--output", "json"]).await.unwrap_or_default();
        let status: Value = serde_json::from_str(&printed).unwrap_or_default();
        let field = |name: &str| status["info"][name].as_str().unwrap_or_default().to_owned();
        (field("status"), field("description"))
    }
}
