//! The operators of the chart: who leads, and how that ends.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use tokio::time::sleep;

use crate::arena::{PATIENCE, node_of};
use crate::chart;
use crate::faults::{self, Signal, Victim};
use crate::testenv::Env;
use crate::wait::eventually;

/// The Lease by which the chart's operators elect a leader.
const LEASE: &str = "gamekeeper-operator";

/// What the names of their pods begin with.
const PREFIX: &str = "gamekeeper-operator-";

/// How often is looked who is made to wait.
const LOOK: Duration = Duration::from_millis(500);

/// The operators of the chart.
pub struct Operators {
    env: Env,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Of its process.
    pub identity: String,
    /// The process's pod.
    pub pod: String,
}

impl Operators {
    /// Those of a cluster.
    pub fn of(env: &Env) -> Self {
        Self { env: env.clone() }
    }

    /// Waits for a leader that is not `before`.
    pub async fn leader(&self, before: Option<&Leader>) -> Result<Leader> {
        eventually("an operator leads", PATIENCE, || async {
            let lease = self.leases().get(LEASE).await?;
            let holder = lease.spec.and_then(|it| it.holder_identity).unwrap_or_default();
            ensure!(!holder.is_empty(), "nobody holds the Lease");
            ensure!(before.is_none_or(|it| it.identity != holder), "{holder} still holds the Lease");
            let pods = self.all().await?;
            let pod = pods.iter().map(ResourceExt::name_any).find(|it| holder.starts_with(it));
            let pod = pod.with_context(|| format!("the leader {holder} has no pod"))?;
            Ok(Leader { identity: holder, pod })
        })
        .await
    }

    /// Signals an operator's process.
    pub async fn signal(&self, operator: &Leader, signal: Signal) -> Result<()> {
        let cluster = self.env.ours("a signal to the operator")?;
        faults::signal(cluster, &Victim::pod(chart::NAMESPACE, &operator.pod), signal).await
    }

    /// Kills an operator's process, and its pod, so that the kubelet does not make its successor wait.
    pub async fn kill(&self, operator: &Leader) -> Result<()> {
        self.signal(operator, Signal::Kill).await?;
        let at_once = DeleteParams::default().grace_period(0);
        self.pods().delete(&operator.pod, &at_once).await.map(drop).context("delete the operator's pod")
    }

    /// Deletes the Lease by which they elect a leader.
    pub async fn delete_lease(&self) -> Result<()> {
        self.leases().delete(LEASE, &DeleteParams::default()).await.map(drop).context("delete the Lease")
    }

    /// Waits until all operators are ready.
    pub async fn available(&self) -> Result<()> {
        let kubectl = self.env.kubectl().in_namespace(chart::NAMESPACE);
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        kubectl.run(&["rollout", "status", "deployment/gamekeeper-operator", &timeout]).await.map(drop)
    }

    /// The nodes that they are on.
    pub async fn nodes(&self) -> Result<BTreeSet<String>> {
        let all = self.all().await?;
        Ok(all.iter().map(|it| node_of(it).to_owned()).collect())
    }

    /// Their pods.
    pub(crate) async fn all(&self) -> Result<Vec<Pod>> {
        let pods = self.pods().list(&ListParams::default()).await?;
        Ok(pods.into_iter().filter(|it| it.name_any().starts_with(PREFIX)).collect())
    }

    /// Lets those that the kubelet makes wait come again without a history: it does not know that their ends were ours. Goes on
    /// until it is dropped.
    pub(crate) async fn relieve<T>(&self) -> T {
        let pods = self.pods();
        loop {
            let all = pods.list(&ListParams::default()).await.into_iter().flatten();
            for pod in all.filter(is_made_to_wait) {
                // It may be gone, or go on, just now; else the next look finds it again.
                let _ = pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
            }
            sleep(LOOK).await;
        }
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.env.client().clone(), chart::NAMESPACE)
    }

    /// Their pods, and what else the chart runs.
    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.env.client().clone(), chart::NAMESPACE)
    }
}

/// Whether the kubelet puts off starting a pod's container again.
fn is_made_to_wait(pod: &Pod) -> bool {
    let containers = pod.status.iter().flat_map(|it| it.container_statuses.iter().flatten());
    let mut waiting = containers.filter_map(|it| it.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
    waiting.any(|why| why == "CrashLoopBackOff")
}
