//! P4: a room goes on from a state that its owner had.

use super::{Findings, ms};
use crate::history::{Restored, Room, Stay, Tick};

pub(super) fn check(room: &Room, full: &[String], findings: &mut Findings<'_>) {
    for (index, stay) in room.stays.iter().enumerate() {
        match &stay.restored {
            Some(restored) => is_known(room, stay, restored, full, findings),
            None => {
                let earlier = room.stays.iter().take(index).find(|it| !it.ticks.is_empty());
                if earlier.is_some() && !stay.ticks.is_empty() {
                    let text = format!("P4: {}: it began anew on {}", room.name, stay.server);
                    findings.add(stay.made_ns, text);
                }
            }
        }
    }
}

fn is_known(room: &Room, stay: &Stay, restored: &Restored, full: &[String], findings: &mut Findings<'_>) {
    let Restored { epoch, tick, hash, .. } = restored;
    // Before the first tick there is no line about the state.
    if *tick == 0 {
        return;
    }
    let name = &room.name;
    // Whoever had the room under this epoch, also if it was adopted after the tick.
    let owners = room.stays.iter().filter(|it| it.ticks.iter().any(|it| it.epoch == *epoch));
    let owners: Vec<&Stay> = owners.collect();
    let found: Vec<&Tick> = owners.iter().flat_map(|it| &it.ticks).filter(|it| it.tick == *tick).collect();
    if found.iter().any(|it| it.hash == *hash) {
        if let Some(late) = found.iter().find(|it| stay.made_ns < it.ns) {
            let by = ms(late.ns - stay.made_ns);
            findings
                .add(stay.made_ns, format!("{name}: tick {tick} was restored {by} ms before it was taken"));
        }
        return;
    }
    let is_unknown = found.is_empty() && owners.iter().any(|it| full.contains(&it.server));
    if !is_unknown {
        let theirs = found.first().map_or("none", |it| &it.hash);
        let text = format!(
            "P4: {name}: {} restored tick {tick} of epoch {epoch} with the hash {hash}, its owner had {theirs}",
            stay.server
        );
        findings.add(stay.made_ns, text);
    }
}
