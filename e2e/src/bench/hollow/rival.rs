//! The bare loop: creates the same pods with the same client, the rights of the operator's service account, as many
//! requests in flight and one watch.

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, PostParams, Request};
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::bench::manifests::{self, Template};
use crate::bench::pods::Pods;
use crate::bench::stage::{NAMESPACE, OPERATOR, Stage};
use crate::chart;
use crate::kubectl::Kubectl;

/// Its service account, in the bench's namespace.
pub(super) const ACCOUNT: &str = "rival";

/// The binding that gives it the operator's rights.
const BINDING: &str = "gamekeeper-bench-rival";

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
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": { "name": BINDING },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": format!("{OPERATOR}:{}", chart::NAMESPACE),
            },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
        });
        stage.kubectl.apply(&binding.to_string()).await?;
        stage.kubectl.run(&["create", "serviceaccount", ACCOUNT]).await?;
        let owner: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "rival" } }))?;
        let owners: Api<ConfigMap> = Api::namespaced(stage.client.clone(), NAMESPACE);
        let owner = owners.create(&PostParams::default(), &owner).await.context("make an owner of pods")?;
        let owner = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": "rival", "uid": owner.uid(), "controller": true,
        });
        let client = client(stage).await?;
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
        let all = pods.list(&ListParams::default()).await?;
        let (pods, params) = (&pods, &DeleteParams::default());
        let delete = async |pod: Pod| match pods.delete(&pod.name_any(), params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => bail!("delete a pod: {error}"),
        };
        stream::iter(all.items).map(delete).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
    }
}

/// Removes the binding that an earlier bench left.
pub(super) async fn clear(kubectl: &Kubectl) -> Result<()> {
    kubectl.run(&["delete", "clusterrolebinding", BINDING, "--ignore-not-found"]).await.map(drop)
}

/// A client with the rival's own token: a service account is subject to fair queues, the administrator is not.
async fn client(stage: &Stage) -> Result<Client> {
    let accounts: Api<ServiceAccount> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let request = serde_json::from_value(json!({ "spec": { "audiences": [], "expirationSeconds": 7200 } }))?;
    let token = accounts.create_token_request(ACCOUNT, &PostParams::default(), &request).await;
    let token = token.context("get a token")?.status.context("an empty token")?.token;
    let mut file = Kubeconfig::read_from(stage.cluster.kubeconfig())?;
    let identity: AuthInfo = serde_json::from_value(json!({ "token": token }))?;
    for user in &mut file.auth_infos {
        user.auth_info = Some(identity.clone());
    }
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    // As the operator's.
    config.default_retry = false;
    Client::try_from(config).context("make a client")
}
