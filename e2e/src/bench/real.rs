//! Pods that run: a fleet from none to forty servers, beside a Deployment of the same pods.

use std::time::Duration;

use anyhow::{Context as _, Result};
use gamekeeper_crds::GameFleet;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::manifests::{self, Exposure, Template};
use super::pods::Pods;
use super::stage::{NAMESPACE, Stage};
use super::statistics::{figure, median, rounded};
use crate::progress::say;

/// Until all pods run; forty take seconds.
const RUNNING: Duration = Duration::from_mins(5);

/// What is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// A fleet of the same pods as the Deployment's.
    Fleet,
    Deployment,
    /// A fleet whose servers have a host port each, which a Deployment's pods cannot have.
    HostPorts,
}

const SIDES: [Side; 3] = [Side::Fleet, Side::Deployment, Side::HostPorts];

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Fleet => "real",
            Self::Deployment => "rival",
            Self::HostPorts => "ports",
        }
    }

    fn manifest(self, template: &Template) -> Value {
        match self {
            Self::Fleet => manifests::fleet(self.name(), template, Exposure::PodIP),
            Self::Deployment => manifests::deployment(self.name(), template),
            Self::HostPorts => manifests::fleet(self.name(), template, Exposure::HostPort),
        }
    }
}

/// Measures all sides in turn, each time another one first.
pub(super) async fn measure(stage: &Stage, servers: usize, rounds: u8) -> Result<Value> {
    stage.refresh().await?;
    let template = Template { image: stage.prepared.udp_server.clone(), is_hollow: false };
    for side in SIDES {
        stage.kubectl.apply(&side.manifest(&template).to_string()).await?;
    }
    let pods = Pods::watch(stage.client.clone(), NAMESPACE, None);
    say(&format!("0 → {servers} real servers, beside a Deployment; the first round warms up"));
    let mut seconds: [Vec<f64>; SIDES.len()] = Default::default();
    for round in 0..=usize::from(rounds) {
        for turn in 0..SIDES.len() {
            let index = (round + turn) % SIDES.len();
            let side = SIDES[index];
            let took = run(stage, &pods, side, servers).await.with_context(|| format!("{side:?}"))?;
            say(&format!("  {side:?} {took:.2} s"));
            if 0 < round {
                seconds[index].push(took);
            }
        }
    }
    stage.kubectl.run(&["delete", "gamefleets,deployments", "--all"]).await?;
    let [fleet, deployment, host_ports] = seconds.clone().map(median);
    let [fleet_rounds, deployment_rounds, host_ports_rounds] =
        seconds.map(|it| it.into_iter().map(rounded).collect::<Vec<_>>());
    Ok(json!({
        "servers": servers,
        "seconds": rounded(fleet),
        "deployment_seconds": rounded(deployment),
        "ratio": rounded(fleet / deployment),
        "host_ports_seconds": rounded(host_ports),
        "host_ports_ratio": rounded(host_ports / deployment),
        "servers_per_s": rounded(figure(servers) / fleet),
        "rounds": { "seconds": fleet_rounds, "deployment_seconds": deployment_rounds,
                    "host_ports_seconds": host_ports_rounds },
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
        Side::Fleet | Side::HostPorts => stage.scale::<GameFleet>(side.name(), servers).await,
        Side::Deployment => stage.scale::<Deployment>(side.name(), servers).await,
    }
}
