//! Where benches run: a namespace of their own, beside an operator that leads.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{cost, hollow, writes};
use crate::cluster::{Cluster, Component};
use crate::kubectl::Kubectl;
use crate::progress::step;
use crate::testenv::Prepared;
use crate::wait::eventually;
use crate::{chart, faults};

/// Where everything of the benches lives.
pub(super) const NAMESPACE: &str = "gamekeeper-bench";

/// The operator's Lease and service account.
pub(super) const OPERATOR: &str = "gamekeeper-operator";

/// Thousands of pods may have to go.
const CLEARED: Duration = Duration::from_mins(3);

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

impl Stage {
    pub(super) async fn set_up(prepared: Prepared) -> Result<Self> {
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
            eventually("an operator to lead", LED, async || {
                let before = self.lease().await?;
                sleep(RENEWAL).await;
                let after = self.lease().await?;
                let leads =
                    before.holder_identity == after.holder_identity && before.renew_time < after.renew_time;
                ensure!(leads, "its Lease is not renewed");
                Ok(())
            })
            .await?;
            self.settle().await;
            Ok(())
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
            let force = ["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"];
            self.kubectl.run(&force).await?;
            let timeout = format!("--timeout={}s", CLEARED.as_secs());
            let namespace = format!("namespace/{NAMESPACE}");
            kubectl.run(&["wait", "--for=delete", &namespace, &timeout]).await?;
            writes::clear(kubectl).await?;
            hollow::clear(kubectl).await
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
