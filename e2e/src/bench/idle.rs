//! What a large fleet at rest costs the operator: beats, links, and no writes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gamekeeper_crds::{GameFleet, GameRoom};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::hollow::{Kubelet, Nodes};
use super::manifests::{self, Control, Exposure, Template};
use super::operator::{self, Leader};
use super::pods::Pods;
use super::servers::{Count, Servers};
use super::stage::{NAMESPACE, Stage, on_stage};
use super::statistics::{figure, rounded};
use crate::progress::step;
use crate::target::Target;

/// Servers that are linked and have a room, and those that are plain and wait for one.
const LINKED: &str = "linked";
const PLAIN: &str = "plain";

/// Ten thousand pods at 50 a second, on a machine that compiles at the same time.
const THERE: Duration = Duration::from_mins(15);

/// A thousand links or rooms are a matter of seconds.
const DONE: Duration = Duration::from_mins(2);

/// How long a new leader may take to list ten thousand pods and to forget how.
const CALM: Duration = Duration::from_secs(15);

/// How long is looked at rest.
const REST: Duration = Duration::from_secs(30);

/// Rooms being created at once.
const IN_FLIGHT: usize = 16;

const KIB_PER_MIB: f64 = 1024.0;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Servers that speak the control protocol and have a room.
    pub servers: usize,
    /// Pods in all; those that are not such servers are plain ones.
    pub pods: usize,
}

/// Measures a fleet at rest, and returns a report.
pub async fn idle(target: Target, plan: &Plan) -> Result<Value> {
    on_stage(target, async |stage| measure(stage, plan).await).await
}

async fn measure(stage: &Stage, plan: &Plan) -> Result<Value> {
    let Plan { servers: count, pods: all } = *plan;
    ensure!(0 < count && count <= all, "{count} of {all} pods cannot be linked servers");
    stage.refresh().await?;
    operator::count_writes(stage).await?;
    let mut servers = Servers::open(&stage.cluster, count).await?;
    let _hollow = step(&format!("{all} hollow pods"), fill(stage, &servers, plan)).await?;
    let is_full = |it: Count| it.linked == count && it.rooms == count;
    servers.counts().until("all servers to be linked and have a room", DONE, is_full).await?;

    // Two leaders that are as old: one that reaches no server, and one that reaches them all.
    servers.close();
    stage.replace_operators().await?;
    sleep(CALM).await;
    let unlinked = Leader::watch(stage).await?.rss_mib()?;
    servers.reopen().await?;
    stage.replace_operators().await?;
    servers.counts().until("all servers to be linked again", DONE, is_full).await?;
    sleep(CALM).await;
    let leader = Leader::watch(stage).await?;
    let linked = leader.rss_mib()?;
    let (beats, links) = (servers.beats(), servers.counts().latest().links);
    step("at rest", async {
        sleep(REST).await;
        Ok(())
    })
    .await?;
    let (beats, links) = (servers.beats() - beats, servers.counts().latest().links - links);
    let used = leader.used().await?;
    Ok(json!({
        "servers": count,
        "pods": all,
        "operator_cpu_percent": rounded(100.0 * used.cpu_s / used.seconds),
        "operator_rss_mib": rounded(leader.rss_mib()?),
        "operator_unlinked_rss_mib": rounded(unlinked),
        "kib_per_link": rounded((linked - unlinked) * KIB_PER_MIB / figure(count)),
        "api_writes_per_s": rounded(used.writes / used.seconds),
        // Fewer than was asked for if the bench does not get to it; a link that broke is made anew.
        "beats_per_s": rounded(figure(beats) / used.seconds),
        "links_made_anew": links,
        "lease_requests_per_s": rounded(used.lease_requests / used.seconds),
    }))
}

/// Brings up all pods, and a room for each server that is linked.
async fn fill(stage: &Stage, servers: &Servers, plan: &Plan) -> Result<(Nodes, Kubelet, Pods)> {
    let nodes = Nodes::bring_up(&stage.client, plan.pods + plan.pods / 10).await?;
    let (news, kubelets_news) = mpsc::unbounded_channel();
    let pods = Pods::watch(stage.client.clone(), NAMESPACE, Some(news));
    let kubelet = Kubelet::start(stage.client.clone(), kubelets_news, Some(servers.addresses()));
    let template = Template::hollow();
    let control = Control { port: servers.port(), rooms_per_server: 1 };
    let fleets = [
        (manifests::controlled_fleet(LINKED, &template, control), LINKED, plan.servers),
        (manifests::fleet(PLAIN, &template, Exposure::PodIP), PLAIN, plan.pods - plan.servers),
    ];
    for (manifest, name, replicas) in fleets {
        stage.kubectl.apply(&manifest.to_string()).await?;
        stage.scale::<GameFleet>(name, replicas).await?;
    }
    pods.until("all pods to be ready", THERE, |it| it.ready == plan.pods).await?;
    servers.counts().until("all servers to be linked", DONE, |it| it.linked == plan.servers).await?;
    let rooms: Api<GameRoom> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let create = async |number: usize| -> Result<()> {
        let room = json!({
            "apiVersion": "gamekeeper.dev/v1alpha1",
            "kind": "GameRoom",
            "metadata": { "name": format!("room-{number}") },
            "spec": { "fleetName": LINKED, "seats": 8, "parameters": { "map": "harbour" } },
        });
        let room = serde_json::from_value(room)?;
        rooms.create(&PostParams::default(), &room).await.context("create a room").map(drop)
    };
    stream::iter(0..plan.servers).map(create).buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;
    Ok((nodes, kubelet, pods))
}
