//! A namespace with fleets and rooms, watched all the time: what scenarios and chaos runs are told in.

mod book;
mod game;
mod manifests;
mod pods;
mod shelf;
mod speech;
mod tenancy;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
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
use tokio::time::Instant;

use crate::faults::{self, Signal, Victim};
use crate::testenv::{GameServer, Namespace};
use crate::wait::eventually;
use book::Book;
pub use book::{Extremes, Foul, Tally};
pub use game::Game;
pub use manifests::server;
pub use pods::{LastSeen, claim_of, is_ready, node_of};
use pods::{fleet_of, is_active};
pub use speech::{Answer, Speech};
pub use tenancy::{Ended, Tenancy};

/// How long anything may take that is done in seconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Before a broken watch begins again.
const PAUSE: Duration = Duration::from_millis(200);

/// A namespace with fleets and rooms, watched all the time: looking at it costs no request.
#[derive(Clone)]
pub struct Arena {
    namespace: Namespace,
    book: Arc<Mutex<Book>>,
}

impl Arena {
    /// Begins to watch a namespace.
    pub fn open(namespace: Namespace) -> Self {
        let arena = Self { namespace, book: Arc::default() };
        arena.watch(Book::see_fleet);
        arena.watch(Book::see_room);
        arena.watch(Book::see_pod);
        arena
    }

    /// Watches a kind. The task ends with its test's runtime.
    fn watch<K>(&self, see: fn(&mut Book, watcher::Event<K>, Instant))
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let mut events = Box::pin(watcher(self.namespace.api::<K>(), watcher::Config::default()));
        let book = Arc::clone(&self.book);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => see(&mut lock(&book), event, Instant::now()),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The image of the UDP server.
    pub fn image(&self) -> &str {
        self.namespace.env().udp_server_image()
    }

    /// Makes a fleet of UDP servers; `change` is a merge patch.
    pub async fn create_fleet(&self, name: &str, replicas: i32, change: Value) -> Result<()> {
        self.create_fleet_of(GameServer::Plain, name, replicas, change).await
    }

    /// Makes a fleet of game servers; `change` is a merge patch.
    pub async fn create_fleet_of(
        &self,
        server: GameServer,
        name: &str,
        replicas: i32,
        change: Value,
    ) -> Result<()> {
        let image = self.namespace.env().image(server)?;
        let mut fleet = match server {
            GameServer::Plain => manifests::plain_fleet(name, replicas, image),
            GameServer::Go | GameServer::Rust | GameServer::Arena => {
                manifests::rooms_fleet(name, replicas, image)
            }
        };
        json_patch::merge(&mut fleet, &change);
        let fleet = serde_json::from_value(fleet)?;
        let made = self.namespace.api::<GameFleet>().create(&PostParams::default(), &fleet).await;
        made.map(drop).with_context(|| format!("create the fleet {name}"))
    }

    /// The same, and waits until all servers are ready.
    pub async fn ready_fleet(&self, name: &str, replicas: i32, change: Value) -> Result<()> {
        self.create_fleet(name, replicas, change).await?;
        self.settled(name).await
    }

    /// Makes a fleet of game servers, and waits until all are ready.
    pub async fn ready_fleet_of(
        &self,
        server: GameServer,
        name: &str,
        replicas: i32,
        change: Value,
    ) -> Result<()> {
        self.create_fleet_of(server, name, replicas, change).await?;
        self.settled(name).await
    }

    /// Merges into a fleet, and waits until we have seen it ourselves.
    pub async fn patch_fleet(&self, name: &str, patch: Value) -> Result<()> {
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
    pub async fn create_room(&self, name: &str, fleet: &str, change: Value) -> Result<()> {
        let room = serde_json::from_value(manifests::room(name, fleet, &change))?;
        let made = self.namespace.api::<GameRoom>().create(&PostParams::default(), &room).await;
        made.map(drop).with_context(|| format!("create the room {name}"))
    }

    /// Deletes a room, whatever becomes of its match.
    pub async fn delete_room(&self, name: &str) -> Result<()> {
        let deleted = self.namespace.api::<GameRoom>().delete(name, &DeleteParams::default()).await;
        deleted.map(drop).with_context(|| format!("delete the room {name}"))
    }

    /// Makes a room, waits for its server and joins its match.
    pub async fn start(&self, room: &str, fleet: &str) -> Result<Game> {
        self.create_room(room, fleet, json!({})).await?;
        self.join(room).await
    }

    /// Waits until a room runs, and joins its match.
    pub async fn join(&self, room: &str) -> Result<Game> {
        let status = self.running(room).await?;
        Game::join(room, endpoint(&status)?, speech(&status)).await
    }

    /// Ends a match well, and waits until its room says so.
    pub async fn finish(&self, game: Game) -> Result<()> {
        let room = game.room().to_owned();
        game.finish().await?;
        self.phase(&room, Phase::Finished).await
    }

    /// Signals the server of a room.
    pub async fn signal(&self, room: &str, signal: Signal) -> Result<()> {
        let server = self.room_status(room)?.server.with_context(|| format!("{room} has no server"))?;
        if signal == Signal::Kill {
            self.hit(&server.pod_uid);
        }
        let cluster = self.namespace.env().ours("a signal to a server")?;
        faults::signal(cluster, &Victim::pod(self.namespace.name(), &server.pod_name), signal).await
    }

    /// Notes that we do harm to a pod, so that what becomes of its rooms is not held against the operator.
    pub fn hit(&self, pod_uid: &str) {
        self.book().hit(pod_uid, Instant::now());
    }

    /// The pods that we have done harm to, by uid, and when.
    pub fn hits(&self) -> BTreeMap<String, Instant> {
        self.book().hits().clone()
    }

    /// A fleet as it was seen last.
    pub fn fleet(&self, name: &str) -> Result<GameFleet> {
        let fleet = self.book().fleets.get(name).cloned();
        fleet.with_context(|| format!("there is no fleet {name}"))
    }

    /// Its status.
    pub fn fleet_status(&self, name: &str) -> Result<GameFleetStatus> {
        Ok(self.fleet(name)?.status.unwrap_or_default())
    }

    /// A room's status as it was seen last.
    pub fn room_status(&self, name: &str) -> Result<GameRoomStatus> {
        let room = self.book().rooms.get(name).cloned();
        Ok(room.with_context(|| format!("there is no room {name}"))?.status.unwrap_or_default())
    }

    /// A room's uid.
    pub fn room_uid(&self, name: &str) -> Result<String> {
        self.book()
            .rooms
            .get(name)
            .and_then(ResourceExt::uid)
            .with_context(|| format!("there is no room {name}"))
    }

    /// The rooms in a phase, by name.
    pub fn rooms_in(&self, phase: Phase) -> Vec<String> {
        let book = self.book();
        let of_phase = |it: &&GameRoom| it.status.as_ref().is_some_and(|it| it.phase == phase);
        book.rooms.all().filter(of_phase).map(ResourceExt::name_any).collect()
    }

    /// The servers of a fleet that have not ended and were not told to.
    pub fn servers(&self, fleet: &str) -> Vec<Pod> {
        let of_fleet = |it: &&Pod| fleet_of(it) == Some(fleet) && is_active(it);
        self.book().pods.all().filter(of_fleet).cloned().collect()
    }

    /// Whether a pod is there, in whatever state.
    pub fn has_pod(&self, name: &str) -> bool {
        self.book().pods.get(name).is_some()
    }

    /// Waits until a fleet has all that is wanted.
    pub async fn settled(&self, fleet: &str) -> Result<()> {
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
    pub async fn running(&self, room: &str) -> Result<GameRoomStatus> {
        self.phase(room, Phase::Running).await?;
        self.room_status(room)
    }

    /// Waits until a room is in a phase.
    pub async fn phase(&self, room: &str, phase: Phase) -> Result<()> {
        self.eventually(&format!("{room} is {phase:?}"), |it| {
            let status = it.room_status(room)?;
            ensure!(status.phase == phase, "it is {:?}: {:?}", status.phase, status.conditions);
            Ok(())
        })
        .await
    }

    /// Waits until a fleet gives a reason in a condition, and returns the message.
    pub async fn fleet_says(&self, fleet: &str, type_: &str, reason: &str) -> Result<String> {
        self.eventually(&format!("{fleet} says {type_} {reason}"), |it| {
            says(&it.fleet_status(fleet)?.conditions, type_, reason)
        })
        .await
    }

    /// The same, with a message that contains `text`.
    pub async fn fleet_explains(&self, fleet: &str, type_: &str, reason: &str, text: &str) -> Result<()> {
        self.eventually(&format!("{fleet} says {type_} {reason}: {text}"), |it| {
            let message = says(&it.fleet_status(fleet)?.conditions, type_, reason)?;
            ensure!(message.contains(text), "it says: {message}");
            Ok(())
        })
        .await
    }

    /// Waits until a room gives a reason in a condition, and returns the message.
    pub async fn room_says(&self, room: &str, type_: &str, reason: &str) -> Result<String> {
        self.eventually(&format!("{room} says {type_} {reason}"), |it| {
            says(&it.room_status(room)?.conditions, type_, reason)
        })
        .await
    }

    /// Waits until `probe` succeeds; an error means "not yet".
    pub async fn eventually<T>(&self, what: &str, probe: impl Fn(&Self) -> Result<T>) -> Result<T> {
        eventually(what, PATIENCE, || std::future::ready(probe(self))).await
    }

    /// Begins to measure a fleet.
    pub fn mark(&self, fleet: &str) {
        self.book().mark(fleet);
    }

    /// How far a fleet went since it was marked.
    pub fn extremes(&self, fleet: &str) -> Result<Extremes> {
        self.book().extremes(fleet).with_context(|| format!("{fleet} was not marked"))
    }

    /// Where a room was published, one after the other.
    pub fn tenancies(&self, room: &str) -> Vec<Tenancy> {
        self.book().tenancies(room)
    }

    /// How each pod was seen last, by uid.
    pub fn last_seen(&self) -> BTreeMap<String, LastSeen> {
        self.book().last_seen().clone()
    }

    /// Rooms that had two servers, or servers that had too many rooms.
    pub fn doubled(&self) -> Vec<Foul> {
        self.book().doubled().iter().cloned().collect()
    }

    /// Rooms whose server was told to end during their match, without our having hit it.
    pub fn told_to_end(&self) -> Vec<Foul> {
        self.book().told_to_end()
    }

    /// Whether all rooms had one server, and no match was ended by us.
    pub fn verdict(&self) -> Result<Tally> {
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
pub fn endpoint(status: &GameRoomStatus) -> Result<SocketAddr> {
    let endpoint = status.endpoints.first().context("a room that runs has no endpoint")?;
    let address: IpAddr = endpoint.address.parse().with_context(|| format!("{endpoint:?}"))?;
    Ok(SocketAddr::new(address, u16::try_from(endpoint.port)?))
}

/// What a room's players say there: only who speaks the control protocol names its process.
pub fn speech(status: &GameRoomStatus) -> Speech {
    let is_controlled = status.server.as_ref().is_some_and(|it| it.boot_id.is_some());
    if is_controlled { Speech::Rooms } else { Speech::Plain }
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
