//! What we do to operators, servers and a node.

use std::time::Duration;

use anyhow::{Context as _, Result};
use gamekeeper_crds::room::Phase;
use kube::api::DeleteParams;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep, sleep_until};

use super::Plan;
use crate::arena::{Arena, PATIENCE, Tenancy};
use crate::drain::{Drain, uncordon};
use crate::faults::{self, Signal, Victim};
use crate::operators::Operators;
use crate::progress::say;
use crate::wait::eventually;

/// How long a leader stands still: longer than its Lease.
const STANDSTILL: std::ops::Range<Duration> = Duration::from_secs(4)..Duration::from_secs(8);

/// From a leader's first deed to its end.
const REIGN: std::ops::Range<Duration> = Duration::ZERO..Duration::from_secs(2);

/// Leaders hit for one server.
const LEADERS_A_SERVER: u32 = 3;

/// Until all matches on a node are over, some of them after a leader or two.
const DRAINED: Duration = Duration::from_mins(4);

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deeds {
    pub(super) leaders_killed: u32,
    pub(super) leaders_stopped: u32,
    pub(super) servers_killed: u32,
    pub(super) servers_deleted: u32,
    /// How long it took to drain a node.
    pub(super) drain: Duration,
}

/// Who does it.
pub(super) struct Havoc<'a> {
    pub(super) arena: &'a Arena,
    pub(super) operators: &'a Operators,
    pub(super) plan: &'a Plan,
    pub(super) start: Instant,
}

impl Havoc<'_> {
    /// Does it all, and leaves nothing broken behind.
    pub(super) async fn wreak(&self, chance: &mut StdRng) -> Result<Deeds> {
        // Each on its own, so that the times of one do not change what the others do.
        let mut of_servers = StdRng::from_rng(chance);
        let (leaders, servers, drain) =
            tokio::join!(self.leaders(chance), self.servers(&mut of_servers), self.drain());
        let ((leaders_killed, leaders_stopped), (servers_killed, servers_deleted)) = (leaders?, servers?);
        let deeds = Deeds { leaders_killed, leaders_stopped, servers_killed, servers_deleted, drain: drain? };
        self.operators.available().await?;
        Ok(deeds)
    }

    /// Hits one leader after the other; returns how many were killed, and how many stood still.
    async fn leaders(&self, chance: &mut StdRng) -> Result<(u32, u32)> {
        let (mut killed, mut stopped) = (0, 0);
        for number in 0..self.plan.faults {
            sleep_until(self.moment(number, self.plan.faults)).await;
            if chance.random_bool(0.5) {
                self.kill_leader().await?;
                killed += 1;
            } else {
                self.stop_leader(chance.random_range(STANDSTILL)).await?;
                stopped += 1;
            }
            self.operators.leader(None).await?;
            // Anywhere between its first request and its daily business.
            sleep(chance.random_range(REIGN)).await;
        }
        Ok((killed, stopped))
    }

    /// One that leads at the moment. Another may take over while we look, or a drain take it away: then we look again.
    async fn kill_leader(&self) -> Result<()> {
        eventually("a leader to be killed", PATIENCE, async || {
            let leader = self.operators.leader(None).await?;
            self.operators.kill(&leader).await
        })
        .await?;
        Ok(())
    }

    async fn stop_leader(&self, standstill: Duration) -> Result<()> {
        let leader = eventually("a leader to be stopped", PATIENCE, async || {
            let leader = self.operators.leader(None).await?;
            self.operators.signal(&leader, Signal::Stop).await?;
            Ok(leader)
        })
        .await?;
        sleep(standstill).await;
        if let Err(error) = self.operators.signal(&leader, Signal::Cont).await {
            // A drain took its pod, or its probes ended it: then nothing stands still.
            say(&format!("  {} does not go on: {error:#}", leader.pod));
        }
        Ok(())
    }

    /// Hits servers that have rooms; returns how many were killed, and how many deleted.
    async fn servers(&self, chance: &mut StdRng) -> Result<(u32, u32)> {
        let (mut killed, mut deleted) = (0, 0);
        let all = self.plan.faults.div_ceil(LEADERS_A_SERVER);
        for number in 0..all {
            sleep_until(self.moment(number, all)).await;
            let pick: u32 = chance.random();
            let victim = self.arena.eventually("a server with rooms", |it| busy(it, pick)).await?;
            self.arena.hit(&victim.pod_uid);
            let namespace = self.arena.namespace();
            if chance.random_bool(0.5) {
                let cluster = namespace.env().ours("killing a server")?;
                let process = Victim::pod(namespace.name(), &victim.pod);
                killed +=
                    u32::from(is_there(&victim, &faults::signal(cluster, &process, Signal::Kill).await));
            } else {
                let at_once = DeleteParams::default().grace_period(0);
                let pods = namespace.api::<k8s_openapi::api::core::v1::Pod>();
                let gone = pods.delete(&victim.pod, &at_once).await.map_err(Into::into);
                deleted += u32::from(is_there(&victim, &gone.map(drop)));
            }
        }
        Ok((killed, deleted))
    }

    /// Drains the last node when half of the rooms are made.
    async fn drain(&self) -> Result<Duration> {
        let env = self.arena.namespace().env();
        let node = env.ours("draining a node")?.nodes().last().context("there is no node")?.to_string();
        sleep_until(self.start + self.plan.span() / 2).await;
        let begin = Instant::now();
        say(&format!("  {node} is being drained"));
        let drained =
            async { Drain::begin(env.kubectl(), &node, DRAINED)?.done(DRAINED + PATIENCE).await }.await;
        // In any case: nobody wants it cordoned.
        uncordon(env.kubectl(), &node).await?;
        drained?;
        say(&format!("  {node} is drained, after {} s", begin.elapsed().as_secs()));
        Ok(begin.elapsed())
    }

    /// When the deed `number` of `all` is due.
    fn moment(&self, number: u32, all: u32) -> Instant {
        self.start + self.plan.span() * number / all
    }
}

/// One of the servers that have rooms and were not hit yet, by a number that chance gave.
fn busy(arena: &Arena, pick: u32) -> Result<Tenancy> {
    let hits = arena.hits();
    let running = arena.rooms_in(Phase::Running);
    let there = running.iter().filter_map(|room| arena.tenancies(room).pop());
    let mut there: Vec<_> =
        there.filter(|it| it.ended.is_none() && !hits.contains_key(&it.pod_uid)).collect();
    there.sort_by(|one, other| one.pod.cmp(&other.pod));
    let index = usize::try_from(pick)?.checked_rem(there.len());
    index.and_then(|it| there.into_iter().nth(it)).context("no server has rooms")
}

/// A server that has just ended, or gone, cannot be hit any more.
fn is_there(victim: &Tenancy, done: &Result<()>) -> bool {
    if let Err(error) = done {
        say(&format!("  {} cannot be hit: {error:#}", victim.pod));
    }
    done.is_ok()
}
