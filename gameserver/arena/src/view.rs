//! Draws a match into a terminal, 80 columns by 24 rows: a headline, the map, the scores beside it, and the
//! meaning of the signs below. A larger terminal shows the same, a smaller one a part of it.

mod scores;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
};

use crate::{
    angle::{Aim, ONE_BITS},
    map::{HEIGHT, Spot, TILE, WIDTH},
    settings::SEATS_MAX,
    world::{Kind, Player, World},
};

/// Rows of the headline, with the line below it.
const TOP: u16 = 2;

/// From which part of the match on the remaining time is shown as urgent.
const URGENT_SECONDS: u32 = 10;

/// Ticks per second of a match, as far as the clock on the screen is concerned.
const TICKS_PER_SECOND: u32 = 30;

/// For seats, one after the other. None of them is that of a wall or a pick-up.
const COLORS: [Color; 8] = [
    Color::LightCyan,
    Color::LightMagenta,
    Color::LightYellow,
    Color::LightGreen,
    Color::LightRed,
    Color::LightBlue,
    Color::White,
    Color::Cyan,
];

/// In the eight directions, from the right by way of down.
const ARROWS: [&str; 8] = ["→", "↘", "↓", "↙", "←", "↖", "↑", "↗"];

/// One letter for each seat.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";

const _: () = assert!(LETTERS.len() == SEATS_MAX as usize);

/// Draws the world. `names` are by seat, as far as they are known. `info` is for the headline: which room it
/// is, and how the connection is.
pub fn draw(world: &World, names: &[String], info: &str, area: Rect, buf: &mut Buffer) {
    let mut canvas = Canvas { area: area.intersection(buf.area), buf };
    headline(world, info, &mut canvas);
    ground(world, &mut canvas);
    for ((x, y), kind) in world.pick_ups() {
        let (sign, style) = pick_up(kind);
        canvas.put(x, TOP + y, sign, style);
    }
    for (seat, shooter, reach) in world.shots() {
        shot(seat, shooter, reach, &mut canvas);
    }
    let alive = || world.players().filter(|(_, it)| it.is_alive());
    alive().for_each(|(_, it)| nose(world, it, &mut canvas));
    for (seat, player) in alive() {
        let (x, y) = player.spot.tile();
        let style = color(seat).bold().reversed();
        canvas.put(x, TOP + y, letter(seat), if world.is_present(seat) { style } else { style.dim() });
    }
    scores::draw(world, names, &mut canvas);
    legend(&mut canvas);
}

/// A part of a buffer, whose corner is at 0, 0. What is outside of it is not drawn.
struct Canvas<'a> {
    area: Rect,
    buf: &'a mut Buffer,
}

impl Canvas<'_> {
    fn put(&mut self, x: u16, y: u16, sign: &str, style: Style) {
        if x < self.area.width && y < self.area.height {
            self.buf.set_stringn(self.area.x + x, self.area.y + y, sign, 1, style);
        }
    }

    /// Says where the text ends.
    fn write(&mut self, x: u16, y: u16, text: &str, width: u16, style: Style) -> u16 {
        if self.area.width <= x || self.area.height <= y {
            return x;
        }
        let width = width.min(self.area.width - x);
        let (end, _) =
            self.buf.set_stringn(self.area.x + x, self.area.y + y, text, usize::from(width), style);
        end - self.area.x
    }

    fn is_free(&self, x: u16, y: u16) -> bool {
        let at = (self.area.x.saturating_add(x), self.area.y.saturating_add(y));
        self.buf.cell(at).is_some_and(|it| it.symbol() == FLOOR)
    }
}

/// Of an empty tile: a dot in every tile would be too restless.
const FLOOR: &str = " ";

fn headline(world: &World, info: &str, canvas: &mut Canvas<'_>) {
    let width = canvas.area.width;
    let seconds = world.remaining_ticks().div_ceil(TICKS_PER_SECOND);
    let clock = match world.is_over() {
        true => "the end".to_owned(),
        false => format!("{}:{:02}", seconds / 60, seconds % 60),
    };
    let style = if seconds <= URGENT_SECONDS { Style::new().light_red().bold() } else { Style::new().bold() };
    let end = canvas.write(1, 0, "ARENA", 5, Style::new().light_yellow().bold());
    let end = canvas.write(end + 2, 0, world.map().name(), 10, Style::new().gray());
    let end = canvas.write(end + 2, 0, &clock, 8, style);
    let length = u16::try_from(info.chars().count()).unwrap_or(u16::MAX);
    // At the right, unless it is too long for that.
    let start = width.saturating_sub(length.saturating_add(1)).max(end + 2);
    canvas.write(start, 0, info, width.saturating_sub(start), Style::new().gray());
    let (played, length) =
        (world.length_ticks() - world.remaining_ticks().min(world.length_ticks()), world.length_ticks());
    let full = u64::from(played) * u64::from(width) / u64::from(length.max(1));
    for x in 0..width {
        let style = if u64::from(x) < full { Style::new().yellow() } else { Style::new().dark_gray() };
        canvas.put(x, 1, "─", style);
    }
}

fn ground(world: &World, canvas: &mut Canvas<'_>) {
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            match world.map().is_open(x, y) {
                true => canvas.put(x, TOP + y, FLOOR, Style::new()),
                false => canvas.put(x, TOP + y, "▒", Style::new().dark_gray()),
            }
        }
    }
}

fn pick_up(kind: Kind) -> (&'static str, Style) {
    match kind {
        Kind::Medkit => ("+", Style::new().green().bold()),
        Kind::Armour => ("o", Style::new().blue().bold()),
        Kind::Star => ("*", Style::new().yellow().bold()),
    }
}

/// The line of fire. It goes from where the shooter is by now, which is near enough.
fn shot(seat: u8, shooter: &Player, reach: i32, canvas: &mut Canvas<'_>) {
    for distance in (i32::from(TILE)..reach).step_by(usize::from(TILE / 2)) {
        if let Some(spot) = ahead(shooter, distance) {
            let (x, y) = spot.tile();
            if canvas.is_free(x, TOP + y) {
                canvas.put(x, TOP + y, "·", color(seat));
            }
        }
    }
}

/// An arrow beside the player, if nothing else is there.
fn nose(world: &World, player: &Player, canvas: &mut Canvas<'_>) {
    let Some(spot) = ahead(player, i32::from(TILE)) else { return };
    let (x, y) = spot.tile();
    let is_beside = spot.tile() != player.spot.tile() && world.map().has(spot);
    if is_beside && canvas.is_free(x, TOP + y) {
        canvas.put(x, TOP + y, arrow(player.aim), Style::new().gray());
    }
}

fn ahead(player: &Player, distance: i32) -> Option<Spot> {
    let (right, down) = player.aim.vector();
    let along = |from: u16, part: i32| i32::from(from) + ((part * distance) >> ONE_BITS);
    Spot::new(along(player.spot.x, right), along(player.spot.y, down))
}

fn legend(canvas: &mut Canvas<'_>) {
    let gray = Style::new().dark_gray();
    let mut x = 1;
    for (kind, meaning) in [(Kind::Star, "star"), (Kind::Medkit, "medkit"), (Kind::Armour, "armour")] {
        let (sign, style) = pick_up(kind);
        canvas.put(x, TOP + HEIGHT, sign, style);
        x = canvas.write(x + 2, TOP + HEIGHT, meaning, 10, gray) + 3;
    }
    canvas.put(x, TOP + HEIGHT, "·", gray);
    canvas.write(x + 2, TOP + HEIGHT, "shot", 10, gray);
}

fn letter(seat: u8) -> &'static str {
    let at = usize::from(seat);
    LETTERS.get(at..=at).unwrap_or("?")
}

fn color(seat: u8) -> Style {
    let color = COLORS.get(usize::from(seat) % COLORS.len()).copied().unwrap_or(Color::White);
    Style::new().fg(color)
}

fn arrow(aim: Aim) -> &'static str {
    // Half of an eighth is added, to round.
    ARROWS.get(usize::from(aim.0.wrapping_add(16) / 32)).copied().unwrap_or("·")
}

#[cfg(test)]
mod tests;
