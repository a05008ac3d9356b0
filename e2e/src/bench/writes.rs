//! Counts the writes of a service account: by a `FlowSchema` of its own, whose requests the API server counts.
//!
//! The schema leads to the same priority level as the one that service accounts have by default, so it changes nothing else.

use anyhow::{Context as _, Result};
use kube::Client;
use serde_json::json;

use super::stage::LABEL;
use crate::kubectl::Kubectl;

/// After the chart's own schema for the Lease, so that renewals are not counted; before the one of all service accounts.
const PRECEDENCE: u16 = 1_000;

/// The level of requests of service accounts.
const LEVEL: &str = "workload-low";

/// Requests that were let through; each of them is a write, whatever came of it.
const METRIC: &str = "apiserver_flowcontrol_dispatched_requests_total";

/// Has the writes of a service account counted from now on, under a name.
pub(super) async fn count(kubectl: &Kubectl, name: &str, namespace: &str, account: &str) -> Result<()> {
    let schema = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": { "name": name, "labels": { LABEL: "true" } },
        "spec": {
            "matchingPrecedence": PRECEDENCE,
            "priorityLevelConfiguration": { "name": LEVEL },
            "distinguisherMethod": { "type": "ByUser" },
            "rules": [{
                "subjects": [{
                    "kind": "ServiceAccount",
                    "serviceAccount": { "name": account, "namespace": namespace },
                }],
                "resourceRules": [{
                    "apiGroups": ["*"],
                    "resources": ["*"],
                    "namespaces": ["*"],
                    "clusterScope": true,
                    "verbs": ["create", "update", "patch", "delete", "deletecollection"],
                }],
            }],
        },
    });
    kubectl.apply(&schema.to_string()).await.map(drop)
}

/// How many requests of each schema there were since the API server was started.
pub(super) async fn so_far<const N: usize>(client: &Client, schemas: [&str; N]) -> Result<[f64; N]> {
    let request = http::Request::get("/metrics").body(Vec::new()).context("make a request")?;
    let text = client.request_text(request).await.context("read the API server's metrics")?;
    Ok(schemas.map(|schema| sum(&text, schema)))
}

fn sum(metrics: &str, schema: &str) -> f64 {
    let label = format!(r#"flow_schema="{schema}""#);
    let lines = metrics.lines().filter(|line| line.starts_with(METRIC) && line.contains(&label));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "these figures are exact")]
    fn only_the_schemas_own_requests_count() {
        let text = concat!(
            "# TYPE apiserver_flowcontrol_dispatched_requests_total counter\n",
            "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"ours\",priority_level=\"a\"} 40\n",
            "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"ours\",priority_level=\"b\"} 2\n",
            "apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"ours-too\",priority_level=\"a\"} 7\n",
            "apiserver_flowcontrol_request_concurrency_in_use{flow_schema=\"ours\",priority_level=\"a\"} 9\n",
        );
        assert_eq!(sum(text, "ours"), 42.0);
        assert_eq!(sum(text, "none"), 0.0);
    }
}
