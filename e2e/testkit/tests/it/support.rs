//! Objects to play with.

use std::time::Duration;

use gamekeeper_testkit::FakeApi;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(crate) const NAMESPACE: &str = "games";

pub(crate) fn pods(client: &Client) -> Api<Pod> {
    Api::namespaced(client.clone(), NAMESPACE)
}

pub(crate) fn of_kind(client: &Client, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), NAMESPACE, &resource)
}

pub(crate) fn rooms(client: &Client) -> Api<DynamicObject> {
    of_kind(client, "gamekeeper.dev/v1alpha1", "GameRoom")
}

pub(crate) fn fleets(client: &Client) -> Api<DynamicObject> {
    of_kind(client, "gamekeeper.dev/v1alpha1", "GameFleet")
}

pub(crate) fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn pod(name: &str) -> Pod {
    object(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "fleet": "arena" } },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "game", "image": "arena:1" }] },
    }))
}

pub(crate) fn room(name: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "gamekeeper.dev/v1alpha1",
        "kind": "GameRoom",
        "metadata": { "name": name },
        "spec": { "fleetName": "arena" },
    }))
}

pub(crate) fn fleet(name: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "gamekeeper.dev/v1alpha1",
        "kind": "GameFleet",
        "metadata": { "name": name },
        "spec": { "replicas": 3 },
    }))
}

/// The refusal that a call ought to have met.
pub(crate) fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> Box<kube::core::Status> {
    match result {
        Err(kube::Error::Api(status)) => status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// What kube's watcher makes of a watch: `+name`, `-name`, `list` and `done`.
pub(crate) fn follow(pods: Api<Pod>, config: watcher::Config) -> mpsc::UnboundedReceiver<String> {
    use futures::StreamExt as _;
    use kube::ResourceExt as _;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher(pods, config).default_backoff());
        while let Some(event) = events.next().await {
            let text = match event {
                Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                    format!("+{}", pod.name_any())
                }
                Ok(watcher::Event::Delete(pod)) => format!("-{}", pod.name_any()),
                Ok(watcher::Event::Init) => "list".to_owned(),
                Ok(watcher::Event::InitDone) => "done".to_owned(),
                Err(error) => format!("error: {error}"),
            };
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What came within a second.
pub(crate) async fn heard(events: &mut mpsc::UnboundedReceiver<String>) -> Vec<String> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

/// Makes a pod one that has a node and runs.
pub(crate) fn run(api: &FakeApi, name: &str) {
    let is_there = api.edit("", "pods", NAMESPACE, name, |pod| {
        pod["spec"]["nodeName"] = json!("node-1");
        pod["status"]["phase"] = json!("Running");
        pod["status"]["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
    });
    assert!(is_there);
}
