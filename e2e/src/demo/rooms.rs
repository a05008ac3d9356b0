//! Rooms as a matchmaker sees them: by a watch, which tells when what could be read.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use gamekeeper_crds::GameRoom;
use gamekeeper_crds::room::Phase;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// A watch begins at once, or not at all.
const BEGIN: Duration = Duration::from_secs(10);

/// What the watch has told of a room.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// When it was first seen.
    pub(super) appeared: Instant,
    /// When it became what it is: its phase or its epoch changed.
    pub(super) changed: Instant,
    pub(super) phase: Phase,
    pub(super) epoch: i64,
    pub(super) server: String,
    /// As its status tells them.
    pub(super) endpoints: Vec<String>,
    pub(super) certificate_hashes: Vec<String>,
}

type Sightings = HashMap<String, Sighting>;

/// The rooms of a namespace.
pub(super) struct Rooms {
    sightings: watch::Receiver<Sightings>,
    /// Ends the watch with us.
    _task: JoinSet<()>,
}

impl Rooms {
    /// Begins to watch, and returns when nothing that happens later is missed.
    pub(super) async fn watch(client: Client, namespace: &str) -> Result<Self> {
        let rooms: Api<GameRoom> = Api::namespaced(client, namespace);
        let (sender, sightings) = watch::channel(Sightings::new());
        let (listed, is_listed) = tokio::sync::oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut listed = Some(listed);
            let mut news = std::pin::pin!(watcher(rooms, watcher::Config::default()).default_backoff());
            while let Some(event) = news.next().await {
                match event {
                    Ok(Event::Apply(room) | Event::InitApply(room)) => {
                        let now = Instant::now();
                        sender.send_modify(|sightings| note(sightings, &room, now));
                    }
                    Ok(Event::InitDone) => drop(listed.take().map(|it| it.send(()))),
                    // The watch begins again by itself; whoever waits in vain has a deadline.
                    Ok(Event::Init | Event::Delete(_)) | Err(_) => {}
                }
            }
        });
        let begun = timeout(BEGIN, is_listed).await;
        begun.context("rooms cannot be watched: is the chart's definition of GameRoom there?")??;
        Ok(Self { sightings, _task: task })
    }

    /// How many rooms are as `is_so` says now.
    pub(super) fn count(&self, is_so: impl Fn(&Sighting) -> bool) -> usize {
        self.sightings.borrow().values().filter(|it| is_so(it)).count()
    }

    /// Waits until a room is as `is_so` says; `what` is that in words.
    pub(super) async fn until(
        &self,
        name: &str,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(&Sighting) -> bool,
    ) -> Result<Sighting> {
        let mut sightings = self.sightings.clone();
        let found = timeout(deadline, sightings.wait_for(|all| all.get(name).is_some_and(&is_so))).await;
        if let Ok(all) = found {
            return all?.get(name).cloned().context("it was just there");
        }
        let last = self.sightings.borrow().get(name).cloned();
        let last = last.map_or_else(|| "it was never seen".to_owned(), |it| format!("it is {:?}", it.phase));
        anyhow::bail!("waited {deadline:?} in vain for {name} {what}: {last}")
    }
}

fn note(sightings: &mut Sightings, room: &GameRoom, now: Instant) {
    let status = room.status.clone().unwrap_or_default();
    let before = sightings.get(&room.name_any());
    let unchanged = before.filter(|it| it.phase == status.phase && it.epoch == status.epoch);
    let sighting = Sighting {
        appeared: before.map_or(now, |it| it.appeared),
        changed: unchanged.map_or(now, |it| it.changed),
        phase: status.phase,
        epoch: status.epoch,
        server: status.server.map(|it| it.pod_name).unwrap_or_default(),
        endpoints: status.endpoints.iter().map(|it| socket_address(&it.address, it.port)).collect(),
        certificate_hashes: status.certificate_hashes,
    };
    sightings.insert(room.name_any(), sighting);
}

fn socket_address(address: &str, port: i32) -> String {
    // As it is written for IPv6, too.
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
