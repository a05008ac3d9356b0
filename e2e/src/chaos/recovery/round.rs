//! One round: everything is well, something breaks, and what becomes of it is watched until everything is well again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gamekeeper_checker::record::{Fault, Step};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

use super::Plan;
use super::cast::Cast;
use super::fleet::{FENCE_MS, INTERVAL_MS, TICKS_PER_SECOND};
use super::report::{Fate, Outcome};
use super::scenario::{Expectation, Scenario};
use super::sight::{View, Views};
use super::stage::Stage;
use super::steps::{CONFIRMED, NOTICED};
use crate::clock::{Clocks, Moment};
use crate::faults;
use crate::progress::say;

/// When in a round the fault comes: anywhere between two checkpoints, beats and renewals. Not before servers that have just
/// come, and their players, were told where to go.
const MOMENT: std::ops::Range<Duration> = Duration::from_secs(1)..Duration::from_millis(2200);

/// How long something stays broken that nobody should notice: longer than a lease, a fence and a hang.
const HOLD: std::ops::Range<Duration> = Duration::from_millis(3500)..Duration::from_secs(6);

/// How long it is watched what comes back alive: longer than a fence.
const RETURN: Duration = Duration::from_millis(1200);

const _: () = assert!(
    Duration::from_millis(FENCE_MS).as_millis() < RETURN.as_millis(),
    "an owner that does not give up is seen"
);

/// How often is looked. The times are the journals', and whoever looks takes the cores from those who play.
const LOOK: Duration = Duration::from_millis(100);

/// A room before the fault.
struct Before {
    uid: String,
    bots: usize,
    epoch: u64,
}

type Rooms = BTreeMap<String, Before>;

/// Plays a round.
pub(super) async fn play(stage: &mut Stage, scenario: Scenario, round: u32, plan: &Plan) -> Result<Outcome> {
    let start = Instant::now();
    // Each with dice of its own: a round can be repeated without those before it.
    let chance = &mut StdRng::seed_from_u64(plan.seed.wrapping_add(u64::from(round)));
    let cast = Cast::of(stage, scenario, plan, chance).await?;
    cast.prepare(stage).await?;
    sleep(chance.random_range(MOMENT)).await;
    let (hit, others) = rooms(stage, &cast)?;
    let uids = match scenario.expectation() {
        Expectation::Recovers => hit.values().map(|it| it.uid.clone()).collect(),
        // None is to lose its server.
        Expectation::PlaysOn => Vec::new(),
    };
    stage.sight()?.look()?.measure_gaps();
    say(&format!("  {scenario} {round}: {}, with {} rooms", cast.what, hit.len()));
    let before = Moment::now();
    let inflicted = cast.inflict(stage).await;
    let fault = *inflicted.as_ref().unwrap_or(&before);
    let followed = match inflicted {
        Ok(_) => follow(stage, scenario, &cast, (&hit, fault), chance).await,
        Err(error) => Err(error),
    };

    // In any case: what came of a fault that went wrong is not the one's before.
    let mut steps = stage.steps(&Clocks::now());
    steps.retain(|step| fault.0 <= step.mono_ns);
    let victims: Vec<_> = cast.victims.iter().map(|it| it.pod.as_str()).collect();
    let [noticed, detect] = [NOTICED, CONFIRMED].map(|step| until(step, &steps, &victims, fault));
    let record = Fault {
        scenario: scenario.to_string(),
        round,
        fault_mono_ns: fault.0,
        fault: cast.what,
        rooms: uids,
        fence_ms: FENCE_MS,
        interval_ms: INTERVAL_MS,
    };
    stage.note(record, steps)?;
    let mut fates = followed?;

    let unhit = match scenario.expectation() {
        Expectation::Recovers => others,
        // Nobody's rooms are to notice anything.
        Expectation::PlaysOn => others.into_iter().chain(hit).collect(),
    };
    let views = stage.sight()?.look()?;
    let undisturbed = |before: &Before| undisturbed(views, before, plan.gap_max);
    fates.extend(unhit.iter().map(|(name, before)| (name.clone(), undisturbed(before))));
    Ok(Outcome { scenario, round, noticed, detect, fates, took: start.elapsed() })
}

/// Watches what becomes of those that were hit, mends what is broken, and waits until all is well.
async fn follow(
    stage: &mut Stage,
    scenario: Scenario,
    cast: &Cast,
    (hit, fault): (&Rooms, Moment),
    chance: &mut StdRng,
) -> Result<BTreeMap<String, Fate>> {
    let fates = match scenario.expectation() {
        Expectation::Recovers => back(stage, hit, fault, scenario.deadline()).await?,
        Expectation::PlaysOn => {
            sleep(chance.random_range(HOLD)).await;
            BTreeMap::new()
        }
    };
    // Before it is mended: it never goes on.
    if let Some(container) = cast.ended_after.as_ref().filter(|it| !it.has_ended()) {
        stage.faults.inflict(&faults::Fault::Signal(container.clone(), faults::Signal::Kill)).await?;
    }
    stage.faults.mend().await?;
    if let Some(left) = scenario.lasts().and_then(|it| it.checked_sub(Moment::now().since(fault))) {
        sleep(left).await;
    }
    if scenario.comes_back() {
        sleep(RETURN).await;
    }
    // Who waits for bots that were lost waits in vain: the next round begins afresh.
    if !fates.values().any(|it| matches!(it, Fate::Failed(_))) {
        stage.whole().await.context("not everything is well after the round")?;
    }
    Ok(fates)
}

/// The rooms whose servers are hit, and all others.
fn rooms(stage: &Stage, cast: &Cast) -> Result<(Rooms, Rooms)> {
    let hit = cast.rooms();
    let mut all = Rooms::new();
    for (name, (uid, bots)) in stage.rooms() {
        let epoch = u64::try_from(stage.arena.room_status(name)?.epoch)?;
        all.insert(name.clone(), Before { uid: uid.clone(), bots: *bots, epoch });
    }
    Ok(all.into_iter().partition(|(name, _)| hit.contains(name)))
}

/// Waits until all of these rooms are played again, and tells what became of each.
async fn back(
    stage: &mut Stage,
    hit: &Rooms,
    fault: Moment,
    deadline: Duration,
) -> Result<BTreeMap<String, Fate>> {
    let end = Instant::now() + deadline;
    loop {
        let views = stage.sight()?.look()?;
        let fates: BTreeMap<_, _> =
            hit.iter().map(|(name, before)| (name.clone(), again(views, before, fault))).collect();
        let is_over = fates.values().all(|it| matches!(it, Fate::Recovered { .. }));
        if is_over || end < Instant::now() {
            return Ok(fates);
        }
        sleep(LOOK).await;
    }
}

/// Whether all of a room's players play again, under a higher epoch.
fn again(views: &Views, before: &Before, fault: Moment) -> Fate {
    let all: Vec<&View> = views.of_room(&before.uid).map(|(_, view)| view).collect();
    let back: Vec<_> = all.iter().filter(|it| before.epoch < it.first.epoch).collect();
    if back.len() < before.bots {
        return Fate::Failed(format!("{} of {} players play again", back.len(), before.bots));
    }
    let Some(from) = views.restored(&before.uid, fault) else {
        return Fate::Failed("its players are back, and the match began afresh".to_owned());
    };
    let playing = back.iter().map(|it| it.first.at.since(fault)).max().unwrap_or_default();
    // What anybody saw counts as played.
    let seen = back.iter().filter_map(|it| it.before).map(|it| it.tick).max();
    let lost = seen.and_then(|seen| u32::try_from(seen.saturating_sub(from)).ok());
    let lost = lost.map(|it| Duration::from_secs(1) * it / TICKS_PER_SECOND);
    Fate::Recovered { playing, lost }
}

/// Whether nobody in a room noticed anything.
fn undisturbed(views: &Views, before: &Before, gap_max: Duration) -> Fate {
    for (player, view) in views.of_room(&before.uid) {
        if view.last.epoch != before.epoch {
            return Fate::Failed(format!(
                "it was not hit, and went from epoch {} to {}",
                before.epoch, view.last.epoch
            ));
        }
        if gap_max < view.gap {
            return Fate::Failed(format!("{player} saw nothing for {} ms", view.gap.as_millis()));
        }
    }
    Fate::PlayedOn
}

/// How long it took until a step was taken for all that were hit, as far as it ever was.
fn until(step: &str, steps: &[Step], victims: &[&str], fault: Moment) -> Option<Duration> {
    let of = |victim: &&str| {
        let its = steps.iter().filter(|it| it.step == step && it.server.as_deref() == Some(*victim));
        its.map(|it| Moment(it.mono_ns)).min()
    };
    victims.iter().filter_map(of).max().map(|it| it.since(fault))
}

#[cfg(test)]
mod tests;
