//! `CoreDNS`, and waiting for it.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};

use super::Cluster;
use crate::command::{output_of_input, program};
use crate::files::write_whole;
use crate::image::Image;
use crate::{hash, paths};

const MANIFEST: &str = include_str!("../../cluster/coredns.yaml");

impl Cluster {
    /// Applies the manifest, unless it was applied already.
    pub(super) async fn ensure_dns(&self, image: &Image) -> Result<()> {
        let manifest =
            MANIFEST.replace("@IMAGE@", &image.reference()).replace("@DNS_IP@", &self.slot.dns().to_string());
        let applied = self.state.join("coredns.applied");
        let stamp = hash::text(&manifest).await?;
        if std::fs::read_to_string(&applied).is_ok_and(|text| text == stamp) {
            return Ok(());
        }
        let mut kubectl = program(paths::bin()?.join("kubectl"));
        kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(["apply", "-f", "-"]);
        output_of_input(&mut kubectl, manifest.as_bytes()).await.context("apply CoreDNS")?;
        write_whole(&applied, stamp.as_bytes())
    }
}

/// Succeeds when names resolve.
pub(super) async fn is_ready(client: &Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "kube-system");
    let coredns = deployments.get("coredns").await?;
    let status = coredns.status.unwrap_or_default();
    let is_seen = status.observed_generation >= coredns.metadata.generation;
    ensure!(is_seen && status.updated_replicas.is_some_and(|count| count > 0), "its pod is not made yet");
    ensure!(status.available_replicas.is_some_and(|count| count > 0), "its pod is not ready yet");
    Ok(())
}
