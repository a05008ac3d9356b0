//! Where benches run: a namespace of their own, beside an operator that leads.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{hollow, pods};
use crate::cluster::{Cluster, Component, Wish};
use crate::cost;
use crate::kubectl::Kubectl;
use crate::progress::step;
use crate::target::Target;
use crate::testenv::{self, Prepared};
use crate::wait::eventually;
use crate::{chart, faults};

/// Where everything of the benches lives.
pub(super) const NAMESPACE: &str = "gamekeeper-bench";

/// The label of what benches make outside of their namespace, but for nodes and their Leases.
pub(super) const LABEL: &str = "gamekeeper.dev/bench";

/// The kinds of what has that label.
const LABELLED: &str = "flowschemas,clusterrolebindings,clusterroles,customresourcedefinitions";

/// The operator's Lease and service account.
pub(super) const OPERATOR: &str = "gamekeeper-operator";

/// Ten thousand pods may have to go, on a machine that compiles at the same time.
const CLEARED: Duration = Duration::from_mins(10);

/// An operator takes the lead within four seconds.
const LED: Duration = Duration::from_mins(1);

/// The Lease is renewed every second.
const RENEWAL: Duration = Duration::from_millis(1500);

/// How long everybody may catch up with what happened before.
const SETTLE: Duration = Duration::from_secs(3);

/// A cluster with nothing of an earlier bench.
pub(super) struct Stage {
    pub(super) prepared: Prepared,
    pub(super) cluster: Cluster,
    pub(super) kubectl: Kubectl,
    pub(super) client: Client,
}

/// Measures on a stage of our own, and adds to the report how busy the machine was.
pub(super) async fn on_stage(
    target: Target,
    measure: impl AsyncFnOnce(&Stage) -> Result<Value>,
) -> Result<Value> {
    let prepared = testenv::prepare(target, Wish::default()).await?;
    let stage = Stage::set_up(prepared).await?;
    let load = load_average();
    let mut report = measure(&stage).await?;
    stage.clear().await?;
    report["load_average"] = json!({ "before": load, "after": load_average() });
    Ok(report)
}

impl Stage {
    async fn set_up(prepared: Prepared) -> Result<Self> {
        let cluster = prepared.cluster.ours("the bench")?.clone();
        let client = prepared.cluster.client().await?;
        let kubectl = prepared.kubectl.in_namespace(NAMESPACE);
        let stage = Self { prepared, cluster, kubectl, client };
        stage.clear().await?;
        stage.prepared.kubectl.run(&["create", "namespace", NAMESPACE]).await?;
        eventually("the namespace's service account", LED, || {
            stage.kubectl.run(&["get", "serviceaccount", "default"])
        })
        .await?;
        Ok(stage)
    }

    /// Restarts the API server, whose cache of watches grows by all that ever happened, and waits until somebody leads.
    pub(super) async fn refresh(&self) -> Result<()> {
        step("restarting the API server", async {
            faults::restart(&self.cluster, Component::ApiServer).await?;
            self.led().await?;
            self.settle().await;
            Ok(())
        })
        .await
    }

    /// Puts new operators in the place of those that run, and waits until one of them leads.
    pub(super) async fn replace_operators(&self) -> Result<()> {
        step("replacing the operators", async {
            let kubectl = self.prepared.kubectl.in_namespace(chart::NAMESPACE);
            kubectl.run(&["delete", "pods", "--selector=app.kubernetes.io/component=operator"]).await?;
            self.led().await
        })
        .await
    }

    /// Waits until an operator leads that is there.
    async fn led(&self) -> Result<()> {
        eventually("an operator to lead", LED, async || {
            let before = self.lease().await?;
            sleep(RENEWAL).await;
            let after = self.lease().await?;
            let leads =
                before.holder_identity == after.holder_identity && before.renew_time < after.renew_time;
            ensure!(leads, "its Lease is not renewed");
            self.leader().await.map(drop)
        })
        .await
    }

    pub(super) async fn settle(&self) {
        sleep(SETTLE).await;
    }

    /// The process of the operator that leads.
    pub(super) async fn leader(&self) -> Result<u32> {
        let holder = self.lease().await?.holder_identity.context("nobody leads")?;
        let (pod, _) = holder.rsplit_once('_').with_context(|| format!("{holder} is no identity of ours"))?;
        cost::process_with(&format!("POD_NAME={pod}"))
    }

    /// The processes whose CPU a run uses, by name, but for the operator's.
    pub(super) fn processes(&self) -> Vec<(String, u32)> {
        let of_cluster = Component::CONTROL_PLANE.map(Component::name);
        let found = of_cluster.into_iter().filter_map(|name| Some((name.clone(), self.cluster.pid(&name)?)));
        found.chain([("bench".to_owned(), std::process::id())]).collect()
    }

    /// Sets a number of replicas, as `kubectl scale` does.
    pub(super) async fn scale<K>(&self, name: &str, replicas: usize) -> Result<()>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), NAMESPACE);
        let patch = json!({ "spec": { "replicas": replicas } });
        let scaled = api.patch_scale(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        scaled.with_context(|| format!("scale {name} to {replicas}"))?;
        Ok(())
    }

    /// Removes all of this bench, or of an earlier one that was killed.
    pub(super) async fn clear(&self) -> Result<()> {
        let kubectl = &self.prepared.kubectl;
        step("removing what a bench left", async {
            kubectl.run(&["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false"]).await?;
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
            eventually("the pods to be gone", CLEARED, async || {
                pods::delete_all(&pods, &DeleteParams::default().grace_period(0)).await?;
                let left = pods.list_metadata(&ListParams::default()).await?.items.len();
                ensure!(left == 0, "{left} are there");
                Ok(())
            })
            .await?;
            let timeout = format!("--timeout={}s", CLEARED.as_secs());
            let namespace = format!("namespace/{NAMESPACE}");
            kubectl.run(&["wait", "--for=delete", &namespace, &timeout]).await?;
            let selector = format!("--selector={LABEL}");
            kubectl.run(&["delete", LABELLED, &selector, "--ignore-not-found"]).await?;
            hollow::clear(kubectl).await?;
            self.cluster.forget_spare().await
        })
        .await
    }

    async fn lease(&self) -> Result<LeaseSpec> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), chart::NAMESPACE);
        leases.get(OPERATOR).await?.spec.context("the operator's Lease is empty")
    }
}

/// The machine's load over one, five and fifteen minutes: who else was at work.
pub(super) fn load_average() -> Value {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let figures = text.split_whitespace().take(3).filter_map(|it| it.parse::<f64>().ok());
    figures.collect()
}
