//! Bringing a cluster up, and repairing one: what runs is left alone, what does not is started.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::{Api, Client};
use tokio::time::{Instant, sleep};

use super::{Cluster, Component, NodeNumber, Options, Slot, Wish, api, dns, down, network};
use crate::files;
use crate::lock::FileLock;
use crate::progress::step;
use crate::tools::{self, BaseImages};
use crate::wait::eventually;

/// From nothing it takes 6 s on two idle cores.
const DEADLINE: Duration = Duration::from_mins(2);

/// The end of a kubelet that came before containerd had all its parts.
const NOT_YET: &str = "server is not initialized yet";

/// How often the API server is asked while it starts.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn up(slot: Slot, wish: Wish) -> Result<Cluster> {
    tools::need_root("a local cluster")?;
    let images = tools::ensure().await?;
    let _lock = FileLock::acquire(&slot.lock()).await?;
    let state = slot.state()?;
    let existing = Options::load(&state)?;
    if existing.is_none() {
        // What may be left of a cluster whose state folder somebody removed.
        down::clean(slot).await?;
    }
    let options = Options::merge(existing, wish)?;
    files::make_folder(&state)?;
    options.save(&state)?;
    let cluster = Cluster::new(slot, state, options);
    let what = format!("{} nodes in slot {slot}", options.nodes);
    step(&what, cluster.start(&images)).await?;
    Ok(cluster)
}

impl Cluster {
    async fn start(&self, images: &BaseImages) -> Result<()> {
        self.pki().ensure().await?;
        network::ensure_bridge(self.slot).await?;
        self.start_component(Component::Etcd).await?;
        self.start_component(Component::ApiServer).await?;
        let control_plane = async {
            let client = self.answering_client().await?;
            self.start_component(Component::ControllerManager).await?;
            self.start_component(Component::Scheduler).await?;
            self.ensure_dns(&images.coredns).await?;
            Ok(client)
        };
        let nodes = try_join_all(self.nodes().map(|node| self.start_whole_node(node, images)));
        let (client, _) = tokio::try_join!(control_plane, nodes)?;
        self.wait_until_usable(&client).await
    }

    async fn start_whole_node(&self, node: NodeNumber, images: &BaseImages) -> Result<()> {
        self.start_node(node, images).await?;
        // A kubelet that finds no API server waits longer and longer before it asks again.
        self.answering_client().await?;
        self.start_component(Component::Kubelet(node)).await?;
        self.start_component(Component::KubeProxy(node)).await
    }

    /// Waits for the API server; its early death, for an address in use, say, is told at once.
    pub(crate) async fn answering_client(&self) -> Result<Client> {
        let client = api::client(&self.kubeconfig()).await?;
        let end = Instant::now() + DEADLINE;
        loop {
            for component in [Component::Etcd, Component::ApiServer] {
                let name = component.name();
                ensure!(
                    self.processes.is_alive(&name),
                    "{name} has ended: {}",
                    self.processes.last_words(&name)
                );
            }
            match api::readyz(&client).await {
                Ok(()) => return Ok(client),
                Err(error) if Instant::now() > end => bail!("the API server is not ready: {error:#}"),
                Err(_) => sleep(LOOK).await,
            }
        }
    }

    async fn wait_until_usable(&self, client: &Client) -> Result<()> {
        let nodes = try_join_all(self.nodes().map(async |node| {
            eventually(&format!("{node} to be Ready"), DEADLINE, || self.node_is_ready(client, node)).await
        }));
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        // A pod made before its namespace's service account is refused.
        let account = eventually("the default service account", DEADLINE, || async {
            accounts.get("default").await.context("it is not there")
        });
        let dns = eventually("CoreDNS", DEADLINE, || dns::is_ready(client));
        tokio::try_join!(nodes, account, dns)
            .map(drop)
            .with_context(|| format!("see the logs in {}", self.state.join("log").display()))
    }

    /// A node counts if its kubelet gave a sign of life since it was started: the condition alone may be that of a node
    /// that was powered off a moment ago.
    async fn node_is_ready(&self, client: &Client, node: NodeNumber) -> Result<()> {
        let kubelet = Component::Kubelet(node).name();
        if !self.processes.is_alive(&kubelet) {
            let words = self.processes.last_words(&kubelet);
            // It does not wait for a containerd that answers, and is not ready for it yet. On other nodes, systemd starts it again.
            if words.contains(NOT_YET) {
                self.start_kubelet(node).await?;
            }
            bail!("{kubelet} has ended: {words}");
        }
        let started = std::fs::metadata(self.processes.pid_file(&kubelet))?.modified()?;
        // Kubernetes writes whole seconds.
        let started = Timestamp::try_from(started).context("the time of a file")?.as_second();
        let node = Api::<Node>::all(client.clone()).get(&node.to_string()).await?;
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
        let ready = ready.context("its kubelet has not said anything yet")?;
        let heard = ready.last_heartbeat_time.as_ref().map(|time| time.0.as_second());
        ensure!(
            heard.is_some_and(|time| time >= started),
            "its kubelet has said nothing since it was started"
        );
        ensure!(ready.status == "True", "its kubelet says: {}", ready.message.as_deref().unwrap_or_default());
        Ok(())
    }
}
