//! The table of scores, the best first.

use ratatui::style::Style;

use super::{Canvas, TOP, color, letter};
use crate::{
    map::{HEIGHT, WIDTH},
    world::{HEALTH, Player, World},
};

/// Right of the map.
const LEFT: u16 = WIDTH + 1;

/// Of a name.
const NAME_WIDTH: u16 = 8;

/// Where the scores end.
const SCORE_WIDTH: u16 = 4;

/// Cells of the bar that shows a player's health.
const BAR: u16 = 4;

pub(super) fn draw(world: &World, names: &[String], canvas: &mut Canvas<'_>) {
    canvas.write(LEFT + 2, TOP, "player", NAME_WIDTH, Style::new().dark_gray());
    canvas.write(LEFT + 10, TOP, "pts", SCORE_WIDTH, Style::new().dark_gray());
    canvas.write(LEFT + 14, TOP, "life", BAR, Style::new().dark_gray());
    let rows = usize::from(HEIGHT - 1);
    let count = world.players().count();
    // Who has no row of its own is counted in the last one.
    let shown = if count <= rows { count } else { rows - 1 };
    for (seat, y) in world.ranking().take(shown).zip(TOP + 1..) {
        if let Some(player) = world.player(seat) {
            line(world, names, (seat, player), y, canvas);
        }
    }
    if shown < count {
        let more = format!("and {} more", count - shown);
        canvas.write(LEFT + 2, TOP + HEIGHT - 1, &more, 16, Style::new().dark_gray());
    }
}

fn line(world: &World, names: &[String], (seat, player): (u8, &Player), y: u16, canvas: &mut Canvas<'_>) {
    let style = match world.is_present(seat) {
        true => Style::new(),
        false => Style::new().dark_gray(),
    };
    canvas.write(LEFT, y, letter(seat), 1, color(seat).bold());
    match names.get(usize::from(seat)).filter(|it| !it.is_empty()) {
        Some(name) => canvas.write(LEFT + 2, y, name, NAME_WIDTH, style),
        None => canvas.write(LEFT + 2, y, &format!("seat {seat}"), NAME_WIDTH, style),
    };
    canvas.write(LEFT + 10, y, &format!("{:>3}", player.score), SCORE_WIDTH, style.bold());
    if !player.is_alive() {
        canvas.write(LEFT + 14, y, "out", BAR, Style::new().red());
        return;
    }
    // Some of the bar is left as long as some of the life is.
    let full = (u16::from(player.health) * BAR).div_ceil(u16::from(HEALTH)).min(BAR);
    for cell in 0..BAR {
        let (sign, style) = match (cell < full, player.health) {
            (false, _) => ("╌", Style::new().dark_gray()),
            (true, ..=50) => ("━", Style::new().red()),
            (true, ..=HEALTH) => ("━", Style::new().green()),
            (true, _) => ("━", Style::new().light_blue()),
        };
        canvas.put(LEFT + 14 + cell, y, sign, style);
    }
}
