//! The Redis in which the rooms' checkpoints are.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};

use super::scene::Fellow;
use crate::arena::{PATIENCE, is_ready, node_of};
use crate::chart;
use crate::testenv::{Env, Namespace};
use crate::wait::eventually;

/// The pod of the chart's Redis: the one of its stateful set.
const POD: &str = "gamekeeper-redis-0";

/// The entry of the Secret with its URL.
const KEY: &str = "url";

/// The pod of the store.
pub(super) async fn pod(env: &Env) -> Result<Fellow> {
    fellow(&find(env).await?).context("the store has no address yet")
}

/// Waits until it answers.
pub(super) async fn ready(env: &Env) -> Result<()> {
    eventually("the store to be ready", PATIENCE, async || {
        let pod = find(env).await?;
        ensure!(is_ready(&pod), "{} is not ready", pod.name_any());
        Ok(())
    })
    .await
}

async fn find(env: &Env) -> Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(env.client().clone(), chart::NAMESPACE);
    pods.get(POD).await.context("the Redis of the chart")
}

/// What of a pod matters here, once it has an address.
pub(super) fn fellow(pod: &Pod) -> Option<Fellow> {
    let ip = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    Some(Fellow { pod: pod.name_any(), node: node_of(pod).to_owned(), ip })
}

/// Gives a namespace the URL, as a Secret; returns the name and the entry for a fleet's `urlSecretKeyRef`.
pub(super) async fn lend(namespace: &Namespace) -> Result<(&'static str, &'static str)> {
    namespace.give_redis_url().await?;
    Ok((chart::REDIS, KEY))
}
