//! How long it took, step by step, and how much play was lost.

use crate::{
    History, Record,
    history::{Room, Stay},
    record::{Fault, Step},
};

/// The steps of a recovery, in the order in which they usually come. Those of operators, and `fenced`, when the store
/// had given the room to the new owner, are as the record names them; `restored` and `ticking` are the new owner's,
/// `playing` is the slowest player's.
pub const STEPS: [&str; 8] =
    ["noticed", "confirmed", "placed", "fenced", "restored", "ticking", "status", "playing"];

/// One room after one fault. Times are in milliseconds since the fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Of the fault.
    pub scenario: String,
    /// Of the scenario.
    pub round: u32,
    /// The room's name.
    pub room: String,
    /// Until an operator had noticed something.
    pub noticed_ms: Option<f64>,
    /// Until it was sure that the room's server was lost.
    pub detect_ms: Option<f64>,
    /// Until its last player was shown something again.
    pub playing_ms: Option<f64>,
    /// Play that players saw and that did not count, in time of the room.
    pub lost_ms: Option<f64>,
    /// How long both owners ticked. What the old one showed meanwhile is in `lost_ms`.
    pub overlap_ms: f64,
    /// When each of [`STEPS`] was taken, as far as it is known.
    pub steps: [Option<f64>; STEPS.len()],
}

/// Measures all rooms that were hit.
pub fn measure(history: &History, record: &Record) -> Vec<Measured> {
    let hits = record.faults.iter().flat_map(|fault| fault.rooms.iter().map(move |uid| (fault, uid)));
    hits.map(|(fault, uid)| match find(history, uid) {
        Some(room) => of_room(room, uid, fault, record),
        None => Measured { room: uid.clone(), ..named(fault) },
    })
    .collect()
}

/// The room with this uid or name.
pub(crate) fn find<'a>(history: &'a History, room: &str) -> Option<&'a Room> {
    history.rooms.get(room).or_else(|| history.rooms.values().find(|it| it.name == room))
}

fn named(fault: &Fault) -> Measured {
    Measured { scenario: fault.scenario.clone(), round: fault.round, ..Measured::default() }
}

fn of_room(room: &Room, uid: &str, fault: &Fault, record: &Record) -> Measured {
    let (from, to) = (fault.fault_mono_ns, record.until(fault));
    let mut measured = Measured { room: room.name.clone(), ..named(fault) };
    let after = |ns: u64| since(from, ns);
    let pod = owner_at(room, from).map(|it| it.pod.clone()).unwrap_or_default();
    for (place, name) in measured.steps.iter_mut().zip(STEPS) {
        *place = first_step(record, name, (uid, room, &pod), (from, to)).map(after);
    }
    let [noticed, confirmed, _, _, restored, ticking, _, playing] = &mut measured.steps;
    (measured.noticed_ms, measured.detect_ms) = (*noticed, *confirmed);
    let Some(stay) = room.restored_between(from, to).next() else { return measured };
    let (Some(first), Some(epoch)) = (stay.first_ns(), stay.epoch()) else { return measured };
    *restored = Some(after(stay.made_ns));
    *ticking = Some(after(first));
    let back = room.players.values().filter(|it| it.is_at(from)).map(|it| it.first_under(epoch));
    // One that never comes back makes the room one that never came back.
    let back: Option<Vec<u64>> = back.map(|it| it.map(|it| it.ns).filter(|it| *it < to)).collect();
    *playing = back.and_then(|it| it.into_iter().max()).map(after);
    measured.playing_ms = *playing;

    let tick_ms = 1000.0 / f64::from(room.tick_rate);
    let seen = room.players.values().flat_map(|it| &it.shown).filter(|it| it.epoch < epoch).map(|it| it.tick);
    let kept = stay.restored.as_ref().map_or(0, |it| it.tick);
    measured.lost_ms = seen.max().map(|seen| number(seen.saturating_sub(kept)) * tick_ms);
    let old = owner_at(room, from).and_then(Stay::last_ns).unwrap_or_default();
    measured.overlap_ms = since(first, old.max(first));
    measured
}

/// The server that had the room at this time.
fn owner_at(room: &Room, ns: u64) -> Option<&Stay> {
    room.stays.iter().rev().find(|it| it.first_ns().is_some_and(|it| it <= ns))
}

/// The first time that a step was taken for this room, or for its server, or for nobody in particular.
fn first_step(
    record: &Record,
    name: &str,
    (uid, room, pod): (&str, &Room, &str),
    (from, to): (u64, u64),
) -> Option<u64> {
    let concerns = |it: &&Step| match (&it.room, &it.server) {
        (Some(of), _) => of == uid || *of == room.name,
        (None, Some(server)) => pod.is_empty() || server == pod,
        (None, None) => true,
    };
    let steps = record.steps.iter().filter(|it| it.step == name && (from..to).contains(&it.mono_ns));
    steps.filter(concerns).map(|it| it.mono_ns).min()
}

/// Milliseconds.
fn since(from: u64, to: u64) -> f64 {
    number(to.saturating_sub(from)) / 1e6
}

#[allow(clippy::cast_precision_loss, reason = "nanoseconds of a run and ticks of a match are below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
