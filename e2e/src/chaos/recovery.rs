//! One thing after the other breaks under matches that are played by bots who check every tick; how the matches go on is
//! measured, and promises that are broken are told.

mod cast;
mod fleet;
mod folder;
mod journal;
mod progress;
mod quiet;
mod report;
mod round;
mod scenario;
mod scene;
mod sight;
mod stage;
mod steps;
mod store;
mod verdict;

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::arena::Arena;
use crate::bots::Played;
use crate::faults::Faults;
use crate::progress::say;
use fleet::Manner;
pub use folder::Folder;
use progress::Progress;
pub use quiet::{Calm, quiet};
pub use report::Report;
pub use scenario::{Expectation, Scenario};
use stage::{Programs, Stage};

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One after the other.
    pub scenarios: Vec<Scenario>,
    /// How often each.
    pub rounds: u32,
    /// What all chance comes from, but for that of other processes.
    pub seed: u64,
    /// Whether each server has a standby.
    pub standby: bool,
    /// Whether the store stands still around each fault.
    pub store_down: bool,
    /// The rooms of [`Scenario::MassLoss`].
    pub mass_rooms: u16,
    /// A player of a room that was not hit, and that is shown nothing new for so long, has noticed something.
    pub gap_max: Duration,
}

/// What servers request here: as much as there is, they get.
const CPU: &str = "10m";

/// So many rounds may break down one after the other: then the rest of the scenario is left out.
const BROKEN_MAX: u32 = 3;

/// Lets a plan happen in an empty namespace, and judges it. What it breaks is noted in `faults`: whoever interrupts it mends
/// that. The figures so far are in the folder, at any time.
pub async fn run(arena: &Arena, faults: &Faults, folder: &Folder, plan: &Plan) -> Result<Report> {
    let programs = Programs::built().await?;
    let manner = Manner { standby: plan.standby, cpu: CPU };
    let mut stage = Stage::new(arena, faults, folder, programs, manner);
    let (mut report, mut progress) = (Report::new(plan), Progress::of(plan));
    for scenario in &plan.scenarios {
        play(&mut stage, *scenario, plan, &mut report, &mut progress).await?;
        if 1 < plan.rounds {
            // Many rounds are many journals: they are judged now, and the next begins with a fleet of its own.
            clear(&mut stage, *scenario, &mut report).await;
        }
        found(&mut stage, &mut report);
        folder.keep_figures(&report.json())?;
    }
    stage.clear().await?;
    found(&mut stage, &mut report);
    let doubled = arena.doubled().into_iter().map(|it| format!("{}: {}", it.room, it.what));
    report.violations(None, doubled);
    folder.keep_figures(&report.json())?;
    Ok(report)
}

/// Plays all rounds of a scenario. What goes wrong in one is told, and does not end the others.
async fn play(
    stage: &mut Stage,
    scenario: Scenario,
    plan: &Plan,
    report: &mut Report,
    progress: &mut Progress,
) -> Result<()> {
    say(&format!("\n{scenario}"));
    stage.allow_loss(scenario.lost_max());
    let mut broken = 0;
    for round in 1..=plan.rounds {
        let start = tokio::time::Instant::now();
        let played = round::play(stage, scenario, round, plan).await;
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
        if !is_well {
            mend(stage, scenario, report).await;
        }
        progress.took(scenario, start.elapsed());
        say(&format!("  {progress}"));
        stage.folder.keep_figures(&report.json())?;
        if broken == BROKEN_MAX {
            say("  and the rest of it is left out");
            progress.leave_out(plan.rounds - round);
            break;
        }
    }
    if let Err(error) = stage.end_rooms().await.context("end the matches") {
        report.broken(scenario, format!("{error:#}"));
    }
    report.violations(Some(scenario), stage.take_played().iter().filter_map(|it| fault_of(scenario, it)));
    stage.keep_logs()
}

/// What went wrong is not to spoil the next round as well.
async fn mend(stage: &mut Stage, scenario: Scenario, report: &mut Report) {
    let kept = stage.keep_logs();
    let mended = stage.faults.mend().await;
    for error in [kept, mended].into_iter().filter_map(Result::err) {
        report.broken(scenario, format!("{error:#}"));
    }
    clear(stage, scenario, report).await;
}

async fn clear(stage: &mut Stage, scenario: Scenario, report: &mut Report) {
    if let Err(error) = stage.clear().await.context("remove the fleet") {
        report.broken(scenario, format!("{error:#}"));
    }
}

/// Takes over what the checker says.
fn found(stage: &mut Stage, report: &mut Report) {
    for (scenario, what) in stage.take_found() {
        report.violations(scenario, [what]);
    }
}

/// What a bot saw that must not be, if it did.
fn fault_of(scenario: Scenario, bot: &Played) -> Option<String> {
    if let Some(why) = mistake_of(bot) {
        return Some(why);
    }
    let may_not = scenario.expectation() == Expectation::PlaysOn && 0 < bot.disconnects;
    may_not.then(|| format!("{} in {} lost its connection {} times", bot.player, bot.room, bot.disconnects))
}

/// What a bot could not verify, if there is anything.
fn mistake_of(bot: &Played) -> Option<String> {
    let why = bot.why.as_deref().unwrap_or("the match");
    let Played { player, room, ticks, .. } = bot;
    let what = format!("{player} in {room} could not verify what it was shown ({why}): {ticks} ticks");
    (!bot.verified).then_some(what)
}
