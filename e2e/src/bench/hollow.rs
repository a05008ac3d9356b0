//! Thousands of pods on hollow nodes: a fleet, beside a bare loop that creates the same pods.

mod kubelet;
mod nodes;
mod rival;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gamekeeper_crds::GameFleet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::manifests::{self, Exposure, Template};
use super::operator::{self, Leader};
use super::pods::Pods;
use super::stage::{NAMESPACE, Stage};
use super::statistics::{figure, median, rounded};
use super::writes;
use crate::cost::Meter;
use crate::kubectl::Kubectl;
use crate::progress::say;
pub(super) use kubelet::Kubelet;
pub(super) use nodes::Nodes;
use rival::Rival;

const FLEET: &str = "hollow";

/// The name of the bare loop's counted writes.
const RAW_WRITES: &str = "gamekeeper-bench-rival";

/// Nodes for so many pods at least.
const PLACES: usize = 5_000;

/// Thousands of pods at a hundred a second, on a machine that compiles at the same time.
const DONE: Duration = Duration::from_mins(5);

/// One side's way from none to all servers and back.
struct Round {
    seconds: f64,
    /// Until the last pod was created.
    creation_s: f64,
    writes: f64,
    cpu_s: Value,
}

/// What else there is to know of the operator.
struct Operator {
    cpu_s: f64,
    rss_mib: f64,
    lease_requests_per_s: f64,
}

/// The hollow cluster.
struct Hollow<'a> {
    stage: &'a Stage,
    pods: Pods,
    rival: Rival,
    servers: usize,
}

/// Measures both in turn.
pub(super) async fn measure(stage: &Stage, servers: usize, rounds: u8) -> Result<Value> {
    stage.refresh().await?;
    let _nodes = Nodes::bring_up(&stage.client, servers.max(PLACES)).await?;
    operator::count_writes(stage).await?;
    writes::count(&stage.prepared.kubectl, RAW_WRITES, NAMESPACE, rival::ACCOUNT).await?;
    let template = Template::hollow();
    stage.kubectl.apply(&manifests::fleet(FLEET, &template, Exposure::HostPort).to_string()).await?;
    let (news, kubelets_news) = tokio::sync::mpsc::unbounded_channel();
    let pods = Pods::watch(stage.client.clone(), NAMESPACE, Some(news));
    let _kubelet = Kubelet::start(stage.client.clone(), kubelets_news, None);
    let rival = Rival::set_up(stage, template).await?;
    let hollow = Hollow { stage, pods, rival, servers };
    hollow.check_that_pods_are_alike().await?;
    say(&format!("0 → {servers} → 0 hollow servers, beside a bare loop; the first pair warms up"));
    let (mut ours, mut operator, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..=rounds {
        let bare = hollow.raw(servers).await.context("the bare loop")?;
        let (fleet, used) = hollow.ours(servers).await.context("the fleet")?;
        say(&format!("  fleet {:.2} s, bare loop {:.2} s", fleet.seconds, bare.seconds));
        if number > 0 {
            ours.push(fleet);
            operator.push(used);
            raw.push(bare);
        }
    }
    stage.kubectl.run(&["delete", "gamefleets", "--all"]).await?;
    Ok(hollow.report(&ours, &operator, &raw))
}

/// Removes what a bench left that was killed.
pub(super) async fn clear(kubectl: &Kubectl) -> Result<()> {
    nodes::clear(kubectl).await
}

impl Hollow<'_> {
    async fn ours(&self, servers: usize) -> Result<(Round, Operator)> {
        let stage = self.stage;
        let leader = Leader::watch(stage).await?;
        let meter = Meter::start([stage.processes(), vec![leader.process()]].concat())?;
        let start = Instant::now();
        stage.scale::<GameFleet>(FLEET, servers).await?;
        let (created, ready) = self.all_ready(servers).await?;
        let (cpu_s, rss_mib) = (meter.read()?, leader.rss_mib()?);
        stage.scale::<GameFleet>(FLEET, 0).await?;
        self.all_gone().await?;
        let used = leader.used().await?;
        let operator =
            Operator { cpu_s: used.cpu_s, rss_mib, lease_requests_per_s: used.lease_requests / used.seconds };
        let writes = used.writes;
        // Each server is created and deleted; with fewer, the count would miss some.
        ensure!(writes >= 2.0 * figure(servers), "only {writes} writes of the operator were counted");
        let seconds = |end: Instant| end.duration_since(start).as_secs_f64();
        Ok((Round { seconds: seconds(ready), creation_s: seconds(created), writes, cpu_s }, operator))
    }

    async fn raw(&self, servers: usize) -> Result<Round> {
        let [before] = writes::so_far(&self.stage.client, [RAW_WRITES]).await?;
        let meter = Meter::start(self.stage.processes())?;
        let start = Instant::now();
        let (created, ready) = tokio::try_join!(self.rival.create(servers), self.all_ready(servers))
            .map(|((), instants)| instants)?;
        let cpu_s = meter.read()?;
        self.rival.delete_all().await?;
        self.all_gone().await?;
        let [after] = writes::so_far(&self.stage.client, [RAW_WRITES]).await?;
        let writes = after - before;
        let seconds = |end: Instant| end.duration_since(start).as_secs_f64();
        Ok(Round { seconds: seconds(ready), creation_s: seconds(created), writes, cpu_s })
    }

    /// When all were there, and when all were ready.
    async fn all_ready(&self, servers: usize) -> Result<(Instant, Instant)> {
        let created = self.pods.until("all pods to be created", DONE, |it| it.alive == servers);
        let ready = self.pods.until("all pods to be ready", DONE, |it| it.ready == servers);
        tokio::try_join!(created, ready)
    }

    async fn all_gone(&self) -> Result<()> {
        self.pods.until("all pods to be gone", DONE, |it| it.alive == 0).await?;
        self.stage.settle().await;
        Ok(())
    }

    /// A comparison of different pods would be none.
    async fn check_that_pods_are_alike(&self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.stage.client.clone(), NAMESPACE);
        let mut specs = Vec::new();
        for is_ours in [true, false] {
            if is_ours {
                self.stage.scale::<GameFleet>(FLEET, 1).await?;
            } else {
                self.rival.create(1).await?;
            }
            self.all_ready(1).await?;
            let pod =
                pods.list(&kube::api::ListParams::default()).await?.items.pop().context("it is gone")?;
            specs.push(manifests::common(&serde_json::to_value(pod.spec)?));
            if is_ours {
                self.stage.scale::<GameFleet>(FLEET, 0).await?;
            } else {
                self.rival.delete_all().await?;
            }
            self.all_gone().await?;
        }
        ensure!(specs.first() == specs.last(), "the operator's pods and the bare loop's differ: {specs:#?}");
        Ok(())
    }

    fn report(&self, ours: &[Round], operator: &[Operator], raw: &[Round]) -> Value {
        let servers = figure(self.servers);
        let rate = |rounds: &[Round]| servers / median(rounds.iter().map(|it| it.seconds));
        let per_server = |rounds: &[Round]| median(rounds.iter().map(|it| it.writes)) / servers;
        json!({
            "servers": self.servers,
            "pods_per_s": rounded(rate(ours)),
            "raw_pods_per_s": rounded(rate(raw)),
            "ratio": rounded(rate(ours) / rate(raw)),
            "operator_writes_per_server": rounded(per_server(ours)),
            "raw_writes_per_server": rounded(per_server(raw)),
            "operator_lease_requests_per_s": rounded(median(operator.iter().map(|it| it.lease_requests_per_s))),
            "operator_cpu_s": rounded(median(operator.iter().map(|it| it.cpu_s))),
            "operator_rss_mib": rounded(median(operator.iter().map(|it| it.rss_mib))),
            "rounds": { "ours": rounds(ours), "raw": rounds(raw) },
        })
    }
}

fn rounds(rounds: &[Round]) -> Vec<Value> {
    let round = |it: &Round| json!({ "seconds": rounded(it.seconds), "creation_s": rounded(it.creation_s), "cpu_s": it.cpu_s });
    rounds.iter().map(round).collect()
}
