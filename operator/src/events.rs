//! Kubernetes events: what a user would ask about. Best effort; repeats are counted, not repeated.

use std::time::Duration;

use gamekeeper_crds::{GameFleet, GameRoom};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::timeout;
use tracing::warn;

/// The API's limit on a note.
const NOTE_MAX: usize = 1000;

/// Nobody waits longer for an event.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub is_warning: bool,
    /// One of the reasons of conditions.
    pub reason: &'static str,
    pub note: String,
}

/// Publishes events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Events of the process called `identity`.
    pub fn new(client: Client, identity: &str) -> Self {
        let reporter =
            Reporter { controller: "gamekeeper.dev/operator".into(), instance: Some(identity.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// About a fleet.
    pub async fn fleet(&self, fleet: &GameFleet, notice: &Notice) {
        self.publish(&fleet.object_ref(&()), notice).await;
    }

    /// About a room.
    pub async fn room(&self, room: &GameRoom, notice: &Notice) {
        self.publish(&room.object_ref(&()), notice).await;
    }

    async fn publish(&self, about: &ObjectReference, notice: &Notice) {
        let event = Event {
            type_: if notice.is_warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.to_owned(),
            note: Some(notice.note.chars().take(NOTE_MAX).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        match timeout(PATIENCE, self.recorder.publish(&event, about)).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => warn!(%error, reason = notice.reason, "failed to publish an event"),
            Err(_) => warn!(reason = notice.reason, "publishing an event took too long"),
        }
    }
}
