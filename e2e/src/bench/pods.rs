//! The pods of the bench's namespace as a watch tells of them: both sides are measured by the same eyes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::counts::Counts;

/// Deletions at once: as many as the operator has requests.
const IN_FLIGHT: usize = 16;

/// Pods of a namespace, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) alive: usize,
    pub(super) ready: usize,
}

/// The pods of a namespace.
pub(super) struct Pods {
    counts: Counts<Count>,
    /// Ends the watch with us.
    _task: JoinSet<()>,
}

impl Pods {
    /// Watches a namespace and passes on what it sees to `news`.
    pub(super) fn watch(client: Client, namespace: &str, news: Option<mpsc::UnboundedSender<Pod>>) -> Self {
        let pods: Api<Pod> = Api::namespaced(client, namespace);
        let (counts, receiver) = Counts::new();
        let mut task = JoinSet::new();
        task.spawn(async move {
            // By uid: whether it is ready.
            let mut seen: HashMap<String, bool> = HashMap::new();
            let mut ready = 0;
            let mut listed = HashSet::new();
            let mut events = std::pin::pin!(watcher(pods, watcher::Config::default()).default_backoff());
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                        let uid = pod.uid().unwrap_or_default();
                        listed.insert(uid.clone());
                        let is_ready = is_ready(&pod);
                        let was_ready = seen.insert(uid, is_ready).unwrap_or_default();
                        ready = ready + usize::from(is_ready) - usize::from(was_ready);
                        if let Some(news) = &news {
                            // Whoever listened has ended with the bench.
                            let _ = news.send(pod);
                        }
                    }
                    Ok(Event::Delete(pod)) => {
                        let was_ready = seen.remove(&pod.uid().unwrap_or_default()).unwrap_or_default();
                        ready -= usize::from(was_ready);
                    }
                    Ok(Event::Init) => listed.clear(),
                    Ok(Event::InitDone) => {
                        seen.retain(|uid, _| listed.contains(uid));
                        ready = seen.values().filter(|it| **it).count();
                    }
                    // The watch begins again by itself; whoever waits in vain has a deadline.
                    Err(_) => {}
                }
                counts.send_replace(Count { alive: seen.len(), ready });
            }
        });
        Self { counts: receiver, _task: task }
    }

    /// Waits until the count is as wanted, and tells when it was.
    pub(super) async fn until(
        &self,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(Count) -> bool,
    ) -> Result<Instant> {
        self.counts.until(what, deadline, is_so).await
    }
}

/// Deletes all pods of the namespace, many at once: a deletion of the whole collection takes one after the other.
pub(super) async fn delete_all(pods: &Api<Pod>, params: &DeleteParams) -> Result<()> {
    let all = pods.list_metadata(&ListParams::default()).await?;
    let delete = async |pod: PartialObjectMeta<Pod>| match pods.delete(&pod.name_any(), params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => bail!("delete a pod: {error}"),
    };
    stream::iter(all.items).map(delete).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
}

/// As the kubelet says, and not about to end.
fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|it| it.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}
