//! Preparing the shared cluster, by one process at a time.

use std::env;

use anyhow::{Context as _, Result};

use super::Prepared;
use crate::chart::{self, OperatorImage};
use crate::cluster::{Cluster, Wish};
use crate::image::{self, Image};
use crate::kubectl::Kubectl;
use crate::lock::FileLock;
use crate::progress::step;
use crate::target::{Reached, Target};
use crate::{paths, programs};

/// Images in a registry, for a cluster to whose nodes nothing can be loaded.
const OPERATOR_IMAGE: &str = "GAMEKEEPER_OPERATOR_IMAGE";
const UDP_SERVER_IMAGE: &str = "GAMEKEEPER_UDP_SERVER_IMAGE";

const OPERATOR: &str = "gamekeeper-operator";
const UDP_SERVER: &str = "udp-server";

/// Brings a cluster up if it is ours, gives it the images and installs the chart.
pub async fn prepare(target: Target, wish: Wish) -> Result<Prepared> {
    let _lock = FileLock::acquire("testenv").await?;
    let cluster = target.up_as(wish).await?;
    let (operator, udp_server) = match &cluster {
        Reached::Ours(cluster) => loaded(cluster).await?,
        Reached::Foreign { .. } => named()?,
    };
    let kubectl = Kubectl::of(&cluster).await?;
    chart::install(&cluster, &kubectl, &operator).await?;
    Ok(Prepared { cluster, kubectl, operator, udp_server })
}

/// Builds both images of the sources at hand and gives them to the nodes.
async fn loaded(cluster: &Cluster) -> Result<(OperatorImage, String)> {
    let (operator, udp_server) = tokio::try_join!(operator_image(), udp_server_image())?;
    tokio::try_join!(cluster.load(&operator), cluster.load(&udp_server))?;
    let reference = udp_server.reference();
    let tag = operator.tag().to_owned();
    Ok((OperatorImage { repository: operator.repository(), tag, pull_policy: "Never" }, reference))
}

/// The operator of this tree in an image.
pub async fn operator_image() -> Result<Image> {
    let binary = step("building the operator", programs::rust(OPERATOR, OPERATOR)).await?;
    let dockerfile = paths::repository().join("operator/Dockerfile");
    image::build_of_files(OPERATOR, &dockerfile, &[(&binary, OPERATOR)]).await
}

/// The UDP server that knows nothing of Gamekeeper in an image.
pub async fn udp_server_image() -> Result<Image> {
    let folder = paths::repository().join("e2e/foreign").join(UDP_SERVER);
    let binary = programs::go(&folder, UDP_SERVER).await?;
    image::build_of_files(UDP_SERVER, &folder.join("Dockerfile"), &[(&binary, UDP_SERVER)]).await
}

/// The images that the environment names.
fn named() -> Result<(OperatorImage, String)> {
    let name = |variable| {
        env::var(variable).with_context(|| {
            format!(
                "KUBECONFIG names a cluster to whose nodes no image can be loaded: \
                 push it to a registry and set {variable}, or unset KUBECONFIG for a local cluster"
            )
        })
    };
    let (repository, tag) = split_reference(&name(OPERATOR_IMAGE)?)?;
    Ok((OperatorImage { repository, tag, pull_policy: "IfNotPresent" }, name(UDP_SERVER_IMAGE)?))
}

fn split_reference(reference: &str) -> Result<(String, String)> {
    let tagged = reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (repository, tag) = tagged.with_context(|| format!("{reference} has no tag"))?;
    Ok((repository.to_owned(), tag.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_not_taken_for_a_tag() {
        let (repository, tag) = split_reference("registry.example:5000/games/operator:1.2").unwrap();
        assert_eq!((repository.as_str(), tag.as_str()), ("registry.example:5000/games/operator", "1.2"));
        assert!(split_reference("registry.example:5000/games/operator").is_err());
    }
}
