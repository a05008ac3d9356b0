//! The stage: a cluster with the chart in it, and a namespace with the example's fleet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gamekeeper_crds::{GameFleet, GameRoom};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{Plan, example};
use crate::chart;
use crate::cluster::Wish;
use crate::kubectl::Kubectl;
use crate::progress::{say, step};
use crate::target::{Reached, Target};
use crate::testenv::{self, Prepared};
use crate::wait::eventually;

/// Where everything of the demo lives.
pub const NAMESPACE: &str = "gamekeeper-demo";

/// The fleet in `examples/arena-fleet-with-state.yaml`, and the image in it, which only our own nodes have.
const FLEET: &str = "arena";
const EXAMPLE_IMAGE: &str = "localhost/arena:dev";

/// The name in `examples/arena-room.yaml`.
const EXAMPLE_ROOM: &str = "match-1";

/// Rooms of one server of the example's fleet.
const ROOMS_PER_SERVER: usize = 16;

/// Four small servers take seconds; a foreign cluster has to pull their image.
const READY: Duration = Duration::from_mins(2);

/// What an earlier demo left goes at once.
const CLEARED: Duration = Duration::from_mins(1);

/// The stage.
pub struct Stage {
    /// The cluster.
    pub prepared: Prepared,
    /// `kubectl` for the demo's namespace.
    pub kubectl: Kubectl,
    client: Client,
    /// The arena's program, for bots and spectators on this machine.
    program: PathBuf,
}

/// Sets the stage up: the cluster, the images, the chart, an empty namespace.
pub async fn set_up(target: Target, wish: Wish) -> Result<Stage> {
    let prepared = testenv::prepare(target, wish).await?;
    let program = testenv::arena_program().await?;
    let client = prepared.cluster.client().await?;
    let kubectl = prepared.kubectl.in_namespace(NAMESPACE);
    let stage = Stage { prepared, kubectl, client, program };
    stage.clear().await?;
    stage.prepared.kubectl.run(&["create", "namespace", NAMESPACE]).await?;
    eventually("the namespace's service account", READY, || {
        stage.kubectl.run(&["get", "serviceaccount", "default"])
    })
    .await?;
    chart::give_redis_url(&stage.prepared.kubectl, NAMESPACE).await?;
    Ok(stage)
}

impl Stage {
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Applies the example's fleet and waits for its servers.
    pub(super) async fn raise_fleet(&self, plan: &Plan) -> Result<()> {
        say("\nkubectl apply -f examples/arena-fleet-with-state.yaml");
        let text = read("arena-fleet-with-state.yaml")?;
        let text = match &self.prepared.arena {
            Some(image) if matches!(self.prepared.cluster, Reached::Foreign { .. }) => {
                text.replace(EXAMPLE_IMAGE, image)
            }
            _ => text,
        };
        let mut fleet: Value = serde_yaml::from_str(&text).context("the example's fleet")?;
        // As the example has it, but for large shows.
        let servers =
            fleet["spec"]["replicas"].as_u64().unwrap_or(1).max(plan.rooms.div_ceil(ROOMS_PER_SERVER) as u64);
        fleet["spec"]["replicas"] = servers.into();
        self.kubectl.apply(&fleet.to_string()).await.context("apply the example's fleet")?;
        self.wait_until_ready("all servers are greeted by the operator").await
    }

    /// Waits until the fleet has the servers it wants, and tells how many there are as they come.
    pub(super) async fn wait_until_ready(&self, done: &str) -> Result<()> {
        let fleets: Api<GameFleet> = Api::namespaced(self.client(), NAMESPACE);
        let told = std::sync::Mutex::new(None);
        eventually("the fleet's servers to be ready", READY, async || {
            let fleet = fleets.get(FLEET).await?;
            let (wanted, status) = (fleet.spec.replicas, fleet.status.unwrap_or_default());
            let ready = status.ready_replicas;
            let before = told.lock().map(|mut it| it.replace(ready)).unwrap_or_default();
            if before != Some(ready) {
                say(&format!("  {ready} of {wanted} servers are ready"));
            }
            // Rooms that are over hold their servers until those are replaced.
            ensure!(
                ready == wanted && status.rooms.running == 0,
                "{ready} of {wanted} servers are ready: `kubectl --namespace {NAMESPACE} describe gf,pods` says why"
            );
            Ok(())
        })
        .await?;
        say(&format!("  {done}"));
        Ok(())
    }

    /// Makes rooms like the example's as a person would.
    pub(super) async fn apply_rooms(&self, names: &[String], plan: &Plan) -> Result<()> {
        let rooms = names.iter().map(|it| room(it, plan)).collect::<Result<Vec<_>>>()?;
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": rooms });
        self.kubectl.apply(&list.to_string()).await.context("apply the example's rooms").map(drop)
    }

    /// Makes a room like the example's over the API.
    pub(super) async fn create_room(&self, name: &str, plan: &Plan) -> Result<()> {
        let rooms: Api<GameRoom> = Api::namespaced(self.client.clone(), NAMESPACE);
        let made = rooms.create(&PostParams::default(), &serde_json::from_value(room(name, plan)?)?).await;
        made.map(drop).with_context(|| format!("create the room {name}"))
    }

    /// What `kubectl get gf,gr` shows.
    pub async fn table(&self) -> Result<String> {
        Ok(format!("$ kubectl get gf,gr\n{}", self.kubectl.run(&["get", "gf,gr"]).await?))
    }

    /// Prints what there is to see of a failure; best effort.
    pub async fn show(&self) {
        for arguments in [
            &["get", "gf,gr,pods", "--output=wide"][..],
            &["get", "events", "--sort-by=.metadata.creationTimestamp"],
        ] {
            match self.kubectl.run(arguments).await {
                Ok(text) => say(&format!("$ kubectl {}\n{text}", arguments.join(" "))),
                Err(error) => say(&format!("{error:#}")),
            }
        }
    }

    /// Removes the demo's namespace. Its pods go at once: the servers of matches that are on would play to their end.
    pub async fn clear(&self) -> Result<()> {
        let kubectl = &self.prepared.kubectl;
        if kubectl
            .run(&["get", "namespace", NAMESPACE, "--ignore-not-found", "--output=name"])
            .await?
            .is_empty()
        {
            return Ok(());
        }
        step("removing the demo's namespace", async {
            kubectl.run(&["delete", "namespace", NAMESPACE, "--wait=false"]).await?;
            let force = ["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"];
            self.kubectl.run(&force).await?;
            let timeout = format!("--timeout={}s", CLEARED.as_secs());
            kubectl
                .run(&["wait", "--for=delete", &format!("namespace/{NAMESPACE}"), &timeout])
                .await
                .map(drop)
        })
        .await
    }
}

fn read(name: &str) -> Result<String> {
    let file = example(name);
    std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
}

/// The example's room under another name, for matches that are as long as the show.
fn room(name: &str, plan: &Plan) -> Result<Value> {
    let mut room: Value = serde_yaml::from_str(&read("arena-room.yaml")?).context("the example's room")?;
    debug_assert_eq!(room["metadata"]["name"], EXAMPLE_ROOM, "what the manual says");
    room["metadata"]["name"] = name.into();
    room["spec"]["seats"] = plan.seats().into();
    room["spec"]["parameters"]["seconds"] = plan.seconds.to_string().into();
    Ok(room)
}
