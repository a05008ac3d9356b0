//! A healthy fleet in another namespace, which goes on whatever happens to the one under test.

use std::time::Duration;

use gamekeeper_crds::room::Phase;
use serde_json::{Value, json};

use crate::support::Stage;

const NAMESPACE: &str = "league";
const FLEET: &str = "duels";
const SERVERS: i64 = 2;

/// The healthy fleet.
pub(crate) struct Neighbour<'a>(&'a Stage);

impl<'a> Neighbour<'a> {
    /// Creates the fleet. An operator must run already.
    pub(crate) async fn new(stage: &'a Stage) -> Self {
        // Ports of its own: it is not to suffer from others' shortage.
        let port = json!([{ "name": "game", "containerPort": 7777, "exposure": { "type": "PodIP" } }]);
        let spec = json!({ "replicas": SERVERS, "ports": port });
        stage.create_fleet_in(NAMESPACE, FLEET, json!({ "spec": spec })).await;
        let this = Self(stage);
        stage.eventually("the neighbour is ready", |_| this.is_ready()).await;
        this
    }

    /// A whole life of a room: placed, played, finished, its server replaced.
    pub(crate) async fn plays(&self, room: &str) {
        let spec = json!({ "fleetName": FLEET, "ttlSecondsAfterFinished": 100_000 });
        self.0.create_room_in(NAMESPACE, room, json!({ "spec": spec })).await;
        let second = Duration::from_secs(5);
        self.0.within(second, "the neighbour's room runs", |_| self.phase(room) == "Running").await;
        let server = self.status(room)["server"]["podName"].as_str().unwrap().to_owned();
        assert!(self.0.cluster.exit(NAMESPACE, &server, 0));
        self.0.within(second, "the neighbour's room is finished", |_| self.phase(room) == "Finished").await;
        let soon = Duration::from_secs(30);
        self.0.within(soon, "the neighbour's server is replaced", |_| self.is_ready()).await;
    }

    fn status(&self, room: &str) -> Value {
        let room = self.0.api.object("gamekeeper.dev", "gamerooms", NAMESPACE, room);
        room.map(|it| it["status"].clone()).unwrap_or_default()
    }

    fn phase(&self, room: &str) -> Value {
        let phase = self.status(room)["phase"].clone();
        if phase.is_null() { json!(Phase::Pending) } else { phase }
    }

    fn is_ready(&self) -> bool {
        let fleet = self.0.api.object("gamekeeper.dev", "gamefleets", NAMESPACE, FLEET);
        fleet.is_some_and(|it| {
            it["status"]["readyReplicas"] == SERVERS && it["status"]["rooms"]["free"] == SERVERS
        })
    }
}
