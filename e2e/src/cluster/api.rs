//! Asking a cluster's API.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tokio::time::timeout;

/// Longer than any healthy answer, even of a machine that compiles at the same time.
const ANSWER: Duration = Duration::from_secs(5);

/// A client with the credentials of a kubeconfig. It belongs to the runtime in which it was made.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    // One TLS provider; whoever was first chose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(kubeconfig).with_context(|| format!("read {}", kubeconfig.display()))?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(file, &options)
        .await
        .with_context(|| format!("cannot use {}", kubeconfig.display()))?;
    // Who asks has a deadline of their own; minutes of silent retries would outlast it.
    config.default_retry = false;
    Client::try_from(config).context("make a client")
}

/// Succeeds when the API server is ready to serve.
pub(super) async fn readyz(client: &Client) -> Result<()> {
    let request = http::Request::get("/readyz").body(Vec::new()).context("make a request")?;
    timeout(ANSWER, client.request_text(request)).await.context("no answer in time")??;
    Ok(())
}
