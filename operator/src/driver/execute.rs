//! Carries out one command of the ledger, and brings back what it found.
//!
//! An answer may be lost although the call took effect. So whoever fails asks what is the case now
//! before it answers: the ledger never decides on a guess.

use std::{sync::Arc, time::Duration};

use gamekeeper_crds::{GameRoom, GameRoomStatus, conditions::reason, labels, room::Phase};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::{
    FIELD_MANAGER,
    cache::{Cached as _, Change},
    clock::Clock,
    events::{Events, Notice},
    logs,
    metrics::{self, Metrics, RoomAction},
    name::ObjectName,
    room::{Command, Event, Outcome, ServerView, status::Loss},
    server::{Claim, ServerPod},
    terms::Epoch,
    world::Shared,
};

/// No call may take longer: the room it is for would wait with it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the carrying out of commands needs.
pub(super) struct Hands {
    pub(super) client: Client,
    pub(super) world: Shared,
    pub(super) metrics: Metrics,
    pub(super) events: Events,
    pub(super) clock: Clock,
}

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Late,
}

/// Carries `command` out. What comes back is told to the ledger in this order.
pub(super) async fn execute(hands: Hands, command: Command) -> Vec<Event> {
    match command {
        Command::Claim { room, server, epoch } => hands.claim(&room, &server, epoch).await,
        Command::WriteStatus { room, status, is_urgent: _ } => hands.write_status(&room, *status).await,
        Command::AskForServer { room_uid, pod, server_uid } => {
            hands.ask_for_server(room_uid, &pod, server_uid).await
        }
        Command::AskForRoom { server_uid, room, room_uid } => {
            hands.ask_for_room(server_uid, &room, &room_uid).await
        }
        Command::Release { server_uid, pod, epoch } => hands.release(server_uid, &pod, epoch).await,
        Command::DeleteRoom { room } => hands.delete_room(&room).await,
        Command::TellLoss { room, loss, is_restored } => hands.tell_loss(&room, &loss, is_restored).await,
        // The main loop ends before it gets here, and what is for links went there at once.
        Command::StepDown
        | Command::Open { .. }
        | Command::Close { .. }
        | Command::TellFallbacks { .. }
        | Command::TellFound { .. }
        | Command::StandBy { .. }
        | Command::Mirror { .. }
        | Command::Drain { .. }
        | Command::Retire { .. }
        | Command::TellTaken(_)
        | Command::Greet { .. } => Vec::new(),
    }
}

impl Hands {
    /// Compare-and-set on the pod: of all who want it, one gets it (I9).
    async fn claim(&self, room: &Arc<GameRoom>, server: &ServerView, epoch: Epoch) -> Vec<Event> {
        let pod = server.pod();
        let seen = self.world.read().pods.get(&pod).filter(|it| it.uid == server.uid).cloned();
        // Free, or claimed for this very room by a leader before us.
        let is_ours = |it: &Claim| it.room_uid == room.uid() && it.epoch < epoch;
        let Some(seen) = seen.filter(|it| it.claim.as_ref().is_none_or(is_ours) && !it.is_deleting) else {
            return self.looked_again(room, &pod, &server.uid, Outcome::Conflict).await;
        };
        let parameters = json!(room.spec.parameters).to_string();
        let patch = json!({ "metadata": {
            "uid": server.uid,
            "resourceVersion": seen.resource_version,
            "annotations": {
                labels::ROOM: room.key().name,
                labels::ROOM_UID: room.uid(),
                labels::EPOCH: epoch.0.to_string(),
                labels::PARAMETERS: parameters,
            },
        } });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patched = call(self.pods(&pod.namespace).patch(&pod.name, &params, &Patch::Merge(patch))).await;
        self.count(RoomAction::Claim, &patched);
        match patched {
            Ok(patched) => {
                let mut events = self.saw_pod(&pod, &server.uid, Some(&patched));
                events.push(answer(room, Outcome::Done));
                events
            }
            Err(error) if is_stale(&error) => {
                self.looked_again(room, &pod, &server.uid, Outcome::Conflict).await
            }
            Err(error) => {
                warn!(
                    namespace = pod.namespace,
                    server = pod.name,
                    room = room.key().name,
                    error = logs::chain(&error),
                    "failed to claim a server"
                );
                self.looked_again(room, &pod, &server.uid, Outcome::Failed).await
            }
        }
    }

    /// What the pod is like now, and then the answer.
    async fn looked_again(
        &self,
        room: &GameRoom,
        pod: &ObjectName,
        uid: &str,
        outcome: Outcome,
    ) -> Vec<Event> {
        let (mut events, outcome) = match call(self.pods(&pod.namespace).get_opt(&pod.name)).await {
            Ok(found) => (self.saw_pod(pod, uid, found.as_ref()), outcome),
            Err(_) => (Vec::new(), Outcome::Failed),
        };
        events.push(answer(room, outcome));
        events
    }

    async fn write_status(&self, room: &Arc<GameRoom>, status: GameRoomStatus) -> Vec<Event> {
        let key = room.key();
        let (phase, epoch) = (status.phase, status.epoch);
        // With uid and resourceVersion: whoever decided on an older state does not win.
        let mut wanted = GameRoom::clone(room);
        let before = wanted.status.replace(status).unwrap_or_default();
        let written =
            call(self.rooms(&key.namespace).replace_status(&key.name, &PostParams::default(), &wanted)).await;
        self.count(RoomAction::WriteStatus, &written);
        let outcome = match written {
            Ok(written) => {
                if phase == Phase::Running && before.epoch == 0 {
                    self.measure_placement(room);
                }
                if phase == Phase::Running && before.epoch != 0 && epoch != before.epoch {
                    let server = wanted.status.as_ref().and_then(|it| it.server.as_ref());
                    let server = server.map(|it| it.pod_name.as_str()).unwrap_or_default();
                    info!(namespace = key.namespace, room = key.name, server, epoch, "recovered");
                }
                if phase != before.phase {
                    info!(
                        namespace = key.namespace,
                        room = key.name,
                        fleet = room.spec.fleet_name,
                        ?phase,
                        epoch,
                        "room"
                    );
                }
                let mut events = self.saw_room(&key, room.uid(), Some(written));
                events.push(answer(room, Outcome::Done));
                return events;
            }
            Err(error) if is_stale(&error) => Outcome::Conflict,
            Err(error) => {
                warn!(
                    namespace = key.namespace,
                    room = key.name,
                    error = logs::chain(&error),
                    "failed to write a room's status"
                );
                Outcome::Failed
            }
        };
        let (mut events, outcome) = match call(self.rooms(&key.namespace).get_opt(&key.name)).await {
            Ok(found) => (self.saw_room(&key, room.uid(), found), outcome),
            Err(_) => (Vec::new(), Outcome::Failed),
        };
        events.push(answer(room, outcome));
        events
    }

    async fn ask_for_server(&self, room_uid: String, pod: &ObjectName, server_uid: String) -> Vec<Event> {
        let found = call(self.pods(&pod.namespace).get_opt(&pod.name)).await;
        self.count(RoomAction::Ask, &found);
        let Ok(found) = found else {
            return vec![Event::RoomAnswer { uid: room_uid, outcome: Outcome::Failed }];
        };
        let mut events = self.saw_pod(pod, &server_uid, found.as_ref());
        let is_there = found.and_then(|it| ServerPod::parse(&it)).is_some_and(|it| it.uid == server_uid);
        if !is_there {
            events.push(Event::ServerAbsent { room_uid: room_uid.clone(), server_uid });
        }
        events.push(Event::RoomAnswer { uid: room_uid, outcome: Outcome::Done });
        events
    }

    async fn ask_for_room(&self, server_uid: String, room: &ObjectName, room_uid: &str) -> Vec<Event> {
        let found = call(self.rooms(&room.namespace).get_opt(&room.name)).await;
        self.count(RoomAction::Ask, &found);
        let Ok(found) = found else {
            return vec![Event::ServerAnswer { uid: server_uid, outcome: Outcome::Failed }];
        };
        let is_there = found.as_ref().is_some_and(|it| it.uid() == room_uid);
        let mut events = self.saw_room(room, room_uid, found);
        if !is_there {
            events.push(Event::RoomAbsent { server_uid: server_uid.clone(), room_uid: room_uid.to_owned() });
        }
        events.push(Event::ServerAnswer { uid: server_uid, outcome: Outcome::Done });
        events
    }

    /// Deletes the pod of a plain server that has served its match. Not if another leader has claimed
    /// it again since the ledger decided.
    async fn release(&self, server_uid: String, pod: &ObjectName, epoch: Epoch) -> Vec<Event> {
        let seen = self.world.read().pods.get(pod).filter(|it| it.uid == server_uid).cloned();
        let Some(seen) = seen.filter(|it| it.claim.as_ref().is_some_and(|it| it.epoch == epoch)) else {
            return vec![Event::ServerAnswer { uid: server_uid, outcome: Outcome::Conflict }];
        };
        let unchanged = Preconditions {
            uid: Some(server_uid.clone()),
            resource_version: Some(seen.resource_version.clone()),
        };
        let params = DeleteParams { preconditions: Some(unchanged), ..DeleteParams::default() };
        let deleted = call(self.pods(&pod.namespace).delete(&pod.name, &params)).await;
        self.count(RoomAction::Release, &deleted);
        let left = match deleted {
            Ok(answer) => answer.left().filter(|it| it.metadata.deletion_timestamp.is_some()),
            // It has changed: what is it like now?
            Err(error) if is_stale(&error) => {
                match call(self.pods(&pod.namespace).get_opt(&pod.name)).await {
                    Ok(found) => found,
                    Err(_) => return vec![Event::ServerAnswer { uid: server_uid, outcome: Outcome::Failed }],
                }
            }
            Err(error) => {
                warn!(
                    namespace = pod.namespace,
                    server = pod.name,
                    error = logs::chain(&error),
                    "failed to delete a server whose room is over or gone"
                );
                return vec![Event::ServerAnswer { uid: server_uid, outcome: Outcome::Failed }];
            }
        };
        let mut events = self.saw_pod(pod, &server_uid, left.as_ref());
        events.push(Event::ServerAnswer { uid: server_uid, outcome: Outcome::Done });
        events
    }

    async fn delete_room(&self, room: &Arc<GameRoom>) -> Vec<Event> {
        let key = room.key();
        let unchanged = Preconditions { uid: Some(room.uid().to_owned()), resource_version: None };
        let params = DeleteParams { preconditions: Some(unchanged), ..DeleteParams::default() };
        let deleted = call(self.rooms(&key.namespace).delete(&key.name, &params)).await;
        self.count(RoomAction::Delete, &deleted);
        let left = match deleted {
            Ok(answer) => answer.left().filter(|it| {
                it.metadata.deletion_timestamp.is_some()
                    && it.metadata.finalizers.as_ref().is_some_and(|it| !it.is_empty())
            }),
            Err(error) if is_stale(&error) => None,
            Err(_) => return vec![answer(room, Outcome::Failed)],
        };
        let mut events = self.saw_room(&key, room.uid(), left);
        events.push(answer(room, Outcome::Done));
        events
    }

    async fn tell_loss(&self, room: &GameRoom, loss: &Loss, is_restored: bool) -> Vec<Event> {
        self.metrics.room_lost();
        let next =
            if is_restored { "goes on from its last checkpoint, if there is one," } else { "begins afresh" };
        let note = format!("{loss}; the match {next} on another server");
        self.events.room(room, &Notice { is_warning: true, reason: reason::SERVER_LOST, note }).await;
        Vec::new()
    }

    /// Takes in what a pod is like now; `None`, or one with another uid: it is gone.
    fn saw_pod(&self, name: &ObjectName, uid: &str, found: Option<&Pod>) -> Vec<Event> {
        let found = found.and_then(ServerPod::parse);
        let mut world = self.world.write();
        let mut events = Vec::new();
        if found.as_ref().is_none_or(|it| it.uid != uid) {
            world.pods.note_gone(name, uid);
            events.push(Event::ServerGone(uid.to_owned()));
        }
        if let Some(found) = found {
            world.pods.note(found);
            // The cache may know better than this answer.
            events.extend(world.pods.get(name).map(|it| Event::Server(world.server_view(it))));
        }
        events
    }

    fn saw_room(&self, name: &ObjectName, uid: &str, found: Option<GameRoom>) -> Vec<Event> {
        let mut world = self.world.write();
        let mut events = Vec::new();
        if found.as_ref().is_none_or(|it| it.uid() != uid) {
            match world.rooms.note_gone(name, uid) {
                Some(Change::Gone(room) | Change::Set(room)) => events.push(Event::RoomGone(room)),
                None => (),
            }
        }
        if let Some(found) = found {
            if let Some(Change::Gone(room) | Change::Set(room)) = world.rooms.outlived(&found) {
                events.push(Event::RoomGone(room));
            }
            world.rooms.note(found);
            events.extend(world.rooms.get(name).map(|it| Event::Room(it.clone())));
        }
        events
    }

    fn measure_placement(&self, room: &GameRoom) {
        let created = room.metadata.creation_timestamp.as_ref().map(|it| it.0);
        if let Some(created) = created {
            self.metrics.room_placed(self.clock.now().duration_since(created).as_secs_f64().max(0.0));
        }
    }

    fn count<T>(&self, action: RoomAction, result: &Result<T, Error>) {
        let outcome = match result {
            Ok(_) => metrics::Outcome::Applied,
            Err(error) if is_stale(error) => metrics::Outcome::Skipped,
            Err(_) => metrics::Outcome::Failed,
        };
        self.metrics.room_action(action, outcome);
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn rooms(&self, namespace: &str) -> Api<GameRoom> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

async fn call<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    Ok(timeout(CALL_TIMEOUT, request).await.map_err(|_| Error::Late)??)
}

fn answer(room: &GameRoom, outcome: Outcome) -> Event {
    Event::RoomAnswer { uid: room.uid().to_owned(), outcome }
}

/// The object is not as it was when the ledger decided, or not there any more.
fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Api(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found())
}
