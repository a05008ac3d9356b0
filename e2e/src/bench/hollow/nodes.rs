//! Nodes that nobody runs: objects and a sign of life, for the scheduler and the node controller.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::bench::manifests::HOLLOW;
use crate::kubectl::Kubectl;
use crate::wait::eventually;

const PODS_PER_NODE: usize = 250;

/// What makes an address different from the others is one byte.
const ADDRESSES: usize = 254;

/// Kubelets do the same; a node is given up after 50 s.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The node controller looks every five seconds.
const USABLE: Duration = Duration::from_secs(30);

const LEASES: &str = "kube-node-lease";

/// What makes the names of hollow nodes.
pub(super) const PREFIX: &str = "hollow-";

/// The address of a hollow node, which nobody has: the range is for documentation.
pub(super) fn address(node: &str) -> String {
    format!("192.0.2.{}", node.strip_prefix(PREFIX).unwrap_or_default())
}

/// The nodes; their hearts beat until this is dropped.
pub(in crate::bench) struct Nodes {
    _hearts: JoinSet<()>,
}

impl Nodes {
    /// Makes nodes for so many pods, and waits until pods can go there.
    pub(in crate::bench) async fn bring_up(client: &Client, pods: usize) -> Result<Self> {
        let count = pods.div_ceil(PODS_PER_NODE);
        ensure!(
            count <= ADDRESSES,
            "{pods} pods need {count} nodes, and there are addresses for {ADDRESSES}"
        );
        let nodes: Api<Node> = Api::all(client.clone());
        let names: Vec<String> = (1..=count).map(|number| format!("{PREFIX}{number}")).collect();
        try_join_all(names.iter().map(|name| make(&nodes, name))).await?;
        let mut hearts = JoinSet::new();
        let leases: Api<Lease> = Api::namespaced(client.clone(), LEASES);
        hearts.spawn(async move {
            let mut beat = interval(HEARTBEAT);
            loop {
                beat.tick().await;
                // One that fails is made good by the next.
                let _ = try_join_all(names.iter().map(|name| renew(&leases, name))).await;
            }
        });
        let all = kube::api::ListParams::default().labels(HOLLOW);
        eventually("the hollow nodes to be usable", USABLE, async || {
            // The node controller takes its own taints off; only ours stays.
            let is_usable = |it: &Node| it.spec.iter().all(|it| it.taints.iter().flatten().count() == 1);
            ensure!(nodes.list(&all).await?.iter().all(is_usable), "some are still tainted");
            Ok(())
        })
        .await?;
        Ok(Self { _hearts: hearts })
    }
}

/// Removes all hollow nodes, with the Leases that they own.
pub(super) async fn clear(kubectl: &Kubectl) -> Result<()> {
    let selector = format!("--selector={HOLLOW}");
    kubectl.run(&["delete", "nodes", &selector, "--ignore-not-found", "--wait=false"]).await?;
    kubectl.in_namespace(LEASES).run(&["delete", "leases", &selector, "--ignore-not-found"]).await.map(drop)
}

async fn make(nodes: &Api<Node>, name: &str) -> Result<()> {
    let node: Node = serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { HOLLOW: "true", "kubernetes.io/hostname": name } },
        "spec": { "taints": [{ "key": HOLLOW, "value": "true", "effect": "NoSchedule" }] },
    }))?;
    nodes.create(&PostParams::default(), &node).await.with_context(|| format!("make the node {name}"))?;
    let capacity = json!({ "cpu": "64", "memory": "256Gi", "pods": PODS_PER_NODE.to_string() });
    let conditions: Vec<Value> =
        [("Ready", "True"), ("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False")]
            .into_iter()
            .map(|(type_, status)| {
                json!({ "type": type_, "status": status, "reason": "Hollow", "message": "a bench says so",
                    "lastHeartbeatTime": now(), "lastTransitionTime": now() })
            })
            .collect();
    let status = json!({ "status": {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": conditions,
        "addresses": [{ "type": "InternalIP", "address": address(name) }, { "type": "Hostname", "address": name }],
    } });
    let told = nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await;
    told.with_context(|| format!("tell the state of the node {name}"))?;
    Ok(())
}

async fn renew(leases: &Api<Lease>, name: &str) -> Result<()> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": name, "labels": { HOLLOW: "true" } },
        "spec": { "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": format!("{:.6}", timestamp()) },
    });
    leases.patch(name, &PatchParams::apply("gamekeeper-bench").force(), &Patch::Apply(&lease)).await?;
    Ok(())
}

/// The time in whole seconds, as Kubernetes writes it.
pub(super) fn now() -> String {
    format!("{:.0}", timestamp())
}

#[allow(clippy::disallowed_methods, reason = "a kubelet tells the time of day")]
fn timestamp() -> Timestamp {
    Timestamp::now()
}
