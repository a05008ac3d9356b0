//! P4: what a player was told to have arrived is in the state that is played on, but for the last moments.

use super::{Findings, Limits, ms};
use crate::{
    history::{Player, Restored, Room, Shown, Stay},
    record::Fault,
};

pub(super) fn check(room: &Room, limits: Limits, findings: &mut Findings<'_>) {
    for stay in room.stays.iter().filter(|it| !it.ticks.is_empty()) {
        let Some(restored) = &stay.restored else { continue };
        // Without a fault there is nothing to lose by; that it was restored is told by another rule.
        let Some(fault) = findings.record.before(stay.made_ns).cloned() else { continue };
        for (name, player) in &room.players {
            if let Some(text) = lost(player, stay, restored, &fault, limits) {
                findings.add_of(&fault, format!("P4: {}: {name}: {text}", room.name));
            }
        }
    }
}

/// The input that is missing, if one is.
fn lost(player: &Player, stay: &Stay, restored: &Restored, fault: &Fault, limits: Limits) -> Option<String> {
    let window = (fault.interval_ms + limits.margin_ms).saturating_mul(1_000_000);
    let promised = fault.fault_mono_ns.checked_sub(window)?;
    let epoch = stay.epoch()?;
    let before: Vec<&Shown> =
        player.shown.iter().filter(|it| it.epoch < epoch && it.ns <= stay.made_ns).collect();
    let promised = before.iter().rev().find(|it| it.ns <= promised)?;
    if promised.acknowledged == 0 {
        return None;
    }
    let seat = player.joins.first()?.seat;
    let heard = restored.seats.iter().find(|it| it.seat == seat).filter(|it| 0 < it.inputs);
    // The number of 0 to 255 says which input it was: the newest of those that were sent before that tick.
    let known = heard.and_then(|it| {
        let sent = before.iter().rev().filter(|shown| shown.tick < restored.tick);
        sent.into_iter().find(|shown| shown.newest == it.newest).map(|it| it.sent)
    });
    let known = known.unwrap_or_default();
    (known < promised.acknowledged).then(|| {
        format!(
            "input {} was acknowledged {} ms before the fault, the restored state of tick {} has them up to {known}",
            promised.acknowledged,
            ms(fault.fault_mono_ns - promised.ns),
            restored.tick,
        )
    })
}
