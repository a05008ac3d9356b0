//! Pods that are deleted by force.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, Client};

use super::container::Victim;

/// Deletes a pod without waiting for its end, like `kubectl delete pod --force --grace-period=0`.
pub(super) async fn delete(client: &Client, victim: &Victim) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &victim.namespace);
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete(&victim.pod, &at_once).await.map(drop).with_context(|| format!("delete the pod {victim}"))
}
