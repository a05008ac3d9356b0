//! Gamekeeper's Helm chart, put into a cluster as a user would.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
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

/// The Redis of the release: its stateful set, and the Secret with its URL, also where a fleet gets a copy.
pub const REDIS: &str = "gamekeeper-redis";

/// How long the operator may take to be ready, on a machine that compiles at the same time.
const DEADLINE: &str = "120s";

/// An image that the chart runs.
#[derive(Clone, Debug)]
pub struct ChartImage {
    /// Without the tag.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// `Never` where images are loaded and cannot be pulled.
    pub pull_policy: &'static str,
}

impl ChartImage {
    /// As values of the chart, under the name that this image has there.
    fn values(&self, name: &str) -> Vec<String> {
        let Self { repository, tag, pull_policy } = self;
        let values = [("repository", repository.as_str()), ("tag", tag), ("pullPolicy", pull_policy)];
        // --set-string: a tag may look like a number.
        let set = |(field, value)| ["--set-string".to_owned(), format!("{name}.{field}={value}")];
        values.into_iter().flat_map(set).collect()
    }
}

/// What is installed.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The operator's image.
    pub operator: ChartImage,
    /// The image of the Redis for checkpoints, if not the chart's own choice.
    pub redis: Option<ChartImage>,
}

/// Installs or upgrades the chart, with a Redis, and waits until all of it is ready; does nothing when it is installed as
/// it is now.
pub async fn install(cluster: &Reached, kubectl: &Kubectl, wish: &Wish) -> Result<()> {
    let chart = paths::repository().join("charts/gamekeeper");
    let content = hash::folder(&chart).await.context("look at the chart")?;
    let mut values = wish.operator.values("image");
    values.extend(["--set".to_owned(), "redis.enabled=true".to_owned()]);
    values.extend(wish.redis.iter().flat_map(|it| it.values("redis.image")));
    let description = format!("chart {content} with {}", hash::text(&values.join(" ")).await?);
    let helm = Helm { program: cluster.program("helm").await?, kubeconfig: cluster.kubeconfig() };
    let (status, installed) = helm.status().await;
    if status == "deployed" && installed == description {
        return all_is_available(kubectl).await;
    }
    if status.starts_with("pending") {
        // A helm that was killed: it refuses to go on from there.
        helm.run(&["uninstall", RELEASE, "--wait"]).await?;
    }
    let chart = chart.display().to_string();
    let upgrade =
        ["upgrade", "--install", RELEASE, &chart, "--create-namespace", "--description", &description];
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    let arguments = [&upgrade[..], &values, &["--wait", "--timeout", DEADLINE]].concat();
    step("installing the chart, with a Redis for checkpoints", async {
        helm.run(&arguments).await?;
        all_is_available(kubectl).await
    })
    .await
}

/// A release that is deployed may still have lost its pods since.
async fn all_is_available(kubectl: &Kubectl) -> Result<()> {
    let timeout = format!("--timeout={DEADLINE}");
    let kubectl = kubectl.in_namespace(NAMESPACE);
    kubectl.run(&["wait", "--for=condition=Available", "deployment", "--all", &timeout]).await?;
    kubectl.run(&["rollout", "status", &format!("statefulset/{REDIS}"), &timeout]).await.map(drop)
}

/// Gives a namespace the Secret with the URL of the chart's Redis, for fleets to name in `spec.state`: what
/// `redis.fleetNamespaces` does for namespaces that are known before.
pub async fn give_redis_url(kubectl: &Kubectl, namespace: &str) -> Result<()> {
    let found = kubectl.in_namespace(NAMESPACE).run(&["get", "secret", REDIS, "--output=json"]).await?;
    let found: Value = serde_json::from_str(&found).context("the Secret with the URL of Redis")?;
    let copy = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": REDIS },
        "data": found["data"],
    });
    kubectl.in_namespace(namespace).apply(&copy.to_string()).await.map(drop)
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
