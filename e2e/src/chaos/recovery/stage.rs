//! Where it all happens: a namespace with a fleet of arenas that save their rooms, and bots that play there and keep
//! journals.

mod well;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::{join_all, try_join_all};
use gamekeeper_checker::Record;
use gamekeeper_checker::record::{Fault, Step};
use gamekeeper_crds::room::Phase;
use kube::ResourceExt as _;
use serde_json::json;
use tokio::time::timeout;

use super::fleet::{self, Manner, Size, TICKS_PER_SECOND};
use super::folder::{self, Folder, Part};
use super::scenario::Scenario;
use super::scene::{Scene, Server};
use super::sight::Sight;
use super::store;
use super::verdict::{self, Verdict};
use crate::arena::{Arena, node_of};
use crate::bots::{Bots, Played, Table};
use crate::clock::{Clocks, Moment};
use crate::command::program;
use crate::drain::uncordon;
use crate::faults::Faults;
use crate::operators::Operators;
use crate::progress::say;
use crate::testenv;

/// Rooms beside each other: some of them share a server, others have one of their own.
const ROOMS: usize = 6;

/// Bots in each.
const BOTS: usize = 2;

/// So many rooms at once have bots in processes of their own, and can be ended one by one; more share one process.
const ALONE_MAX: usize = ROOMS_MAX;

/// Rooms on a node that is to be lost.
const ROOMS_ON_NODE: usize = 3;

/// As many are made until so many are on the node; they go where the fewest are.
const ROOMS_MAX: usize = 24;

/// How often more rooms are made until enough of them are on a node. Half of them go there, or a third.
const TRIES: usize = 12;

/// Every round brings its own fleet.
const NO_FLEET: &str = "there is no fleet";

/// A room that was restored within this time is not hit again: a room that loses one server soon after the other is taken for
/// the cause, and kept apart from others, or not placed any more. A little longer than operators watch it.
const TRIAL: Duration = Duration::from_secs(11);

/// How long bots may take to leave.
const FAREWELL: Duration = Duration::from_secs(20);

/// What runs on this machine.
#[derive(Debug)]
pub(super) struct Programs {
    /// The arena's, for bots.
    arena: PathBuf,
    checker: PathBuf,
}

/// A fleet, and what is written down of it.
struct Scenery {
    size: Size,
    part: Part,
    record: Record,
    sight: Sight,
}

/// The stage.
pub(super) struct Stage {
    pub(super) arena: Arena,
    pub(super) operators: Operators,
    pub(super) faults: Faults,
    pub(super) folder: Folder,
    /// What all fleets have in common.
    manner: Manner,
    /// So many ticks bots may see played again, of those that they come to from now on.
    rewind_ticks: u32,
    programs: Programs,
    /// The fleet that is there.
    scenery: Option<Scenery>,
    /// How many fleets there ever were.
    parts: usize,
    /// What the checker says of those that are gone.
    found: Vec<(Option<Scenario>, String)>,
    /// Each with the rooms that they play in.
    bots: Vec<(Vec<String>, Bots)>,
    /// What those saw that are done.
    played: Vec<Played>,
    /// The rooms that are played, with their uids and how many bots they have.
    rooms: BTreeMap<String, (String, usize)>,
    /// How many rooms were ever made: no name comes again.
    made: usize,
}

impl Stage {
    pub(super) fn new(
        arena: &Arena,
        faults: &Faults,
        folder: &Folder,
        programs: Programs,
        manner: Manner,
    ) -> Self {
        Self {
            arena: arena.clone(),
            operators: Operators::of(arena.namespace().env()),
            faults: faults.clone(),
            folder: folder.clone(),
            manner,
            rewind_ticks: 0,
            programs,
            scenery: None,
            parts: 0,
            found: Vec::new(),
            bots: Vec::new(),
            played: Vec::new(),
            rooms: BTreeMap::new(),
            made: 0,
        }
    }

    /// Bots of matches that are made from now on may lose so much play with a server.
    pub(super) fn allow_loss(&mut self, lost_max: Duration) {
        let ticks = lost_max.as_millis() * u128::from(TICKS_PER_SECOND) / 1000;
        self.rewind_ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
    }

    pub(super) fn namespace(&self) -> &str {
        self.arena.namespace().name()
    }

    /// The rooms that are played, each with its uid and the number of its bots.
    pub(super) fn rooms(&self) -> &BTreeMap<String, (String, usize)> {
        &self.rooms
    }

    fn scenery(&mut self) -> Result<&mut Scenery> {
        self.scenery.as_mut().context(NO_FLEET)
    }

    /// What the players see.
    pub(super) fn sight(&mut self) -> Result<&mut Sight> {
        self.scenery().map(|it| &mut it.sight)
    }

    /// Copies the logs of operators and servers into the folder.
    pub(super) fn keep_logs(&self) -> Result<()> {
        self.folder.keep_logs(self.faults.cluster(), self.namespace())
    }

    /// What the logs tell of the namespace.
    pub(super) fn steps(&self, clocks: &Clocks) -> Vec<Step> {
        folder::steps(self.faults.cluster(), self.namespace(), clocks)
    }

    /// Writes down what was done, and what operators and servers did then.
    pub(super) fn note(&mut self, fault: Fault, steps: Vec<Step>) -> Result<()> {
        let Scenery { record, part, .. } = self.scenery()?;
        record.faults.push(fault);
        record.steps.extend(steps);
        part.keep_record(record)
    }

    /// Who is where.
    pub(super) async fn scene(&self) -> Result<Scene> {
        let env = self.arena.namespace().env();
        let size = self.scenery.as_ref().context(NO_FLEET)?.size;
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
        let operators = self.operators.all().await?.iter().filter_map(store::fellow).collect();
        let leader = self.operators.leader(None).await?.pod;
        Ok(Scene { servers, store: store::pod(env).await?, operators, leader })
    }

    /// A fleet of this size, and no other.
    async fn ensure_fleet(&mut self, size: Size) -> Result<()> {
        if self.scenery.as_ref().map(|it| it.size) != Some(size) {
            self.clear().await?;
            self.parts += 1;
            let part = self.folder.part(self.parts)?;
            let manifest = fleet::manifest(&self.arena, &part, size, self.manner).await?;
            let (record, sight) = (Record::default(), Sight::of(&part.players(), &part.servers()));
            part.keep_record(&record)?;
            self.scenery = Some(Scenery { size, part, record, sight });
            self.arena.namespace().apply(&manifest.to_string()).await.context("make the fleet")?;
        }
        self.arena.settled(size.name).await
    }

    /// Any fleet.
    pub(super) async fn ensure_servers(&mut self) -> Result<()> {
        let nodes = self.faults.cluster().nodes().count();
        let size = self.scenery.as_ref().map_or_else(|| fleet::usual(nodes), |it| Ok(it.size))?;
        self.ensure_fleet(size).await
    }

    /// Rooms that are played, on a whole fleet. None of them has just lost a server.
    pub(super) async fn ensure_rooms(&mut self) -> Result<()> {
        let nodes = self.faults.cluster().nodes().count();
        self.ensure_fleet(fleet::usual(nodes)?).await?;
        self.end_restored().await?;
        let missing = ROOMS.saturating_sub(self.rooms.len());
        self.make_rooms(missing, BOTS).await?;
        self.all_well().await
    }

    /// The same, with some of them on this node.
    pub(super) async fn ensure_rooms_on(&mut self, node: &str) -> Result<()> {
        self.ensure_rooms().await?;
        for _ in 0..TRIES {
            if ROOMS_ON_NODE <= self.rooms_on(node).await? {
                return self.all_well().await;
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
    pub(super) async fn mass_on(&mut self, node: &str, rooms: u16) -> Result<()> {
        let mass = fleet::mass(rooms)?;
        self.clear().await?;
        let kubectl = self.arena.namespace().env().kubectl().clone();
        let others: Vec<_> = self.faults.cluster().nodes().map(|it| it.to_string()).collect();
        let others = others.iter().filter(|it| *it != node);
        for other in others.clone() {
            kubectl.run(&["cordon", other]).await?;
        }
        let raised = self.ensure_fleet(mass).await;
        // In any case: what follows needs them.
        for other in others {
            uncordon(&kubectl, other).await?;
        }
        raised?;
        self.make_rooms(rooms.into(), 1).await?;
        // The spread of the fleet's pods leaves the new ones no other place.
        let wider = json!({ "spec": { "replicas": 2 * mass.servers } });
        self.arena.patch_fleet(mass.name, wider).await?;
        self.arena.settled(mass.name).await?;
        self.all_well().await
    }

    /// Makes rooms, waits until they run, and lets bots play there.
    async fn make_rooms(&mut self, count: usize, bots: usize) -> Result<()> {
        let Some(scenery) = self.scenery.as_ref().filter(|_| 0 < count) else { return Ok(()) };
        let (size, journals) = (scenery.size, scenery.part.players());
        let names: Vec<_> = (self.made..self.made + count).map(|number| format!("room-{number}")).collect();
        self.made += count;
        let spec = fleet::room();
        try_join_all(names.iter().map(|it| self.arena.create_room(it, size.name, spec.clone()))).await?;
        let mut tables = Vec::new();
        for name in &names {
            let status = self.arena.running(name).await?;
            let uid = self.arena.room_uid(name)?;
            tables.push(Table {
                room: uid.clone(),
                endpoints: status.endpoints.iter().map(|it| format!("{}:{}", it.address, it.port)).collect(),
                certificate_hashes: status.certificate_hashes,
                players: bots,
                tickets: Vec::new(),
            });
            self.rooms.insert(name.clone(), (uid, bots));
        }
        let together = if count <= ALONE_MAX { 1 } else { count };
        for (names, tables) in names.chunks(together).zip(tables.chunks(together)) {
            let mut command = program(&self.programs.arena);
            command.args(["bot", "--plan", "-", "--journal"]).arg(&journals);
            command.args(["--rewind", &self.rewind_ticks.to_string()]);
            self.bots.push((names.to_vec(), Bots::play_by(command, tables).await?));
        }
        Ok(())
    }

    /// Ends the rooms that have just been restored.
    async fn end_restored(&mut self) -> Result<()> {
        let rooms: Vec<_> = self.rooms.iter().map(|(name, (uid, _))| (name.clone(), uid.clone())).collect();
        let (views, now) = (self.sight()?.look()?, Moment::now());
        let is_on_trial = |uid: &str| views.is_restored_within(uid, TRIAL, now);
        let names = rooms.into_iter().filter(|(_, uid)| is_on_trial(uid)).map(|(name, _)| name).collect();
        self.end(names).await
    }

    /// Ends all rooms, and notes what their bots saw.
    pub(super) async fn end_rooms(&mut self) -> Result<()> {
        self.end(self.rooms.keys().cloned().collect()).await
    }

    /// Ends these rooms, and those whose bots share a process with theirs.
    async fn end(&mut self, names: Vec<String>) -> Result<()> {
        let is_ended = |it: &&mut (Vec<String>, Bots)| it.0.iter().any(|room| names.contains(room));
        let ended: Vec<_> = self.bots.extract_if(.., |it| is_ended(&it)).collect();
        let (rooms, bots): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
        // Bots first: who is in a room that is gone would look for it elsewhere.
        let left = timeout(FAREWELL, try_join_all(bots.into_iter().map(Bots::leave))).await;
        let rooms: BTreeSet<_> = rooms.into_iter().flatten().chain(names).collect();
        self.rooms.retain(|name, _| !rooms.contains(name));
        let deleted = join_all(rooms.iter().map(|it| self.arena.delete_room(it))).await;
        let left =
            left.with_context(|| format!("bots are still there {FAREWELL:?} after they were told to go"))?;
        self.played.extend(left?.into_iter().flatten());
        deleted.into_iter().collect()
    }

    /// What bots saw, of those that are done, each once.
    pub(super) fn take_played(&mut self) -> Vec<Played> {
        std::mem::take(&mut self.played)
    }

    /// What the checker says of the fleets that are gone, each thing once.
    pub(super) fn take_found(&mut self) -> Vec<(Option<Scenario>, String)> {
        std::mem::take(&mut self.found)
    }

    /// No fleet and no rooms. What they left behind is judged.
    pub(super) async fn clear(&mut self) -> Result<()> {
        let Some(Scenery { size, part, .. }) = self.scenery.take() else { return Ok(()) };
        let cleared = self.end_fleet(size).await;
        match verdict::of(&self.programs.checker, &part).await {
            Ok(Verdict { violations, steps }) => {
                say(&format!("\n{steps}pictures of each fault: {}", part.timeline().display()));
                self.found.extend(violations);
            }
            Err(error) => self.found.push((None, format!("{error:#}"))),
        }
        cleared
    }

    async fn end_fleet(&mut self, size: Size) -> Result<()> {
        let ended = self.end_rooms().await;
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
        ended
    }
}

impl Programs {
    /// Builds them.
    pub(super) async fn built() -> Result<Self> {
        Ok(Self { arena: testenv::arena_program().await?, checker: verdict::checker().await? })
    }
}
