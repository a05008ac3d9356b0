//! The ledger against a small world of its own: single steps, and seeded histories.

mod cases;
mod histories;
mod recovery;
mod simulation;
mod standbys;

use std::{sync::Arc, time::Duration};

use gamekeeper_control::Tenancy;
use gamekeeper_crds::{
    GameRoom,
    conditions::{self, CHECKPOINTED, FINISHED, PLACED, reason},
    fleet::PlacementStrategy,
    room::{Endpoint, Phase, Recovery},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::{
    clock::Now,
    name::ObjectName,
    server::{Claim, pod::Exit},
    terms::Epoch,
};

fn tenancy(room: &GameRoom, epoch: i64) -> Tenancy {
    Tenancy {
        namespace: "games".to_owned(),
        name: room.metadata.name.clone().unwrap(),
        uid: room.metadata.uid.clone().unwrap(),
        epoch,
    }
}

fn fleet_name() -> ObjectName {
    ObjectName::new("games", "arena")
}

fn fleet() -> FleetView {
    FleetView {
        is_ours: true,
        is_open: true,
        strategy: PlacementStrategy::Packed,
        newest_revision: Some("r2".into()),
        max_rooms: 4096,
        claim_timeout: Duration::from_secs(30),
        has_store: false,
        fence_after: Duration::from_secs(1),
        has_standbys: false,
    }
}

fn server(name: &str, node: &str) -> ServerView {
    ServerView {
        uid: format!("uid-{name}"),
        fleet: fleet_name(),
        pod_name: name.to_owned(),
        node: Some(node.to_owned()),
        labels: [("build".to_owned(), "1.4".to_owned())].into(),
        revision: "r2".to_owned(),
        state: ServerState::Ready,
        is_deleting: false,
        is_controlled: false,
        claim: None,
        endpoints: vec![Endpoint {
            name: "game".into(),
            protocol: gamekeeper_crds::fleet::Protocol::UDP,
            address: "198.18.0.11".into(),
            port: 7003,
        }],
    }
}

#[allow(clippy::needless_pass_by_value, reason = "reads better without an ampersand at every case")]
fn room(name: &str, change: Value) -> GameRoom {
    let mut room = json!({
        "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
        "metadata": { "name": name, "namespace": "games", "uid": format!("uid-{name}"), "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "fleetName": "arena" },
    });
    json_patch::merge(&mut room, &change);
    serde_json::from_value(room).unwrap()
}

/// A ledger, its clock, and short ways to talk to it.
struct Desk {
    ledger: Ledger,
    start: Instant,
    passed: Duration,
}

impl Desk {
    fn open() -> Self {
        let mut desk = Self { ledger: Ledger::new(3), start: Instant::now(), passed: Duration::ZERO };
        desk.on(Event::Fleet(fleet_name(), fleet()));
        desk.on(Event::Synced);
        desk
    }

    fn now(&self) -> Now {
        let wall =
            Timestamp::from_second(1_767_225_600 + i64::try_from(self.passed.as_secs()).unwrap()).unwrap();
        Now { instant: self.start + self.passed, wall }
    }

    fn on(&mut self, event: Event) -> Vec<Command> {
        let now = self.now();
        self.ledger.on(event, now)
    }

    fn after(&mut self, passed: Duration) -> Vec<Command> {
        self.passed += passed;
        self.on(Event::Tick)
    }

    fn room(&mut self, room: &GameRoom) -> Vec<Command> {
        self.on(Event::Room(Arc::new(room.clone())))
    }

    fn done(&mut self, room: &GameRoom) -> Vec<Command> {
        self.on(Event::RoomAnswer { uid: room.metadata.uid.clone().unwrap(), outcome: Outcome::Done })
    }

    /// Places `room` on `server`, as far as the ledger knows.
    fn play(&mut self, room: &GameRoom, server: &ServerView) -> (GameRoom, ServerView) {
        self.on(Event::Server(server.clone()));
        let commands = self.room(room);
        let [Command::Claim { server: claimed, epoch, .. }] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(claimed.uid, server.uid);
        let claimed = claimed_by(server, room, *epoch);
        assert_eq!(self.on(Event::Server(claimed.clone())), [], "one command at a time");
        let commands = self.done(room);
        let [Command::WriteStatus { status, .. }] = &commands[..] else { panic!("{commands:?}") };
        let mut running = room.clone();
        running.status = Some((**status).clone());
        self.room(&running);
        assert_eq!(self.done(room), []);
        (running, claimed)
    }
}

fn claimed_by(server: &ServerView, room: &GameRoom, epoch: Epoch) -> ServerView {
    let claim = Claim {
        room_name: room.metadata.name.clone().unwrap(),
        room_uid: room.metadata.uid.clone().unwrap(),
        epoch,
    };
    ServerView { claim: Some(claim), ..server.clone() }
}

fn condition<'a>(status: &'a gamekeeper_crds::GameRoomStatus, type_: &str) -> (&'a str, &'a str, &'a str) {
    let found = conditions::find(&status.conditions, type_).unwrap_or_else(|| panic!("no condition {type_}"));
    (found.status.as_str(), found.reason.as_str(), found.message.as_str())
}

fn written(commands: &[Command]) -> &gamekeeper_crds::GameRoomStatus {
    let mut statuses = commands.iter().filter_map(|it| match it {
        Command::WriteStatus { status, .. } => Some(&**status),
        _ => None,
    });
    statuses.next_back().unwrap_or_else(|| panic!("no status among {commands:?}"))
}
