//! The bare loop: creates the same pods with the same client, the rights of the operator's service account, as many
//! requests in flight and one watch.

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, PostParams, Request};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::bench::account;
use crate::bench::manifests::{self, Template};
use crate::bench::pods::{self, Pods};
use crate::bench::stage::{NAMESPACE, OPERATOR, Stage};
use crate::chart;

/// Its service account, in the bench's namespace.
pub(super) const ACCOUNT: &str = "rival";

/// As many as the operator has.
const IN_FLIGHT: usize = 16;

/// The chart's range of host ports.
const HOST_PORTS: std::ops::RangeInclusive<u16> = 7000..=7999;

/// The bare loop.
pub(super) struct Rival {
    client: Client,
    template: Template,
    owner: Value,
    _watch: Pods,
}

impl Rival {
    pub(super) async fn set_up(stage: &Stage, template: Template) -> Result<Self> {
        let operators = format!("{OPERATOR}:{}", chart::NAMESPACE);
        let client = account::client(stage, ACCOUNT, &operators).await?;
        let owner: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "rival" } }))?;
        let owners: Api<ConfigMap> = Api::namespaced(stage.client.clone(), NAMESPACE);
        let owner = owners.create(&PostParams::default(), &owner).await.context("make an owner of pods")?;
        let owner = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": "rival", "uid": owner.uid(), "controller": true,
        });
        let watch = Pods::watch(client.clone(), NAMESPACE, None);
        Ok(Self { client, template, owner, _watch: watch })
    }

    /// Creates pods.
    pub(super) async fn create(&self, count: usize) -> Result<()> {
        let ports = HOST_PORTS.cycle().take(count);
        let pods: Vec<Value> = ports.map(|port| manifests::pod(&self.template, &self.owner, port)).collect();
        let params =
            PostParams { field_manager: Some("gamekeeper-operator".to_owned()), ..PostParams::default() };
        let params = &params;
        let create = async |pod: Value| -> Result<()> {
            let url = <Pod as kube::Resource>::url_path(&(), Some(NAMESPACE));
            let request = Request::new(url).create(params, serde_json::to_vec(&pod)?)?;
            self.client.request::<Pod>(request).await.context("create a pod")?;
            Ok(())
        };
        stream::iter(pods).map(create).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
    }

    /// Deletes all pods of the namespace.
    pub(super) async fn delete_all(&self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        pods::delete_all(&pods, &DeleteParams::default()).await
    }
}
