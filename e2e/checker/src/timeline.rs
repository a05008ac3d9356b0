//! A picture of a recovery: a row for each room, a mark for each tick that a player was shown, in the colour of the
//! owner that showed it, and a line for each step.

mod canvas;

use std::io;

use embedded_graphics::pixelcolor::Rgb888;

use crate::{
    History, Record,
    history::Room,
    measure::{Measured, STEPS, find},
    record::Fault,
};
use canvas::Canvas;

/// Of the whole picture, in pixels.
const WIDTH: i32 = 1200;

/// Left of the rows: their names.
const NAMES: i32 = 150;

/// Above the rows: what it is about, and the steps.
const HEAD: i32 = 40;

/// Below the rows: times.
const FOOT: i32 = 26;

/// Of a row. Ticks are above, steps of the room are below.
const ROW: i32 = 34;

/// Rows of one picture. Of 300 rooms the first ones tell enough.
const ROWS_MAX: usize = 40;

/// Before the fault, in nanoseconds.
const BEFORE: u64 = 500_000_000;

/// After the last that is shown, in nanoseconds.
const AFTER: u64 = 500_000_000;

/// The longest time after a fault that is drawn.
const LONGEST: u64 = 20_000_000_000;

/// What stands beside the lines of [`STEPS`].
const MARKS: [&str; STEPS.len()] = ["n", "c", "p", "f", "r", "t", "s", "*"];

/// Of one owner after another.
const OWNERS: [Rgb888; 4] = [
    Rgb888::new(0x1f, 0x6f, 0xb4),
    Rgb888::new(0x2a, 0x9d, 0x3a),
    Rgb888::new(0xb0, 0x5a, 0x10),
    Rgb888::new(0x7a, 0x3f, 0xa0),
];

const INK: Rgb888 = Rgb888::new(0x20, 0x20, 0x20);
const PALE: Rgb888 = Rgb888::new(0xd8, 0xd8, 0xd8);
const GREY: Rgb888 = Rgb888::new(0x80, 0x80, 0x80);
const FAULT: Rgb888 = Rgb888::new(0xd0, 0x20, 0x20);

/// From time to place.
#[derive(Clone, Copy, Debug)]
struct Scale {
    from: u64,
    to: u64,
}

impl Scale {
    fn of(fault: &Fault, measured: &[&Measured], until: u64) -> Self {
        let last = measured.iter().flat_map(|it| it.steps).flatten().fold(0.0, f64::max);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "limited, and not negative"
        )]
        let last = (last.clamp(0.0, 1e6) * 1e6) as u64;
        let shown = last.max(1_000_000_000).saturating_add(AFTER).min(LONGEST);
        let from = fault.fault_mono_ns;
        Self {
            from: from.saturating_sub(BEFORE),
            to: from.saturating_add(shown).min(until.saturating_add(1)),
        }
    }

    fn x(self, ns: u64) -> Option<i32> {
        let (span, at) = (self.to.saturating_sub(self.from).max(1), ns.checked_sub(self.from)?);
        let width = u64::from((WIDTH - NAMES - 10).unsigned_abs());
        (at <= span).then(|| NAMES + i32::try_from(at.saturating_mul(width) / span).unwrap_or(i32::MAX))
    }
}

/// Draws one fault as a PNG.
pub fn draw(
    history: &History,
    record: &Record,
    fault: &Fault,
    measured: &[Measured],
    out: impl io::Write,
) -> io::Result<()> {
    let is_of = |it: &&Measured| (&it.scenario, it.round) == (&fault.scenario, fault.round);
    let of_fault: Vec<&Measured> = measured.iter().filter(is_of).collect();
    let scale = Scale::of(fault, &of_fault, record.until(fault));
    let hit = fault.rooms.iter().filter_map(|it| find(history, it));
    // Where no room is to notice anything, that is what one looks for.
    let rooms: Vec<&Room> = match fault.rooms.is_empty() {
        true => history.rooms.values().take(ROWS_MAX).collect(),
        false => hit.take(ROWS_MAX).collect(),
    };
    let rows = i32::try_from(rooms.len()).unwrap_or_default();
    let height = HEAD + ROW * rows + FOOT;
    let mut canvas = Canvas::new(WIDTH, height);
    let title = format!("{} {}: {} - {} rooms", fault.scenario, fault.round, fault.fault, fault.rooms.len());
    canvas.text(4, 4, INK, &title);
    let steps = STEPS.iter().zip(MARKS).map(|(name, mark)| format!("{mark} {name}")).collect::<Vec<_>>();
    canvas.text(WIDTH - 560, 16, GREY, &steps.join("  "));
    axis(&mut canvas, fault, scale, height);
    for (room, row) in rooms.into_iter().zip(0..) {
        let top = HEAD + ROW * row;
        canvas.line((0, top), (WIDTH, top), PALE);
        canvas.text(4, top + 6, INK, &room.name.chars().take(23).collect::<String>());
        draw_ticks(&mut canvas, room, scale, top);
        if let Some(measured) = of_fault.iter().find(|it| it.room == room.name) {
            draw_steps(&mut canvas, fault, measured, scale, top);
        }
    }
    if let Some(x) = scale.x(fault.fault_mono_ns) {
        canvas.line((x, HEAD - 14), (x, height - FOOT), FAULT);
        canvas.text(x + 3, HEAD - 16, FAULT, "fault");
    }
    canvas.png(out)
}

/// A line for every tenth of a second or second, and what it is.
fn axis(canvas: &mut Canvas, fault: &Fault, scale: Scale, height: i32) {
    let is_long = 5_000_000_000 < scale.to.saturating_sub(scale.from);
    let every: u64 = if is_long { 1_000_000_000 } else { 250_000_000 };
    for step in 0..=LONGEST / every {
        let Some(x) = scale.x(fault.fault_mono_ns + step * every) else { break };
        canvas.line((x, HEAD), (x, height - FOOT), PALE);
        canvas.text(x - 10, height - FOOT + 6, GREY, &format!("{} ms", step * every / 1_000_000));
    }
}

/// What players were shown above, what servers ticked below it as a thin line: where two owners overlap, both show.
fn draw_ticks(canvas: &mut Canvas, room: &Room, scale: Scale, top: i32) {
    for (index, stay) in room.stays.iter().filter(|it| !it.ticks.is_empty()).enumerate() {
        let colour = OWNERS.get(index % OWNERS.len()).copied().unwrap_or(INK);
        for x in stay.ticks.iter().filter_map(|it| scale.x(it.ns)) {
            let y = top + 14 + i32::try_from(index % 2).unwrap_or_default() * 3;
            canvas.line((x, y), (x + 1, y), colour);
        }
    }
    for shown in room.players.values().flat_map(|it| &it.shown) {
        let Some(x) = scale.x(shown.ns) else { continue };
        // Whoever had the room under that epoch when it was shown.
        let played = room.stays.iter().filter(|it| !it.ticks.is_empty());
        let owner =
            played.enumerate().filter(|(_, it)| it.epoch().is_some_and(|it| it <= shown.epoch)).last();
        let colour = owner.and_then(|(index, _)| OWNERS.get(index % OWNERS.len()).copied()).unwrap_or(INK);
        canvas.line((x, top + 4), (x, top + 11), colour);
    }
}

fn draw_steps(canvas: &mut Canvas, fault: &Fault, measured: &Measured, scale: Scale, top: i32) {
    for (step, mark) in measured.steps.iter().zip(MARKS) {
        let Some(after) = step else { continue };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after the fault")]
        let ns = (after * 1e6) as u64;
        let Some(x) = scale.x(fault.fault_mono_ns.saturating_add(ns)) else { continue };
        canvas.line((x, top + 1), (x, top + ROW - 1), GREY);
        canvas.text(x + 2, top + 22, GREY, mark);
    }
}

const _: () = assert!(NAMES < WIDTH && 0 < ROW);
