//! A namespace with fleets and rooms, watched all the time.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::faults::{self, Signal, Victim};
use e2e::testenv::Namespace;
use e2e::wait::eventually;
use futures::StreamExt as _;
use gamekeeper_crds::conditions::{self, PROGRESSING, reason};
use gamekeeper_crds::room::Phase;
use gamekeeper_crds::{GameFleet, GameFleetStatus, GameRoom, GameRoomStatus};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::book::{Book, Extremes, Tally};
use super::game::Game;
use super::pods::{fleet_of, is_active};
use super::{PATIENCE, manifests};

/// Before a broken watch begins again.
const PAUSE: Duration = Duration::from_millis(200);

/// A namespace with fleets and rooms, watched all the time: looking at it costs no request.
pub(crate) struct Arena {
    namespace: Namespace,
    book: Arc<Mutex<Book>>,
}

impl Arena {
    /// Begins to watch a namespace.
    pub(crate) fn open(namespace: Namespace) -> Self {
        let arena = Self { namespace, book: Arc::default() };
        arena.watch(Book::see_fleet);
        arena.watch(Book::see_room);
        arena.watch(Book::see_pod);
        arena
    }

    /// Watches a kind. The task ends with its test's runtime.
    fn watch<K>(&self, see: fn(&mut Book, watcher::Event<K>))
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let mut events = Box::pin(watcher(self.namespace.api::<K>(), watcher::Config::default()));
        let book = Arc::clone(&self.book);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => see(&mut lock(&book), event),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The image of the UDP server.
    pub(crate) fn image(&self) -> &str {
        self.namespace.env().udp_server_image()
    }

    /// Makes a fleet of UDP servers; `change` is a merge patch.
    pub(crate) async fn create_fleet(&self, name: &str, replicas: i32, change: Value) -> Result<()> {
        let fleet = serde_json::from_value(manifests::fleet(name, replicas, self.image(), &change))?;
        let made = self.namespace.api::<GameFleet>().create(&PostParams::default(), &fleet).await;
        made.map(drop).with_context(|| format!("create the fleet {name}"))
    }

    /// The same, and waits until all servers are ready.
    pub(crate) async fn ready_fleet(&self, name: &str, replicas: i32, change: Value) -> Result<()> {
        self.create_fleet(name, replicas, change).await?;
        self.settled(name).await
    }

    /// Merges into a fleet, and waits until we have seen it ourselves.
    pub(crate) async fn patch_fleet(&self, name: &str, patch: Value) -> Result<()> {
        let patched = self.namespace.api::<GameFleet>();
        let patched = patched.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        let patched = patched.with_context(|| format!("patch the fleet {name}"))?;
        self.eventually("the patched fleet is seen", |it| {
            ensure!(it.fleet(name)?.metadata.generation >= patched.metadata.generation, "not yet");
            Ok(())
        })
        .await
    }

    /// Makes a room; `change` is a merge patch.
    pub(crate) async fn create_room(&self, name: &str, fleet: &str, change: Value) -> Result<()> {
        let room = serde_json::from_value(manifests::room(name, fleet, &change))?;
        let made = self.namespace.api::<GameRoom>().create(&PostParams::default(), &room).await;
        made.map(drop).with_context(|| format!("create the room {name}"))
    }

    pub(crate) async fn delete_room(&self, name: &str) -> Result<()> {
        let deleted = self.namespace.api::<GameRoom>().delete(name, &DeleteParams::default()).await;
        deleted.map(drop).with_context(|| format!("delete the room {name}"))
    }

    /// Makes a room, waits for its server and joins its match.
    pub(crate) async fn start(&self, room: &str, fleet: &str) -> Result<Game> {
        self.create_room(room, fleet, json!({})).await?;
        self.join(room).await
    }

    /// Waits until a room runs, and joins its match.
    pub(crate) async fn join(&self, room: &str) -> Result<Game> {
        let server = endpoint(&self.running(room).await?)?;
        Game::join(room, server).await
    }

    /// Ends a match well, and waits until its room says so.
    pub(crate) async fn finish(&self, game: Game) -> Result<()> {
        let room = game.room().to_owned();
        game.finish().await?;
        self.phase(&room, Phase::Finished).await
    }

    /// Signals the server of a room.
    pub(crate) async fn signal(&self, room: &str, signal: Signal) -> Result<()> {
        let server = self.room_status(room)?.server.with_context(|| format!("{room} has no server"))?;
        let cluster = self.namespace.env().ours("a signal to a server")?;
        faults::signal(cluster, &Victim::pod(self.namespace.name(), &server.pod_name), signal).await
    }

    pub(crate) fn fleet(&self, name: &str) -> Result<GameFleet> {
        let fleet = self.book().fleets.get(name).cloned();
        fleet.with_context(|| format!("there is no fleet {name}"))
    }

    pub(crate) fn fleet_status(&self, name: &str) -> Result<GameFleetStatus> {
        Ok(self.fleet(name)?.status.unwrap_or_default())
    }

    pub(crate) fn room_status(&self, name: &str) -> Result<GameRoomStatus> {
        let room = self.book().rooms.get(name).cloned();
        Ok(room.with_context(|| format!("there is no room {name}"))?.status.unwrap_or_default())
    }

    /// The rooms in a phase, by name.
    pub(crate) fn rooms_in(&self, phase: Phase) -> Vec<String> {
        let book = self.book();
        let of_phase = |it: &&GameRoom| it.status.as_ref().is_some_and(|it| it.phase == phase);
        book.rooms.all().filter(of_phase).map(ResourceExt::name_any).collect()
    }

    /// The servers of a fleet that have not ended and were not told to.
    pub(crate) fn servers(&self, fleet: &str) -> Vec<Pod> {
        let of_fleet = |it: &&Pod| fleet_of(it) == Some(fleet) && is_active(it);
        self.book().pods.all().filter(of_fleet).cloned().collect()
    }

    pub(crate) fn has_pod(&self, name: &str) -> bool {
        self.book().pods.get(name).is_some()
    }

    /// Waits until a fleet has all that is wanted.
    pub(crate) async fn settled(&self, fleet: &str) -> Result<()> {
        self.eventually(&format!("all servers of {fleet} are ready"), |it| {
            let fleet = it.fleet(fleet)?;
            let status = fleet.status.clone().unwrap_or_default();
            ensure!(
                status.observed_generation == fleet.metadata.generation,
                "the fleet is not looked at yet"
            );
            let progressing = condition(&status.conditions, PROGRESSING)?;
            ensure!(
                progressing.reason == reason::COMPLETE,
                "{}: {}",
                progressing.reason,
                progressing.message
            );
            ensure!(status.ready_replicas == fleet.spec.replicas, "{} are ready", status.ready_replicas);
            Ok(())
        })
        .await
    }

    /// Waits until a room has a server.
    pub(crate) async fn running(&self, room: &str) -> Result<GameRoomStatus> {
        self.phase(room, Phase::Running).await?;
        self.room_status(room)
    }

    /// Waits until a room is in a phase.
    pub(crate) async fn phase(&self, room: &str, phase: Phase) -> Result<()> {
        self.eventually(&format!("{room} is {phase:?}"), |it| {
            let status = it.room_status(room)?;
            ensure!(status.phase == phase, "it is {:?}: {:?}", status.phase, status.conditions);
            Ok(())
        })
        .await
    }

    /// Waits until a fleet gives a reason in a condition, and returns the message.
    pub(crate) async fn fleet_says(&self, fleet: &str, type_: &str, reason: &str) -> Result<String> {
        self.eventually(&format!("{fleet} says {type_} {reason}"), |it| {
            says(&it.fleet_status(fleet)?.conditions, type_, reason)
        })
        .await
    }

    /// The same, with a message that contains `text`.
    pub(crate) async fn fleet_explains(
        &self,
        fleet: &str,
        type_: &str,
        reason: &str,
        text: &str,
    ) -> Result<()> {
        self.eventually(&format!("{fleet} says {type_} {reason}: {text}"), |it| {
            let message = says(&it.fleet_status(fleet)?.conditions, type_, reason)?;
            ensure!(message.contains(text), "it says: {message}");
            Ok(())
        })
        .await
    }

    /// Waits until a room gives a reason in a condition, and returns the message.
    pub(crate) async fn room_says(&self, room: &str, type_: &str, reason: &str) -> Result<String> {
        self.eventually(&format!("{room} says {type_} {reason}"), |it| {
            says(&it.room_status(room)?.conditions, type_, reason)
        })
        .await
    }

    /// Waits until `probe` succeeds; an error means "not yet".
    pub(crate) async fn eventually<T>(&self, what: &str, probe: impl Fn(&Self) -> Result<T>) -> Result<T> {
        eventually(what, PATIENCE, || std::future::ready(probe(self))).await
    }

    /// Begins to measure a fleet.
    pub(crate) fn mark(&self, fleet: &str) {
        self.book().mark(fleet);
    }

    /// How far a fleet went since it was marked.
    pub(crate) fn extremes(&self, fleet: &str) -> Result<Extremes> {
        self.book().extremes(fleet).with_context(|| format!("{fleet} was not marked"))
    }

    /// Whether all rooms had one server, and no match was ended by us.
    pub(crate) fn verdict(&self) -> Result<Tally> {
        self.book().verdict()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a room's players go.
fn endpoint(status: &GameRoomStatus) -> Result<SocketAddr> {
    let endpoint = status.endpoints.first().context("a room that runs has no endpoint")?;
    let address: IpAddr = endpoint.address.parse().with_context(|| format!("{endpoint:?}"))?;
    Ok(SocketAddr::new(address, u16::try_from(endpoint.port)?))
}

fn condition(conditions: &[Condition], type_: &str) -> Result<Condition> {
    conditions::find(conditions, type_).cloned().with_context(|| format!("no condition {type_}"))
}

fn says(conditions: &[Condition], type_: &str, reason: &str) -> Result<String> {
    let condition = condition(conditions, type_)?;
    if condition.reason != reason {
        bail!("it says {} {}: {}", condition.status, condition.reason, condition.message);
    }
    Ok(condition.message)
}
