//! What scenario tests start from: the shared cluster with the chart in it, and a namespace of their own.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! e2e::testenv::scenario("a-fleet-is-ready", async |ns| {
//!     ns.apply("apiVersion: gamekeeper.dev/v1alpha1 …").await?;
//!     e2e::wait::eventually("four servers", std::time::Duration::from_secs(30), async || {
//!         let ready = ns.kubectl(&["get", "gf", "arena", "-o", "jsonpath={.status.readyReplicas}"]).await?;
//!         anyhow::ensure!(ready == "4", "{ready} are ready");
//!         Ok(())
//!     })
//!     .await
//! })
//! .await
//! # }
//! ```

mod namespace;
mod prepare;
mod report;
mod scenario;

use anyhow::{Context as _, Result, anyhow};
use kube::Client;
use tokio::sync::OnceCell;

use crate::chart::ChartImage;
use crate::cluster::{Cluster, Wish};
use crate::kubectl::Kubectl;
use crate::target::{Reached, Target};

pub use namespace::Namespace;
pub use prepare::{arena_program, prepare, udp_server_image};
pub use scenario::scenario;

/// The shared cluster: of KUBECONFIG, else ours in slot 0.
#[derive(Clone)]
pub struct Env {
    prepared: Prepared,
    client: Client,
}

/// A cluster in which everything is that scenarios need.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// How to reach it.
    pub cluster: Reached,
    /// `kubectl` with the administrator's rights.
    pub kubectl: Kubectl,
    /// The operator that the chart runs.
    pub operator: ChartImage,
    /// The image of a UDP server that knows nothing of Gamekeeper.
    pub udp_server: String,
    /// The image of a server in Go that speaks the control protocol; of our own nodes, or named by who has others.
    pub rooms_server: Option<String>,
    /// The same of one in Rust.
    pub countdown: Option<String>,
    /// The image of the arena: a game in Rust whose players come by QUIC.
    pub arena: Option<String>,
}

/// The game servers that scenarios play with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GameServer {
    /// `foreign/udp-server`: one match over UDP, and it knows nothing of Gamekeeper.
    Plain,
    /// `foreign/rooms-server`: many rooms, in Go, by the control protocol's manual alone.
    Go,
    /// `countdown`: many rooms, in Rust, with our own SDK.
    Rust,
    /// `arena`: many rooms, with our own SDK and its transport.
    Arena,
}

impl Env {
    /// Brings the cluster up if it is not there, gives it the images and installs the chart. Where that fails, every test of
    /// the process fails with the same error, and the work is not tried again.
    pub async fn shared() -> Result<Self> {
        static PREPARED: OnceCell<Result<Prepared, String>> = OnceCell::const_new();
        let prepared = PREPARED
            .get_or_init(async || prepare_shared().await.map_err(|error| format!("{error:#}")))
            .await
            .clone()
            .map_err(|error| anyhow!("the shared cluster cannot be prepared: {error}"))?;
        // Each test has a runtime of its own, and a client belongs to one.
        Self::of(prepared).await
    }

    /// Of a cluster that is prepared already.
    pub async fn of(prepared: Prepared) -> Result<Self> {
        let client = prepared.cluster.client().await?;
        Ok(Self { prepared, client })
    }

    /// A client with the administrator's rights.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// `kubectl` with the administrator's rights.
    pub fn kubectl(&self) -> &Kubectl {
        &self.prepared.kubectl
    }

    /// The cluster if it is ours, for `what`, which needs nodes of ours: faults, images.
    pub fn ours(&self, what: &str) -> Result<&Cluster> {
        self.prepared.cluster.ours(what)
    }

    /// The operator that the chart runs.
    pub fn operator_image(&self) -> &ChartImage {
        &self.prepared.operator
    }

    /// The image of a UDP server that knows nothing of Gamekeeper.
    pub fn udp_server_image(&self) -> &str {
        &self.prepared.udp_server
    }

    /// The image of a game server.
    pub fn image(&self, server: GameServer) -> Result<&str> {
        let named = match server {
            GameServer::Plain => return Ok(self.udp_server_image()),
            GameServer::Go => &self.prepared.rooms_server,
            GameServer::Rust => &self.prepared.countdown,
            GameServer::Arena => &self.prepared.arena,
        };
        named.as_deref().with_context(|| prepare::how_to_name(server))
    }

    /// A fresh namespace whose name begins with `name`; pods can be made in it.
    pub async fn namespace(&self, name: &str) -> Result<Namespace> {
        Namespace::create(self, name).await
    }
}

async fn prepare_shared() -> Result<Prepared> {
    prepare(Target::from_env()?, Wish::default()).await
}
