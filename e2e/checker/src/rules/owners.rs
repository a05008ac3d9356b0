//! I1, I2: one owner at a time, and the later one has the higher epoch.

use super::{Findings, ms};
use crate::history::{Room, Stay};

/// Where no fault says what the fence is: the default of a fleet.
const FENCE_MS: u64 = 1000;

pub(super) fn check(room: &Room, findings: &mut Findings<'_>) {
    for stay in &room.stays {
        ticks_follow(room, stay, findings);
    }
    let played: Vec<&Stay> = room.stays.iter().filter(|it| !it.ticks.is_empty()).collect();
    for (index, later) in played.iter().enumerate() {
        for earlier in played.iter().take(index) {
            take_turns(room, earlier, later, findings);
        }
    }
}

/// Within one stay, no tick is left out or taken twice, and the epoch does not fall.
fn ticks_follow(room: &Room, stay: &Stay, findings: &mut Findings<'_>) {
    let name = &room.name;
    let mut next = stay.restored.as_ref().map_or(1, |it| it.tick + 1);
    let mut epoch = stay.restored.as_ref().map_or(i64::MIN, |it| it.epoch.saturating_add(1));
    for tick in &stay.ticks {
        if tick.tick != next {
            let server = &stay.server;
            findings
                .add(tick.ns, format!("I1: {name}: {server} took tick {} where {next} was next", tick.tick));
        }
        if tick.epoch < epoch {
            findings.add(
                tick.ns,
                format!("I2: {name}: tick {} has epoch {}, after {epoch}", tick.tick, tick.epoch),
            );
        }
        next = tick.tick + 1;
        epoch = tick.epoch;
    }
}

/// Two stays: the one that began later has higher epochs, and the other one ends, at last after the fence.
fn take_turns(room: &Room, earlier: &Stay, later: &Stay, findings: &mut Findings<'_>) {
    let (Some(old), Some(new)) = (earlier.ticks.last(), later.ticks.first()) else { return };
    let name = &room.name;
    let shared = later.ticks.iter().find(|it| earlier.ticks.iter().any(|other| other.epoch == it.epoch));
    if let Some(tick) = shared {
        let (one, other) = (&earlier.server, &later.server);
        findings.add(tick.ns, format!("I1: {name}: epoch {} was ticked by {one} and by {other}", tick.epoch));
    } else if new.epoch < old.epoch {
        findings.add(new.ns, format!("I2: {name}: epoch {} began after {}", new.epoch, old.epoch));
    }
    let overlap = ms(old.ns.saturating_sub(new.ns));
    let fence = findings.record.before(new.ns).map_or(FENCE_MS, |it| it.fence_ms);
    if fence < overlap {
        let epochs = (old.epoch, new.epoch);
        findings.add(
            new.ns,
            format!("I1: {name}: epochs {} and {} ticked side by side for {overlap} ms", epochs.0, epochs.1),
        );
    }
}
