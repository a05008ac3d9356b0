//! The bare loop: sees each room by a watch, and writes its status once, without asking any server.

use std::collections::VecDeque;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gamekeeper_crds::GameRoomStatus;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::task::JoinSet;

use super::rooms::{Group, Room};
use crate::bench::stage::NAMESPACE;
use crate::progress::say;

/// Its service account.
pub(super) const ACCOUNT: &str = "bare-loop";

/// As many as the operator has.
const IN_FLIGHT: usize = 16;

/// Works until it is dropped.
pub(super) struct Rival {
    _task: JoinSet<()>,
}

impl Rival {
    /// Gives every room of the raw group this status.
    pub(super) fn start(client: Client, status: GameRoomStatus) -> Self {
        let rooms = Api::namespaced_with(client, NAMESPACE, Group::raw().resource());
        let mut task = JoinSet::new();
        task.spawn(work(rooms, status));
        Self { _task: task }
    }
}

async fn work(rooms: Api<Room>, status: GameRoomStatus) {
    let mut events = std::pin::pin!(watcher(rooms.clone(), watcher::Config::default()).default_backoff());
    let mut queue = VecDeque::new();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while in_flight.len() < IN_FLIGHT
            && let Some(room) = queue.pop_front()
        {
            in_flight.push(write(&rooms, room, &status));
        }
        tokio::select! {
            Some(()) = in_flight.next(), if !in_flight.is_empty() => {}
            event = events.next() => match event {
                Some(Ok(Event::Apply(room) | Event::InitApply(room))) if room.status.is_none() => queue.push_back(room),
                Some(_) => {}
                None => return,
            },
        }
    }
}

/// As the operator does it: the whole object as it was seen, so that whoever changed it meanwhile wins.
async fn write(rooms: &Api<Room>, mut room: Room, status: &GameRoomStatus) {
    // The operator does not keep them either.
    room.managed_fields_mut().clear();
    room.types = Some(Group::raw().types());
    room.status = Some(status.clone());
    let name = room.name_any();
    if let Err(error) = rooms.replace_status(&name, &PostParams::default(), &room).await {
        // Whoever waits for the room has a deadline.
        say(&format!("the bare loop: {name}: {error}"));
    }
}
