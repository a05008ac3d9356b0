//! One thing after the other breaks under matches that are played by bots who check every tick; how the matches go on is
//! measured, and promises that are broken are told.

mod cast;
mod fleet;
mod folder;
mod journal;
mod record;
mod report;
mod round;
mod scenario;
mod scene;
mod sight;
mod stage;
mod steps;
mod store;
mod verdict;

use anyhow::{Context as _, Result};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::arena::Arena;
use crate::bots::Played;
use crate::faults::Faults;
use crate::progress::say;
use crate::testenv;
pub use folder::Folder;
use record::Record;
pub use report::Report;
pub use scenario::{Expectation, Scenario};
use stage::Stage;

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One after the other.
    pub scenarios: Vec<Scenario>,
    /// How often each.
    pub rounds: u32,
    /// What all chance comes from, but for that of other processes.
    pub seed: u64,
}

/// So many rounds may break down one after the other: then the rest of the scenario is left out.
const BROKEN_MAX: u32 = 2;

/// Lets a plan happen in an empty namespace, and judges it. What it breaks is noted in `faults`: whoever interrupts it mends
/// that.
pub async fn run(arena: &Arena, faults: &Faults, folder: &Folder, plan: &Plan) -> Result<Report> {
    let program = testenv::arena_program().await?;
    let checker = verdict::checker().await?;
    let mut stage = Stage::new(arena, faults, folder, program);
    let (mut report, mut record) = (Report::default(), Record::default());
    for scenario in &plan.scenarios {
        play(&mut stage, *scenario, plan, &mut report, &mut record).await?;
        folder.keep_logs(faults.cluster(), stage.namespace())?;
    }
    stage.clear().await?;
    for (scenario, what) in verdict::violations(&checker, folder).await? {
        report.violations(scenario, [what]);
    }
    let doubled = arena.doubled().into_iter().map(|it| format!("{}: {}", it.room, it.what));
    report.violations(None, doubled);
    Ok(report)
}

async fn play(
    stage: &mut Stage,
    scenario: Scenario,
    plan: &Plan,
    report: &mut Report,
    record: &mut Record,
) -> Result<()> {
    say(&format!("\n{scenario}"));
    let mut broken = 0;
    for round in 1..=plan.rounds {
        // Each with dice of its own: a round can be repeated without those before it.
        let mut chance = StdRng::seed_from_u64(plan.seed.wrapping_add(u64::from(round)));
        let played = round::play(stage, scenario, round, &mut chance, record).await;
        let is_well = match played {
            Ok(outcome) => {
                say(&outcome.line());
                let is_well = outcome.is_well();
                report.add(outcome);
                broken = 0;
                is_well
            }
            Err(error) => {
                let why = format!("round {round} broke down: {error:#}");
                say(&format!("  {why}"));
                report.broken(scenario, why);
                broken += 1;
                false
            }
        };
        if is_well {
            continue;
        }
        stage.folder.keep_logs(stage.faults.cluster(), stage.namespace())?;
        stage.faults.mend().await?;
        // What went wrong is not to spoil the next round as well.
        if let Err(error) = stage.clear().await {
            report.broken(scenario, format!("{error:#}"));
        }
        if broken == BROKEN_MAX {
            say("  and the rest of it is left out");
            break;
        }
    }
    if let Err(error) = stage.end_rooms().await.context("end the matches") {
        report.broken(scenario, format!("{error:#}"));
    }
    report.violations(Some(scenario), stage.take_played().iter().filter_map(|it| fault_of(scenario, it)));
    Ok(())
}

/// What a bot saw that must not be, if it did.
fn fault_of(scenario: Scenario, bot: &Played) -> Option<String> {
    let who = format!("{} in {}", bot.player, bot.room);
    if !bot.verified {
        let why = bot.why.as_deref().unwrap_or("the match");
        return Some(format!("{who} could not verify what it was shown ({why}): {} ticks", bot.ticks));
    }
    let may_not = scenario.expectation() == Expectation::PlaysOn && 0 < bot.disconnects;
    may_not.then(|| format!("{who} lost its connection {} times", bot.disconnects))
}
