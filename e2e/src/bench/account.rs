//! Service accounts of the bench: a service account is subject to fair queues, the administrator is not.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::json;

use super::stage::{LABEL, NAMESPACE, Stage};

/// Makes an account in the bench's namespace, gives it the rights of a cluster role, and returns a client with its token.
pub(super) async fn client(stage: &Stage, account: &str, role: &str) -> Result<Client> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": format!("gamekeeper-bench-{account}"), "labels": { LABEL: "true" } },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": NAMESPACE }],
    });
    stage.kubectl.apply(&binding.to_string()).await?;
    stage.kubectl.run(&["create", "serviceaccount", account]).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let request = serde_json::from_value(json!({ "spec": { "audiences": [], "expirationSeconds": 7200 } }))?;
    let token = accounts.create_token_request(account, &PostParams::default(), &request).await;
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
