//! Where it all happens: a namespace with a fleet of arenas that save their rooms, and bots that play there and keep
//! journals.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::try_join_all;
use gamekeeper_crds::room::Phase;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::json;
use tokio::time::timeout;

use super::fleet::{self, MASS, Size};
use super::folder::Folder;
use super::scene::{Scene, Server};
use super::sight::Sight;
use super::store;
use crate::arena::{Arena, PATIENCE, node_of};
use crate::bots::{Bots, Played, Table};
use crate::clock::Moment;
use crate::command::program;
use crate::drain::uncordon;
use crate::faults::Faults;
use crate::operators::Operators;
use crate::wait::eventually;

/// Rooms beside each other: some of them share a server, others have one of their own.
const ROOMS: usize = 6;

/// Bots in each.
const BOTS: usize = 2;

/// Rooms on a node that is to be lost.
const ROOMS_ON_NODE: usize = 3;

/// As many are made until so many are on the node; they go where the fewest are.
const ROOMS_MAX: usize = 24;

/// How often more rooms are made until enough of them are on a node. Half of them go there, or a third.
const TRIES: usize = 12;

/// How long bots may take to leave.
const FAREWELL: Duration = Duration::from_secs(20);

/// The stage.
pub(super) struct Stage {
    pub(super) arena: Arena,
    pub(super) operators: Operators,
    pub(super) faults: Faults,
    pub(super) folder: Folder,
    pub(super) sight: Sight,
    /// The arena's program, for bots.
    program: PathBuf,
    /// The fleet that is there.
    size: Option<Size>,
    bots: Vec<Bots>,
    /// What those saw that are done.
    played: Vec<Played>,
    /// The rooms that are played, with their uids and how many bots they have.
    rooms: BTreeMap<String, (String, usize)>,
    /// How many rooms were ever made: no name comes again.
    made: usize,
}

impl Stage {
    pub(super) fn new(arena: &Arena, faults: &Faults, folder: &Folder, program: PathBuf) -> Self {
        Self {
            arena: arena.clone(),
            operators: Operators::of(arena.namespace().env()),
            faults: faults.clone(),
            folder: folder.clone(),
            sight: Sight::of(&folder.players(), &folder.servers()),
            program,
            size: None,
            bots: Vec::new(),
            played: Vec::new(),
            rooms: BTreeMap::new(),
            made: 0,
        }
    }

    pub(super) fn namespace(&self) -> &str {
        self.arena.namespace().name()
    }

    /// The rooms that are played, each with its uid and the number of its bots.
    pub(super) fn rooms(&self) -> &BTreeMap<String, (String, usize)> {
        &self.rooms
    }

    /// Who is where.
    pub(super) async fn scene(&self) -> Result<Scene> {
        let env = self.arena.namespace().env();
        let size = self.size.context("there is no fleet")?;
        let running = self.arena.rooms_in(Phase::Running);
        let of_pod = |uid: &str| -> Vec<String> {
            let there = running.iter().filter(|room| {
                let server = self.arena.room_status(room).ok().and_then(|it| it.server);
                server.is_some_and(|it| it.pod_uid == uid)
            });
            there.cloned().collect()
        };
        let pods = self.arena.servers(size.name);
        let servers = pods.iter().filter_map(|pod| {
            let ip = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
            let pod_uid = pod.uid()?;
            let rooms = of_pod(&pod_uid);
            Some(Server { pod: pod.name_any(), pod_uid, node: node_of(pod).to_owned(), ip, rooms })
        });
        let servers = servers.collect();
        let operators = self.operators.pods().list(&ListParams::default()).await?;
        let is_operator = |pod: &&Pod| pod.name_any().starts_with("gamekeeper-operator-");
        let operators = operators.iter().filter(is_operator).filter_map(store::fellow).collect();
        let leader = self.operators.leader(None).await?.pod;
        Ok(Scene { servers, store: store::pod(env).await?, operators, leader })
    }

    /// A fleet of this size, and no other.
    async fn ensure_fleet(&mut self, size: Size) -> Result<()> {
        if self.size != Some(size) {
            self.clear().await?;
            let manifest = fleet::manifest(&self.arena, &self.folder, size).await?;
            self.size = Some(size);
            self.arena.namespace().apply(&manifest.to_string()).await.context("make the fleet")?;
        }
        self.arena.settled(size.name).await
    }

    /// Rooms that are played, on a whole fleet.
    pub(super) async fn ensure_rooms(&mut self) -> Result<()> {
        let nodes = self.faults.cluster().nodes().count();
        self.ensure_fleet(fleet::usual(nodes)?).await?;
        let missing = ROOMS.saturating_sub(self.rooms.len());
        self.make_rooms(missing, BOTS).await?;
        self.all_play().await
    }

    /// The same, with some of them on this node.
    pub(super) async fn ensure_rooms_on(&mut self, node: &str) -> Result<()> {
        self.ensure_rooms().await?;
        for _ in 0..TRIES {
            if ROOMS_ON_NODE <= self.rooms_on(node).await? {
                return self.all_play().await;
            }
            if ROOMS_MAX < self.rooms.len() {
                // Those that other nodes have from earlier rounds are in the way.
                self.end_rooms().await?;
            }
            self.make_rooms(ROOMS_ON_NODE, BOTS).await?;
        }
        bail!("rooms are not placed on {node}, though they are to go where the fewest are")
    }

    async fn rooms_on(&self, node: &str) -> Result<usize> {
        Ok(self.scene().await?.busy_on(node).iter().map(|it| it.rooms.len()).sum())
    }

    /// Hundreds of rooms with a bot each, all of them on this node, and as many empty servers elsewhere.
    pub(super) async fn mass_on(&mut self, node: &str) -> Result<()> {
        self.clear().await?;
        let kubectl = self.arena.namespace().env().kubectl().clone();
        let others: Vec<_> = self.faults.cluster().nodes().map(|it| it.to_string()).collect();
        let others = others.iter().filter(|it| *it != node);
        for other in others.clone() {
            kubectl.run(&["cordon", other]).await?;
        }
        let raised = self.ensure_fleet(MASS).await;
        // In any case: what follows needs them.
        for other in others {
            uncordon(&kubectl, other).await?;
        }
        raised?;
        self.make_rooms(fleet::MASS_ROOMS, 1).await?;
        // The spread of the fleet's pods leaves the new ones no other place.
        let wider = json!({ "spec": { "replicas": 2 * MASS.servers } });
        self.arena.patch_fleet(MASS.name, wider).await?;
        self.arena.settled(MASS.name).await?;
        self.all_play().await
    }

    /// Makes rooms, waits until they run, and lets bots play there.
    async fn make_rooms(&mut self, count: usize, bots: usize) -> Result<()> {
        let Some(size) = self.size.filter(|_| 0 < count) else { return Ok(()) };
        let names: Vec<_> = (self.made..self.made + count).map(|number| format!("room-{number}")).collect();
        self.made += count;
        let spec = fleet::room();
        try_join_all(names.iter().map(|it| self.arena.create_room(it, size.name, spec.clone()))).await?;
        let mut tables = Vec::new();
        for name in names {
            let status = self.arena.running(&name).await?;
            let uid = self.arena.room_uid(&name)?;
            tables.push(Table {
                room: uid.clone(),
                endpoints: status.endpoints.iter().map(|it| format!("{}:{}", it.address, it.port)).collect(),
                certificate_hashes: status.certificate_hashes,
                players: bots,
                tickets: Vec::new(),
            });
            self.rooms.insert(name, (uid, bots));
        }
        let mut command = program(&self.program);
        command.args(["bot", "--plan", "-", "--journal"]).arg(self.folder.players());
        self.bots.push(Bots::play_by(command, &tables).await?);
        Ok(())
    }

    /// Waits until all bots in all rooms play.
    pub(super) async fn all_play(&mut self) -> Result<()> {
        let (rooms, sight) = (&self.rooms, tokio::sync::Mutex::new(&mut self.sight));
        eventually("all bots to play", PATIENCE, async || {
            let mut sight = sight.lock().await;
            let (views, now) = (sight.look()?, Moment::now());
            for (name, (uid, bots)) in rooms {
                let playing = views.playing(uid, now);
                ensure!(playing == *bots, "{playing} of {bots} bots play in {name}");
            }
            Ok(())
        })
        .await
    }

    /// Ends all rooms, and notes what their bots saw.
    pub(super) async fn end_rooms(&mut self) -> Result<()> {
        // Before: who is in a room that is gone would look for it elsewhere.
        let bots = std::mem::take(&mut self.bots);
        let all = timeout(FAREWELL, try_join_all(bots.into_iter().map(Bots::leave))).await;
        let all =
            all.with_context(|| format!("bots are still there {FAREWELL:?} after they were told to go"))?;
        self.played.extend(all?.into_iter().flatten());
        let names: Vec<_> = std::mem::take(&mut self.rooms).into_keys().collect();
        try_join_all(names.iter().map(|it| self.arena.delete_room(it))).await?;
        Ok(())
    }

    /// What bots saw, of those that are done, each once.
    pub(super) fn take_played(&mut self) -> Vec<Played> {
        std::mem::take(&mut self.played)
    }

    /// No fleet and no rooms.
    pub(super) async fn clear(&mut self) -> Result<()> {
        self.end_rooms().await?;
        if let Some(size) = self.size.take() {
            let namespace = self.arena.namespace();
            namespace.kubectl(&["delete", "gamefleet", size.name, "--wait=false"]).await?;
            let force = ["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"];
            namespace.kubectl(&force).await?;
            self.arena
                .eventually("no fleet and no servers", |it| {
                    ensure!(it.fleet(size.name).is_err(), "the fleet is still there");
                    ensure!(it.servers(size.name).is_empty(), "some servers are left");
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    /// Waits until everything is as before a fault.
    pub(super) async fn whole(&mut self) -> Result<()> {
        self.operators.available().await?;
        if let Some(size) = self.size {
            self.arena.settled(size.name).await?;
        }
        let env = self.arena.namespace().env();
        store::ready(env).await?;
        self.all_play().await
    }
}
