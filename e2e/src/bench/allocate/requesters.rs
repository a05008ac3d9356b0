//! Those who ask for rooms: they create them, and a watch tells them when they can play.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gamekeeper_crds::GameRoomStatus;
use gamekeeper_crds::room::Phase;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::load::Load;
use super::rooms::{Group, Room};
use crate::bench::counts::Counts;
use crate::bench::stage::NAMESPACE;

/// Rooms being created at once: each is a connection of its own, and hundreds of them would measure handshakes.
const IN_FLIGHT: usize = 16;

/// Longer than the queue of any load.
const PLACED: Duration = Duration::from_mins(1);

/// Who waits for which room by name.
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Seen>>>>;

/// A room that can be played in.
struct Seen {
    at: Instant,
    status: GameRoomStatus,
}

/// What came of many requests.
pub(super) struct Window {
    /// From the first request until the last room was seen to run.
    pub(super) seconds: f64,
    /// Of each room, from its request until it was seen to run.
    pub(super) latencies_ms: Vec<f64>,
}

/// The requesters of one side's rooms.
pub(super) struct Requesters {
    rooms: Api<Room>,
    group: Group,
    waiting: Waiting,
    counts: Counts<usize>,
    permits: Semaphore,
    windows: AtomicUsize,
    /// Ends the watch with us.
    _watch: JoinSet<()>,
}

impl Requesters {
    pub(super) fn new(client: Client, group: &Group) -> Self {
        let rooms: Api<Room> = Api::namespaced_with(client, NAMESPACE, group.resource());
        let waiting = Waiting::default();
        let (sender, counts) = Counts::new();
        let mut task = JoinSet::new();
        task.spawn(look(rooms.clone(), waiting.clone(), sender));
        let permits = Semaphore::new(IN_FLIGHT);
        Self {
            rooms,
            group: group.clone(),
            waiting,
            counts,
            permits,
            windows: AtomicUsize::new(0),
            _watch: task,
        }
    }

    /// How many rooms there are.
    pub(super) fn counts(&self) -> &Counts<usize> {
        &self.counts
    }

    /// Asks for one room, and returns its status when it can be played in.
    pub(super) async fn request_one(&self, name: &str) -> Result<GameRoomStatus> {
        Ok(self.placed(name.to_owned()).await?.status)
    }

    /// Asks for rooms as `load` says, and waits until all can be played in.
    pub(super) async fn request(&self, load: Load, rooms: usize) -> Result<Window> {
        let window = self.windows.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let request = async |number: usize| -> Result<(f64, Instant)> {
            let due = load.due(u32::try_from(number)?).map(|it| start + it);
            if let Some(due) = due {
                sleep_until(due).await;
            }
            // Whoever comes late because the machine is busy has waited since then.
            let asked = due.unwrap_or_else(Instant::now);
            let seen = self.placed(format!("w{window}-{number}")).await?;
            Ok((seen.at.duration_since(asked).as_secs_f64() * 1_000.0, seen.at))
        };
        let at_once = match load {
            Load::Concurrency(requesters) => requesters,
            Load::ArrivalsPerS(_) => rooms,
        };
        let placed: Vec<_> =
            stream::iter(0..rooms).map(request).buffer_unordered(at_once).try_collect().await?;
        let last = placed.iter().map(|(_, at)| *at).max().unwrap_or(start);
        let latencies_ms = placed.into_iter().map(|(latency, _)| latency).collect();
        Ok(Window { seconds: last.duration_since(start).as_secs_f64(), latencies_ms })
    }

    async fn placed(&self, name: String) -> Result<Seen> {
        let (sender, seen) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), sender);
        let permit = self.permits.acquire().await?;
        let room = self.group.room(&name);
        self.rooms
            .create(&PostParams::default(), &room)
            .await
            .with_context(|| format!("create the room {name}"))?;
        drop(permit);
        let seen = timeout(PLACED, seen).await;
        seen.with_context(|| format!("waited {PLACED:?} in vain for the room {name}"))?
            .context("the watch has ended")
    }
}

/// Watches all rooms, counts them, and tells who waits for one that runs.
async fn look(rooms: Api<Room>, waiting: Waiting, counts: watch::Sender<usize>) {
    let mut there: HashSet<String> = HashSet::new();
    let mut events = std::pin::pin!(watcher(rooms, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(room) | Event::InitApply(room)) => {
                let name = room.name_any();
                if let Some(status) = room.status.filter(|it| it.phase == Phase::Running)
                    && let Some(waiting) =
                        waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&name)
                {
                    // Whoever waited may have given up.
                    let _ = waiting.send(Seen { at: Instant::now(), status });
                }
                there.insert(name);
            }
            Ok(Event::Delete(room)) => {
                there.remove(&room.name_any());
            }
            Ok(Event::Init) => there.clear(),
            // The watch begins again by itself; whoever waits in vain has a deadline.
            Ok(Event::InitDone) | Err(_) => {}
        }
        counts.send_replace(there.len());
    }
}
