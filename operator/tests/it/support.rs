//! A cluster in memory, operators that run on it and are killed, and short words for both.

use std::{sync::Arc, time::Duration};

use crate::control::servers::Servers;
use gamekeeper_crds::{GameFleet, GameRoom, conditions, labels, room::Phase};
use gamekeeper_operator::{
    admin::Readiness, clock::Clock, leader::Timing, metrics::Metrics, name::ObjectName, operator::Operator,
};
use gamekeeper_testkit::{
    ClientOptions, Connection, FakeApi,
    sim::{Cluster, ClusterOptions},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

pub(crate) const NAMESPACE: &str = "games";

/// A cluster in memory.
pub(crate) struct Stage {
    pub(crate) api: FakeApi,
    pub(crate) cluster: Arc<Cluster>,
    /// What runs in pods with a control port.
    pub(crate) servers: Servers,
    client: Client,
}

/// An operator process.
pub(crate) struct Running {
    name: String,
    pub(crate) connection: Connection,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Stage {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, ClusterOptions::default())
    }

    pub(crate) fn with(seed: u64, options: ClusterOptions) -> Self {
        let api = FakeApi::new(seed);
        let cluster = Arc::new(Cluster::start(&api, options));
        let client = api.client();
        let servers = Servers::new(&cluster);
        Self { api, cluster, servers, client }
    }

    /// Starts an operator whose requests suffer all faults.
    pub(crate) fn operator(&self, name: &str) -> Running {
        self.operator_with(&ClientOptions::faulty(name), "default=7000-7099", "gamekeeper-operator")
    }

    pub(crate) fn operator_with(&self, options: &ClientOptions, ranges: &str, lease: &str) -> Running {
        self.operator_at(options, ranges, lease, Clock::simulated(self.api.now()))
    }

    /// An operator with a clock of its own.
    pub(crate) fn operator_at(
        &self,
        options: &ClientOptions,
        ranges: &str,
        lease: &str,
        clock: Clock,
    ) -> Running {
        let connection = self.api.connect(options);
        let operator = Operator {
            client: connection.client.clone(),
            identity: options.name.clone(),
            lease: ObjectName::new("gamekeeper-system", lease),
            namespaces: Vec::new(),
            ranges: ranges.parse().unwrap(),
            timing: Timing::DEFAULT,
            clock,
            metrics: Metrics::default(),
            readiness: Readiness::default(),
            connector: self.servers.connector(),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(operator.run(stop.clone()));
        Running { name: options.name.clone(), connection, stop, task }
    }

    pub(crate) fn fleets(&self) -> Api<GameFleet> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(crate) fn rooms(&self) -> Api<GameRoom> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(crate) async fn create_fleet(&self, name: &str, change: Value) -> GameFleet {
        self.create_fleet_in(NAMESPACE, name, change).await
    }

    pub(crate) async fn create_fleet_in(&self, namespace: &str, name: &str, change: Value) -> GameFleet {
        let mut fleet = json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet",
            "metadata": { "name": name },
            "spec": {
                "replicas": 3, "admission": "Open",
                "ports": [{ "name": "game", "containerPort": 7777 }],
                "template": {
                    "metadata": { "labels": { "build": "1" } },
                    "spec": { "containers": [{ "name": "server", "image": "arena" }] },
                },
            },
        });
        json_patch::merge(&mut fleet, &change);
        let fleet = serde_json::from_value(fleet).unwrap();
        let fleets = Api::<GameFleet>::namespaced(self.client.clone(), namespace);
        fleets.create(&PostParams::default(), &fleet).await.unwrap()
    }

    pub(crate) async fn patch_fleet(&self, name: &str, patch: Value) {
        self.fleets().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete_fleet(&self, name: &str) {
        self.fleets().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) async fn create_room(&self, name: &str, change: Value) -> GameRoom {
        self.create_room_in(NAMESPACE, name, change).await
    }

    pub(crate) async fn create_room_in(&self, namespace: &str, name: &str, change: Value) -> GameRoom {
        let mut room = json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
            "metadata": { "name": name },
            "spec": { "fleetName": "arena" },
        });
        json_patch::merge(&mut room, &change);
        let room = serde_json::from_value(room).unwrap();
        let rooms = Api::<GameRoom>::namespaced(self.client.clone(), namespace);
        rooms.create(&PostParams::default(), &room).await.unwrap()
    }

    pub(crate) async fn delete_room(&self, name: &str) {
        let _ = self.rooms().delete(name, &DeleteParams::default()).await;
    }

    pub(crate) fn fleet(&self, name: &str) -> Option<GameFleet> {
        let found = self.api.object("gamekeeper.dev", "gamefleets", NAMESPACE, name)?;
        Some(serde_json::from_value(found).unwrap())
    }

    pub(crate) fn room(&self, name: &str) -> Option<GameRoom> {
        let found = self.api.object("gamekeeper.dev", "gamerooms", NAMESPACE, name)?;
        Some(serde_json::from_value(found).unwrap())
    }

    pub(crate) fn phase(&self, room: &str) -> Option<Phase> {
        Some(self.room(room)?.status.unwrap_or_default().phase)
    }

    /// The pod that a room's status names.
    pub(crate) fn server_of(&self, room: &str) -> Option<String> {
        Some(self.room(room)?.status?.server?.pod_name)
    }

    pub(crate) fn pods(&self) -> Vec<Value> {
        self.api.objects("", "pods")
    }

    /// The pods that say they are of this fleet.
    pub(crate) fn pods_of(&self, fleet: &str) -> Vec<Value> {
        let is_its = |it: &Value| {
            it["metadata"]["namespace"] == NAMESPACE && it["metadata"]["labels"][labels::FLEET] == fleet
        };
        self.pods().into_iter().filter(is_its).collect()
    }

    /// The note of an event with this reason about an object with this name.
    pub(crate) fn event(&self, about: &str, reason: &str) -> Option<String> {
        let events = self.api.objects("events.k8s.io", "events");
        let found = events.iter().find(|it| it["regarding"]["name"] == about && it["reason"] == reason)?;
        found["note"].as_str().map(str::to_owned)
    }

    /// Whether the room runs on a server that lives and carries its claim.
    pub(crate) fn is_played(&self, room: &str) -> bool {
        let Some(room) = self.room(room) else { return false };
        let status = room.status.clone().unwrap_or_default();
        let Some(server) = status.server.filter(|_| status.phase == Phase::Running) else { return false };
        self.cluster.running().iter().any(|it| {
            it.uid == server.pod_uid
                && it.annotations.get(labels::ROOM_UID).map(String::as_str) == Some(&*uid(&room))
                && it.annotations.get(labels::EPOCH) == Some(&status.epoch.to_string())
        })
    }

    /// Creates a room and waits until it is played.
    pub(crate) async fn play(&self, room: &str) -> String {
        self.create_room(room, json!({})).await;
        self.eventually("the room is played", |it| it.is_played(room)).await;
        self.server_of(room).unwrap()
    }

    /// Waits until the room is told this reason why it waits.
    pub(crate) async fn assert_waits(&self, room: &str, why: &str) {
        let is_told = |it: &Self| it.room_condition(room, conditions::PLACED).2 == why;
        self.eventually("the room is told why it waits", is_told).await;
    }

    /// Status, reason and message of a fleet's condition.
    pub(crate) fn fleet_condition(&self, fleet: &str, type_: &str) -> (String, String, String) {
        let status = self.fleet(fleet).and_then(|it| it.status).unwrap_or_default();
        let found = conditions::find(&status.conditions, type_);
        found.map(|it| (it.status.clone(), it.reason.clone(), it.message.clone())).unwrap_or_default()
    }

    /// Status, reason and message of a room's condition.
    pub(crate) fn room_condition(&self, room: &str, type_: &str) -> (String, String, String) {
        let status = self.room(room).and_then(|it| it.status).unwrap_or_default();
        let found = conditions::find(&status.conditions, type_);
        found.map(|it| (it.status.clone(), it.reason.clone(), it.message.clone())).unwrap_or_default()
    }

    pub(crate) fn ready(&self, fleet: &str) -> i32 {
        self.fleet(fleet).and_then(|it| it.status).unwrap_or_default().ready_replicas
    }

    /// Waits in virtual time; on failure says what is the case.
    pub(crate) async fn eventually(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.within(Duration::from_mins(2), what, holds).await;
    }

    pub(crate) async fn within(&self, patience: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        let mut version = self.api.version();
        while !holds(self) {
            // Only a change can make it true.
            let changed = tokio::time::timeout_at(deadline, self.api.changed_since(version)).await;
            version = changed.unwrap_or(version);
            assert!(Instant::now() < deadline, "waited in vain until {what}\n{}", self.picture());
        }
    }

    /// What is the case, for who reads of a failure.
    pub(crate) fn picture(&self) -> String {
        let show = |objects: Vec<Value>| -> String {
            let line = |it: Value| {
                format!("  {} {} {}\n", it["metadata"]["name"], it["metadata"]["annotations"], it["status"])
            };
            objects.into_iter().map(line).collect()
        };
        format!(
            "fleets:\n{}rooms:\n{}pods:\n{}requests:\n{}",
            show(self.api.objects("gamekeeper.dev", "gamefleets")),
            show(self.api.objects("gamekeeper.dev", "gamerooms")),
            show(self.pods()),
            self.api.tail(25)
        )
    }

    /// Nothing but the Lease is written in this time.
    pub(crate) async fn assert_at_rest(&self, time: Duration) {
        let mark = self.api.mark();
        sleep(time).await;
        let writes: Vec<String> = self
            .api
            .writes_since(mark)
            .into_iter()
            .filter(|it| it.resource != "leases" && it.client != "cluster")
            .map(|it| format!("{it:?}"))
            .collect();
        assert!(writes.is_empty(), "written at rest: {writes:#?}\n{}", self.picture());
    }
}

impl Running {
    /// Its client's name in the log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// SIGKILL: nothing of it goes on.
    pub(crate) fn kill(self) {
        // Else tasks of its own would give up the lease.
        self.connection.crashed.cancel();
        self.task.abort();
    }

    /// SIGTERM.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task)
            .await
            .expect("stops when it is told to")
            .unwrap();
    }
}

/// A fleet that is ready, and an operator that keeps it so.
pub(crate) async fn ready_stage(seed: u64, replicas: i32) -> (Stage, Running) {
    let stage = Stage::new(seed);
    let operator = stage.operator("operator-1");
    stage.create_fleet("arena", json!({ "spec": { "replicas": replicas } })).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == replicas).await;
    (stage, operator)
}

/// The name of a pod.
pub(crate) fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

/// Anything that has come from the API server has a uid.
pub(crate) fn uid(object: &impl kube::ResourceExt) -> String {
    object.uid().unwrap()
}
