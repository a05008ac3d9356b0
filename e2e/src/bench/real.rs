//! Pods that run: a fleet from none to forty servers, beside a Deployment of the same pods.

use std::time::Duration;

use anyhow::{Context as _, Result};
use gamekeeper_crds::GameFleet;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::manifests::{self, Template};
use super::pods::Pods;
use super::stage::{NAMESPACE, Stage};
use super::statistics::{figure, median, rounded};
use crate::progress::say;

/// The fleet, and the Deployment beside it.
const FLEET: &str = "real";
const DEPLOYMENT: &str = "rival";

/// Until all pods run; forty take seconds.
const RUNNING: Duration = Duration::from_mins(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Fleet,
    Deployment,
}

/// Measures both in turn.
pub(super) async fn measure(stage: &Stage, servers: usize, rounds: u8) -> Result<Value> {
    stage.refresh().await?;
    let template = Template { image: stage.prepared.udp_server.clone(), is_hollow: false };
    let sides = [manifests::fleet(FLEET, &template), manifests::deployment(DEPLOYMENT, &template)];
    for side in sides {
        stage.kubectl.apply(&side.to_string()).await?;
    }
    let pods = Pods::watch(stage.client.clone(), NAMESPACE, None);
    say(&format!("0 → {servers} real servers, beside a Deployment; the first pair warms up"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..=rounds {
        let fleet = run(stage, &pods, Side::Fleet, servers).await.context("the fleet")?;
        let deployment = run(stage, &pods, Side::Deployment, servers).await.context("the Deployment")?;
        say(&format!("  fleet {fleet:.2} s, Deployment {deployment:.2} s"));
        if number > 0 {
            ours.push(fleet);
            theirs.push(deployment);
        }
    }
    let (seconds, deployment_seconds) = (median(ours.clone()), median(theirs.clone()));
    stage.kubectl.run(&["delete", "gamefleets,deployments", "--all"]).await?;
    Ok(json!({
        "servers": servers,
        "seconds": rounded(seconds),
        "deployment_seconds": rounded(deployment_seconds),
        "ratio": rounded(seconds / deployment_seconds),
        "servers_per_s": rounded(figure(servers) / seconds),
        "rounds": { "seconds": ours.into_iter().map(rounded).collect::<Vec<_>>(),
                    "deployment_seconds": theirs.into_iter().map(rounded).collect::<Vec<_>>() },
    }))
}

/// Scales one side up, and down again until nothing is left of it.
async fn run(stage: &Stage, pods: &Pods, side: Side, servers: usize) -> Result<f64> {
    let start = Instant::now();
    scale(stage, side, servers).await?;
    let end = pods.until("all servers to be ready", RUNNING, |it| it.ready == servers).await?;
    scale(stage, side, 0).await?;
    pods.until("all servers to be gone", RUNNING, |it| it.alive == 0).await?;
    stage.settle().await;
    Ok(end.duration_since(start).as_secs_f64())
}

async fn scale(stage: &Stage, side: Side, servers: usize) -> Result<()> {
    match side {
        Side::Fleet => stage.scale::<GameFleet>(FLEET, servers).await,
        Side::Deployment => stage.scale::<Deployment>(DEPLOYMENT, servers).await,
    }
}
