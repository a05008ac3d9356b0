//! Chaos on purpose: leaders, servers and a node go away while rooms are made and played, and a judge looks for broken promises.
//! [`recovery`] breaks one thing after the other under matches that are played, and measures how they go on.

mod cast;
mod evidence;
mod havoc;
mod judge;
pub mod recovery;
mod report;
mod table;

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use gamekeeper_crds::room::Phase;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::arena::Arena;
use crate::operators::Operators;
use crate::progress::say;
use cast::FLEETS;
use evidence::{Case, Evidence};
use havoc::{Deeds, Havoc};
pub use judge::Findings;
pub use report::Report;

/// What is to happen.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many rooms are made.
    pub rooms: usize,
    /// How often the leader is hit. Servers are hit a third as often.
    pub faults: u32,
    /// What all chance comes from, but for that of other processes.
    pub seed: u64,
    /// The longest life of a room; the shortest is a second.
    pub longest: Duration,
}

/// From one room to the next, in the mean.
const PACE: Duration = Duration::from_millis(500);

/// How long the last rooms may take after the last fault, beyond a life: to be placed, lost, placed again, and ended.
const LAST_ROOMS: Duration = Duration::from_mins(3);

/// From one line of progress to the next.
const TELL: Duration = Duration::from_secs(10);

impl Plan {
    /// From the first room to the last.
    fn span(&self) -> Duration {
        PACE * u32::try_from(self.rooms).unwrap_or(u32::MAX)
    }
}

/// Lets a plan happen in an empty namespace, and judges it.
pub async fn operator(arena: &Arena, plan: &Plan) -> Result<Report> {
    let operators = Operators::of(arena.namespace().env());
    operators.available().await?;
    raise_fleets(arena).await?;
    let mut chance = StdRng::seed_from_u64(plan.seed);
    let parts = cast::parts(plan, &mut chance);
    let start = Instant::now();
    let over = CancellationToken::new();
    let mut players = JoinSet::new();
    for part in parts {
        players.spawn(table::play(arena.clone(), part, start, over.clone()));
    }
    let havoc = Havoc { arena, operators: &operators, plan, start };
    let deeds = tokio::select! {
        deeds = havoc.wreak(&mut chance) => deeds,
        never = tell(arena, start) => never,
    };
    let ended = tokio::select! {
        ended = all_over(&mut players, plan.longest + LAST_ROOMS) => ended,
        never = tell(arena, start) => never,
    };
    over.cancel();
    let (mut cases, deeds) = (ended?, deeds?);
    while let Some(case) = players.join_next().await {
        cases.push(case.context("a player panicked")??);
    }
    Ok(report(arena, cases, deeds, start))
}

/// Three fleets: plain servers, and two kinds with many rooms.
async fn raise_fleets(arena: &Arena) -> Result<()> {
    try_join_all(FLEETS.map(async |fleet| {
        let mut change = json!({ "spec": { "placement": { "strategy": "Distributed" } } });
        if let Some(most) = fleet.most_rooms {
            change["spec"]["rooms"] = json!({ "maxPerServer": most });
        }
        arena.ready_fleet_of(fleet.server, fleet.name, fleet.servers, change).await
    }))
    .await
    .map(drop)
}

/// Waits until every match is over for its player, and returns what they saw; or, at the deadline, those that are.
async fn all_over(players: &mut JoinSet<Result<Case>>, deadline: Duration) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let all = async {
        while let Some(case) = players.join_next().await {
            cases.push(case.context("a player panicked")??);
        }
        anyhow::Ok(())
    };
    match timeout(deadline, all).await {
        Ok(all) => all?,
        Err(_) => say(&format!("after {deadline:?} more, not all rooms are over")),
    }
    Ok(cases)
}

/// Tells how far it is, until it is dropped.
async fn tell<T>(arena: &Arena, start: Instant) -> T {
    let mut turns = interval(TELL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.tick().await;
    loop {
        turns.tick().await;
        let in_phase = |phase| arena.rooms_in(phase).len();
        say(&format!(
            "  {:>3} s: {} rooms wait, {} run, {} recover, {} are finished, {} failed; {} servers were hit",
            start.elapsed().as_secs(),
            in_phase(Phase::Pending),
            in_phase(Phase::Running),
            in_phase(Phase::Recovering),
            in_phase(Phase::Finished),
            in_phase(Phase::Failed),
            arena.hits().len(),
        ));
    }
}

fn report(arena: &Arena, mut cases: Vec<Case>, deeds: Deeds, start: Instant) -> Report {
    cases.sort_by(|one, other| one.part.name.cmp(&other.part.name));
    for case in &mut cases {
        case.tenancies = arena.tenancies(&case.part.name);
        case.end = arena.room_status(&case.part.name).ok();
    }
    let evidence = Evidence {
        cases,
        hits: arena.hits(),
        pods: arena.last_seen(),
        doubled: arena.doubled(),
        told_to_end: arena.told_to_end(),
        until: Instant::now(),
    };
    let findings = judge::judge(&evidence);
    Report::new(&evidence, findings, deeds, start.elapsed())
}
