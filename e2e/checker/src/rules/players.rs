//! P4, and no false alarms: players keep their seats, see nothing wrong, and come back; and nobody else has to.

use super::{Findings, cause};
use crate::{
    history::{Player, Room},
    record::Fault,
};

pub(super) fn check(uid: &str, room: &Room, findings: &mut Findings<'_>) {
    for (name, player) in &room.players {
        keeps_its_place(room, name, player, findings);
    }
    for stay in room.stays.iter().filter(|it| it.restored.is_some() && !it.ticks.is_empty()) {
        if cause(findings.record, uid, room, stay.made_ns).is_none() {
            let text = format!("P3: {}: it was restored on {}, and was not hit", room.name, stay.server);
            findings.add(stay.made_ns, text);
        }
    }
    for fault in findings.record.faults.clone() {
        if fault.rooms.iter().any(|it| it == uid || *it == room.name) {
            comes_back(room, &fault, findings);
        }
    }
}

fn keeps_its_place(room: &Room, name: &str, player: &Player, findings: &mut Findings<'_>) {
    let of = format!("{}: {name}", room.name);
    for pair in player.joins.windows(2) {
        let [one, other] = pair else { continue };
        if one.seat != other.seat {
            findings.add(other.ns, format!("P4: {of}: it had seat {} and has {} now", one.seat, other.seat));
        }
        if other.epoch < one.epoch {
            findings.add(
                other.ns,
                format!("I2: {of}: was let in under epoch {} after {}", other.epoch, one.epoch),
            );
        }
    }
    for pair in player.shown.windows(2) {
        let [one, other] = pair else { continue };
        if one.epoch == other.epoch && other.tick <= one.tick {
            let text = format!("I1: {of}: was shown tick {} after {}, under one epoch", other.tick, one.tick);
            findings.add(other.ns, text);
        }
    }
    if let Some((at, Some(reason))) = &player.over {
        findings.add(*at, format!("{of}: {reason}"));
    }
}

fn comes_back(room: &Room, fault: &Fault, findings: &mut Findings<'_>) {
    let (from, to) = (fault.fault_mono_ns, findings.record.until(fault));
    let stays: Vec<_> = room.restored_between(from, to).collect();
    if 1 < stays.len() {
        let text = format!("{}: it was restored {} times after one fault", room.name, stays.len());
        findings.add_of(fault, text);
    }
    let Some(epoch) = stays.first().and_then(|it| it.epoch()) else {
        return findings.add_of(fault, format!("P4: {}: it was not restored", room.name));
    };
    for (name, player) in room.players.iter().filter(|(_, it)| it.is_at(from)) {
        if player.first_under(epoch).is_none_or(|it| to <= it.ns) {
            findings.add_of(fault, format!("P4: {}: {name} never came back", room.name));
        }
    }
}
