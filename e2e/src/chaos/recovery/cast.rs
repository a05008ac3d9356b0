//! Who is hit in a round, with all that is needed to hit at once.

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;

use super::Plan;
use super::scenario::{Scenario, Target};
use super::scene::{Scene, Server};
use super::stage::Stage;
use super::store;
use crate::chart;
use crate::clock::Moment;
use crate::cluster::{Component, NodeNumber};
use crate::faults::{Container, Fault, Partition, Signal, Victim};

/// Leaders that are sent away until one is where it is to be. Of two operators it takes one or two.
const LEADERS: usize = 4;

/// What is done in a round.
#[derive(Debug)]
pub(super) struct Cast {
    /// In words.
    pub(super) what: String,
    /// What is broken some time before, and stays so.
    pub(super) before: Vec<Fault>,
    /// One after the other. The first one counts.
    pub(super) faults: Vec<Fault>,
    /// The servers that are hit.
    pub(super) victims: Vec<Server>,
    /// Ended at the end of the round, if it still stands still.
    pub(super) ended_after: Option<Container>,
}

impl Cast {
    /// Chooses who is hit.
    pub(super) async fn of(
        stage: &mut Stage,
        scenario: Scenario,
        plan: &Plan,
        chance: &mut StdRng,
    ) -> Result<Self> {
        let mut cast = Self::chosen(stage, scenario, plan, chance).await?;
        if plan.store_down {
            let store = store::pod(stage.arena.namespace().env()).await?.pod;
            let container =
                Container::of(stage.faults.cluster(), &Victim::pod(chart::NAMESPACE, &store)).await?;
            cast.before.push(Fault::Signal(container, Signal::Stop));
            cast.what = format!("{}, while {store} stands still", cast.what);
        }
        Ok(cast)
    }

    async fn chosen(stage: &mut Stage, scenario: Scenario, plan: &Plan, chance: &mut StdRng) -> Result<Self> {
        match scenario.target() {
            Target::Server => {
                stage.ensure_rooms().await?;
                let scene = stage.scene().await?;
                let server = scene.busy_server(chance).context("no server has rooms")?;
                Self::of_server(stage, scenario, &scene, server).await
            }
            Target::Node { with_leader } => {
                // After a round that went wrong there is no fleet.
                match scenario {
                    // Its rooms are made when it is known where: bots of others would leave before they saw anything.
                    Scenario::MassLoss => stage.ensure_servers().await?,
                    _ => stage.ensure_rooms().await?,
                }
                let node = choose_node(stage, with_leader, chance).await?;
                match scenario {
                    Scenario::MassLoss => stage.mass_on(&node, plan.mass_rooms).await?,
                    _ => stage.ensure_rooms_on(&node).await?,
                }
                let victims = stage.scene().await?.busy_on(&node).into_iter().cloned().collect();
                let number: NodeNumber = node.parse()?;
                let (fault, how) = match scenario {
                    Scenario::NodePoweroff => (Fault::PowerOff(number), "loses its power"),
                    _ => (Fault::Cut(number), "loses the network"),
                };
                let what = format!("{node} {how}");
                Ok(Self { what, before: Vec::new(), faults: vec![fault], victims, ended_after: None })
            }
            Target::Shared => {
                stage.ensure_rooms().await?;
                let (what, faults) = shared(stage, scenario).await?;
                Ok(Self { what, before: Vec::new(), faults, victims: Vec::new(), ended_after: None })
            }
        }
    }

    async fn of_server(stage: &Stage, scenario: Scenario, scene: &Scene, server: &Server) -> Result<Self> {
        let victim = Victim::pod(stage.namespace(), &server.pod);
        let container = Container::of(stage.faults.cluster(), &victim).await?;
        let operators = scene.operators.iter().map(|it| it.ip);
        let from = |others: Vec<_>| -> Result<Partition> {
            Ok(Partition { node: server.node.parse()?, pod: server.ip, from: others })
        };
        let hung = Some(container.clone()).filter(|_| scenario == Scenario::ProcessHang);
        let (fault, how) = match scenario {
            Scenario::ProcessHang | Scenario::PauseResume => {
                (Fault::Signal(container, Signal::Stop), "stands still")
            }
            Scenario::TickLoopHang => (Fault::Signal(container, Signal::Usr1), "does not tick any more"),
            Scenario::ContainerOom => (Fault::OutOfMemory(container), "runs out of memory"),
            Scenario::PodDelete => (Fault::Delete(victim), "is deleted"),
            Scenario::PartitionOperator => (Fault::Part(from(operators.collect())?), "loses the operators"),
            Scenario::PartitionStore => (Fault::Part(from(vec![scene.store.ip])?), "loses the store"),
            Scenario::PartitionBoth => {
                let both = operators.chain([scene.store.ip]).collect();
                (Fault::Part(from(both)?), "loses the operators and the store")
            }
            Scenario::LinkLoss => (Fault::Reset(from(operators.collect())?), "loses its link"),
            // The simplest, and what all others that hit servers are compared with.
            _ => (Fault::Signal(container, Signal::Kill), "is killed"),
        };
        let what = format!("{} on {} {how}", server.pod, server.node);
        let (before, victims) = (Vec::new(), vec![server.clone()]);
        Ok(Self { what, before, faults: vec![fault], victims, ended_after: hung })
    }

    /// The names of the rooms whose servers are hit.
    pub(super) fn rooms(&self) -> Vec<String> {
        self.victims.iter().flat_map(|it| it.rooms.iter().cloned()).collect()
    }

    /// Does what comes before.
    pub(super) async fn prepare(&self, stage: &Stage) -> Result<()> {
        for fault in &self.before {
            stage.faults.inflict(fault).await.with_context(|| self.what.clone())?;
        }
        Ok(())
    }

    /// Does it, and returns when.
    pub(super) async fn inflict(&self, stage: &Stage) -> Result<Moment> {
        // What becomes of their rooms is not held against the operator.
        self.victims.iter().for_each(|it| stage.arena.hit(&it.pod_uid));
        let mut first = None;
        for fault in &self.faults {
            let moment = stage.faults.inflict(fault).await.with_context(|| self.what.clone())?;
            first.get_or_insert(moment);
        }
        first.context("there is nothing to do")
    }
}

/// A node that the store is not on, and the leader is or is not, as wanted: leaders are sent away until it is so.
async fn choose_node(stage: &Stage, with_leader: bool, chance: &mut StdRng) -> Result<String> {
    for _ in 0..LEADERS {
        let scene = stage.scene().await?;
        let leaders = scene.leaders_node();
        if with_leader {
            // Who cuts off all operators has nobody left to watch.
            if let Some(node) = leaders.filter(|it| *it != scene.store.node && scene.has_operator_beside(it))
            {
                return Ok(node.to_owned());
            }
        } else {
            let node = scene.mortal_node(chance).context("all servers are on the store's node")?;
            if leaders.is_some_and(|it| it != node) {
                return Ok(node.to_owned());
            }
        }
        let leader = stage.operators.leader(None).await?;
        stage.operators.kill(&leader).await?;
        stage.operators.leader(Some(&leader)).await?;
        stage.operators.available().await?;
    }
    let is = if with_leader { "is only" } else { "is always" };
    anyhow::bail!("the leader {is} where it must not be, also after {LEADERS} changes")
}

/// Something that everybody needs.
async fn shared(stage: &Stage, scenario: Scenario) -> Result<(String, Vec<Fault>)> {
    let cluster = stage.faults.cluster();
    let of_chart = |pod: &str| Victim::pod(chart::NAMESPACE, pod);
    Ok(match scenario {
        Scenario::RedisKill | Scenario::RedisSlow => {
            let store = store::pod(stage.arena.namespace().env()).await?;
            let container = Container::of(cluster, &of_chart(&store.pod)).await?;
            match scenario {
                Scenario::RedisKill => {
                    (format!("{} is killed", store.pod), vec![Fault::Signal(container, Signal::Kill)])
                }
                _ => (format!("{} answers late", store.pod), vec![Fault::Slow(container)]),
            }
        }
        Scenario::EtcdKill => ("etcd is killed".to_owned(), vec![Fault::Kill(Component::Etcd)]),
        Scenario::ApiserverKill => {
            ("the API server is killed".to_owned(), vec![Fault::Kill(Component::ApiServer)])
        }
        _ => {
            let leader = stage.operators.leader(None).await?;
            let container = Container::of(cluster, &of_chart(&leader.pod)).await?;
            match scenario {
                Scenario::OperatorPause => {
                    (format!("{} stands still", leader.pod), vec![Fault::Signal(container, Signal::Stop)])
                }
                _ => {
                    let pod = Fault::Delete(of_chart(&leader.pod));
                    (format!("{} is killed", leader.pod), vec![Fault::Signal(container, Signal::Kill), pod])
                }
            }
        }
    })
}
