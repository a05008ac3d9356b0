//! Rooms asked for by many at once: the operator and hollow servers, beside a bare loop that only writes the statuses.

mod load;
mod requesters;
mod rival;
mod rooms;
mod summary;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gamekeeper_crds::GameFleet;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::hollow::{Kubelet, Nodes};
use super::manifests::{self, Control, Template};
use super::operator::{self, Leader};
use super::pods::Pods;
use super::servers::Servers;
use super::stage::{NAMESPACE, Stage, on_stage};
use super::{account, writes};
use crate::cost::Meter;
use crate::progress::say;
use crate::target::Target;
pub use load::Load;
use requesters::{Requesters, Window};
use rival::Rival;
use rooms::{Group, Room};
use summary::{Round, Run};

const FLEET: &str = "rooms";

/// Rooms on a server at most.
const ROOMS_PER_SERVER: usize = 64;

/// Servers at least, so that the emptiest and the fullest differ.
const SERVERS: usize = 64;

/// Servers are ready, and rooms gone, within seconds.
const DONE: Duration = Duration::from_mins(2);

/// The name of the bare loop's counted writes.
const RAW_WRITES: &str = "gamekeeper-bench-rooms";

/// Whose rooms go first, and warm everything up.
const WARM_UP: Load = Load::Concurrency(64);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rooms of a window, but for slow loads.
    pub rooms: usize,
    /// How often each side is measured under each load.
    pub rounds: u8,
    /// How the rooms are asked for.
    pub loads: Vec<Load>,
}

/// Who places the rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Raw,
}

/// All that takes part.
struct Allocation<'a> {
    stage: &'a Stage,
    servers: Servers,
    ours: Requesters,
    raw: Requesters,
    _rival: Rival,
    _hollow: (Nodes, Kubelet, Pods),
}

/// Measures the placing of rooms, and returns a report.
pub async fn allocate(target: Target, plan: &Plan) -> Result<Value> {
    on_stage(target, async |stage| {
        let allocation = Allocation::set_up(stage, plan.rooms).await?;
        let runs = allocation.measure(plan).await?;
        Ok(json!({
            "runs": runs.iter().map(Run::report).collect::<Vec<_>>(),
            "double_placements": allocation.servers.counts().latest().double_placements,
        }))
    })
    .await
}

impl<'a> Allocation<'a> {
    async fn set_up(stage: &'a Stage, rooms: usize) -> Result<Self> {
        stage.refresh().await?;
        let client = stage.client.clone();
        let count = rooms.div_ceil(ROOMS_PER_SERVER).max(SERVERS);
        let nodes = Nodes::bring_up(&client, count).await?;
        let servers = Servers::open(&stage.cluster, count).await?;
        operator::count_writes(stage).await?;
        let (news, kubelets_news) = mpsc::unbounded_channel();
        let pods = Pods::watch(client.clone(), NAMESPACE, Some(news));
        let kubelet = Kubelet::start(client, kubelets_news, Some(servers.addresses()));
        let control = Control { port: servers.port(), rooms_per_server: ROOMS_PER_SERVER };
        let fleet = manifests::controlled_fleet(FLEET, &Template::hollow(), control);
        stage.kubectl.apply(&fleet.to_string()).await?;
        stage.scale::<GameFleet>(FLEET, count).await?;
        servers.counts().until("all servers to be greeted", DONE, |it| it.linked == count).await?;
        Group::define_raw(stage).await?;
        let requester = account::client(stage, "requester", rooms::ROLE).await?;
        let ours = Requesters::new(requester.clone(), &Group::ours());
        // What the operator writes is what the bare loop writes.
        let status = ours.request_one("pattern").await.context("the first room")?;
        writes::count(&stage.prepared.kubectl, RAW_WRITES, NAMESPACE, rival::ACCOUNT).await?;
        let rival = Rival::start(account::client(stage, rival::ACCOUNT, rooms::ROLE).await?, status);
        let raw = Requesters::new(requester, &Group::raw());
        let hollow = (nodes, kubelet, pods);
        let allocation = Self { stage, servers, ours, raw, _rival: rival, _hollow: hollow };
        allocation.remove_rooms(Side::Ours).await?;
        Ok(allocation)
    }

    async fn measure(&self, plan: &Plan) -> Result<Vec<Run>> {
        let mut runs: Vec<Run> =
            plan.loads.iter().map(|load| Run::new(*load, load.rooms(plan.rooms))).collect();
        say("rooms on hollow servers, beside a bare loop; the first pair warms up");
        for side in [Side::Raw, Side::Ours] {
            self.window(side, WARM_UP, WARM_UP.rooms(plan.rooms)).await.context("the warm-up")?;
        }
        for number in 0..plan.rounds {
            for run in &mut runs {
                // Each time another side goes first: what grows is in favour of neither.
                let sides = if number % 2 == 0 { [Side::Raw, Side::Ours] } else { [Side::Ours, Side::Raw] };
                for side in sides {
                    let round = self.window(side, run.load, run.rooms).await;
                    let round = round.with_context(|| format!("{side:?}, {}", run.load))?;
                    say(&format!("  {}, {side:?}: {round}", run.load));
                    match side {
                        Side::Ours => run.ours.push(round),
                        Side::Raw => run.raw.push(round),
                    }
                }
            }
        }
        Ok(runs)
    }

    /// Has rooms placed, measures it, and removes them.
    async fn window(&self, side: Side, load: Load, rooms: usize) -> Result<Round> {
        let stage = self.stage;
        let requesters = self.requesters(side);
        let doubles_before = self.servers.counts().latest().double_placements;
        let [raw_writes_before] = writes::so_far(&stage.client, [RAW_WRITES]).await?;
        let leader = Leader::watch(stage).await?;
        let meter = Meter::start([stage.processes(), vec![leader.process()]].concat())?;
        let Window { seconds, latencies_ms } = requesters.request(load, rooms).await?;
        let cpu_s = meter.read()?;
        let used = leader.used().await?;
        let [raw_writes] = writes::so_far(&stage.client, [RAW_WRITES]).await?;
        let writes = if side == Side::Ours { used.writes } else { raw_writes - raw_writes_before };
        let servers = self.servers.counts().latest();
        if side == Side::Ours {
            ensure!(servers.rooms == rooms, "{rooms} rooms run, and the servers have {}", servers.rooms);
        }
        let round = Round {
            seconds,
            latencies_ms,
            writes,
            operator_cpu_s: used.cpu_s,
            operator_rss_mib: leader.rss_mib()?,
            double_placements: servers.double_placements - doubles_before,
            cpu_s,
        };
        self.remove_rooms(side).await?;
        Ok(round)
    }

    fn requesters(&self, side: Side) -> &Requesters {
        match side {
            Side::Ours => &self.ours,
            Side::Raw => &self.raw,
        }
    }

    /// Deletes all rooms of a side, and waits until the servers are empty.
    async fn remove_rooms(&self, side: Side) -> Result<()> {
        let group = if side == Side::Ours { Group::ours() } else { Group::raw() };
        let rooms: Api<Room> = administrators(&self.stage.client, &group);
        rooms
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await
            .context("delete all rooms")?;
        self.requesters(side).counts().until("all rooms to be gone", DONE, |it| it == 0).await?;
        self.servers.counts().until("all servers to be empty", DONE, |it| it.rooms == 0).await?;
        self.stage.settle().await;
        Ok(())
    }
}

fn administrators(client: &Client, group: &Group) -> Api<Room> {
    Api::namespaced_with(client.clone(), NAMESPACE, group.resource())
}
