//! Nothing breaks, and the machine has no time: nobody is to take slowness for death.

use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gamekeeper_checker::record::Step;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::fleet::Manner;
use super::folder::Folder;
use super::mistake_of;
use super::stage::{Programs, Stage};
use super::steps::{CONFIRMED, LEADING, NOTICED};
use crate::arena::Arena;
use crate::clock::{Clocks, Moment};
use crate::faults::{Fault, Faults};
use crate::progress::say;

/// What servers request: a tenth of a core.
const CPU: &str = "100m";

/// From one line of progress to the next.
const TELL: Duration = Duration::from_secs(15);

/// What came of a run.
#[derive(Debug, Default)]
pub struct Calm {
    length: Duration,
    rooms: usize,
    players: usize,
    burners: usize,
    /// How often an operator suspected a server.
    suspected: usize,
    /// How often it believed that one was lost.
    confirmed: usize,
    /// The names of rooms that went to another server.
    moved: Vec<String>,
    /// How often bots lost their connection.
    disconnects: u64,
    /// The longest time in which any player was shown nothing new.
    max_gap: Duration,
    /// How often somebody began to lead meanwhile.
    leaders: usize,
    violations: Vec<String>,
}

/// Lets matches be played for so long in an empty namespace, while all cores are busy, and tells who took what for lost.
pub async fn quiet(arena: &Arena, faults: &Faults, folder: &Folder, length: Duration) -> Result<Calm> {
    let programs = Programs::built().await?;
    let mut stage = Stage::new(arena, faults, folder, programs, Manner { standby: false, cpu: CPU });
    stage.ensure_rooms().await?;
    let burners = available_parallelism().context("count the cores")?.get();
    faults.inflict(&Fault::Burn(burners)).await?;
    let mut calm = watch(&mut stage, length).await?;
    faults.mend().await?;
    stage.end_rooms().await?;
    stage.keep_logs()?;
    let played = stage.take_played();
    stage.clear().await?;
    calm.burners = burners;
    calm.players = played.len();
    calm.disconnects = played.iter().map(|it| it.disconnects).sum();
    calm.violations = played.iter().filter_map(mistake_of).collect();
    // There was no fault: nothing of it is a scenario's.
    calm.violations.extend(stage.take_found().into_iter().map(|(_, what)| what));
    folder.keep_figures(&calm.json())?;
    Ok(calm)
}

/// Looks on for so long.
async fn watch(stage: &mut Stage, length: Duration) -> Result<Calm> {
    let (clocks, begin) = (Clocks::now(), Moment::now());
    let (start, end) = (Instant::now(), Instant::now() + length);
    let before = epochs(stage)?;
    stage.sight()?.look()?.measure_gaps();
    // By time and name: logs are read again and again, and their beginnings go when they are long.
    let mut steps: BTreeMap<_, Step> = BTreeMap::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        sleep(left.min(TELL)).await;
        for step in stage.steps(&clocks).into_iter().filter(|it| begin.0 <= it.mono_ns) {
            steps.insert((step.mono_ns, step.step.clone(), step.server.clone()), step);
        }
        let count = |name| steps.values().filter(|it| it.step == name).count();
        // From before the look, which takes its time: who is shown nothing any more is in a gap that has not ended.
        let until = Moment::now();
        let views = stage.sight()?.look()?;
        let gap = before.values().map(|(uid, _)| views.longest_gap(uid, until)).max();
        let now = epochs(stage)?;
        let moved = before.iter().filter(|(name, before)| now.get(*name) != Some(*before));
        let calm = Calm {
            length: start.elapsed(),
            rooms: before.len(),
            suspected: count(NOTICED),
            confirmed: count(CONFIRMED),
            moved: moved.map(|it| it.0.clone()).collect(),
            max_gap: gap.unwrap_or_default(),
            leaders: count(LEADING),
            ..Calm::default()
        };
        let left = end.saturating_duration_since(Instant::now());
        say(&format!("  {:.1} min left: {}", left.as_secs_f64() / 60.0, calm.line()));
        if left.is_zero() {
            return Ok(calm);
        }
    }
}

/// Of each room, by its name: its uid and its epoch.
fn epochs(stage: &Stage) -> Result<BTreeMap<String, (String, i64)>> {
    let of_room = |(name, (uid, _)): (&String, &(String, usize))| {
        Ok((name.clone(), (uid.clone(), stage.arena.room_status(name)?.epoch)))
    };
    stage.rooms().iter().map(of_room).collect()
}

impl Calm {
    /// Everybody who took something for lost.
    fn false_alarms(&self) -> u64 {
        let of_operators = self.confirmed.max(self.moved.len());
        self.disconnects.saturating_add(u64::try_from(of_operators).unwrap_or(u64::MAX))
    }

    /// Whether nobody did, and nothing else was wrong.
    pub fn is_clean(&self) -> bool {
        self.false_alarms() == 0 && self.violations.is_empty()
    }

    fn line(&self) -> String {
        let Self { suspected, confirmed, moved, leaders, .. } = self;
        format!(
            "{suspected} suspicions, {confirmed} confirmed, {} rooms moved, {leaders} new leaders, nothing new for {} ms at most",
            moved.len(),
            self.max_gap.as_millis()
        )
    }

    /// For people.
    pub fn table(&self) -> String {
        let Self { rooms, players, burners, disconnects, .. } = self;
        let minutes = self.minutes();
        let mut table = format!(
            "{minutes} minutes, {rooms} rooms with {players} players beside {burners} busy threads: {}, {disconnects} connections lost\n",
            self.line()
        );
        for what in self.moved.iter().map(|it| format!("{it} moved")).chain(self.violations.iter().cloned()) {
            table.push_str(&what);
            table.push('\n');
        }
        table
    }

    fn minutes(&self) -> f64 {
        (self.length.as_secs_f64() / 6.0).round() / 10.0
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let Self { rooms, players, burners, suspected, confirmed, disconnects, violations, .. } = self;
        json!({
            "minutes": self.minutes(),
            "rooms": rooms,
            "players": players,
            "burners": burners,
            "suspected": suspected,
            "confirmed": confirmed,
            "moved": self.moved.len(),
            "disconnects": disconnects,
            "max_gap_ms": u64::try_from(self.max_gap.as_millis()).unwrap_or(u64::MAX),
            "false_alarms": self.false_alarms(),
            "violations": violations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm() -> Calm {
        Calm {
            length: Duration::from_mins(30),
            rooms: 6,
            players: 12,
            burners: 2,
            suspected: 1,
            max_gap: Duration::from_millis(210),
            ..Calm::default()
        }
    }

    #[test]
    fn the_names_for_programs_are_fixed() {
        let expected = json!({
            "minutes": 30.0, "rooms": 6, "players": 12, "burners": 2, "suspected": 1, "confirmed": 0, "moved": 0,
            "disconnects": 0, "max_gap_ms": 210, "false_alarms": 0, "violations": [],
        });
        assert_eq!(calm().json(), expected);
    }

    #[test]
    fn p3_a_suspicion_is_no_alarm_and_all_else_is() {
        assert!(calm().is_clean(), "a suspicion that comes to nothing harms nobody");
        for alarm in [
            Calm { confirmed: 1, ..calm() },
            Calm { moved: vec!["room-1".to_owned()], ..calm() },
            Calm { disconnects: 1, ..calm() },
        ] {
            assert_eq!((alarm.false_alarms(), alarm.is_clean()), (1, false), "{alarm:?}");
        }
        let wrong = Calm { violations: vec!["bot-1 saw something else".to_owned()], ..calm() };
        assert!(!wrong.is_clean() && wrong.table().contains("bot-1 saw"));
    }
}
