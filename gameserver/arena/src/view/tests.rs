use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::{bot::Bot, input::Buttons, tests::Play};

const INFO: &str = "games/duel · 23 ms · loss 0.4 %";

/// Six bots in the middle of a match.
fn some() -> World {
    let mut play = Play::full(6, &[("map", "harbour")]);
    let mut bots: Vec<Bot> = (0..6).map(|it| Bot::new(it, 2)).collect();
    for _ in 0..620 {
        for (seat, bot) in (0..).zip(&mut bots) {
            let input = bot.next_input(play.game.world());
            play.send(seat, &input.to_bytes());
        }
        play.tick();
    }
    play.world().clone()
}

fn names() -> Vec<String> {
    ["ada", "blaise", "charlotte-the-third", "", "emil"].map(str::to_owned).to_vec()
}

fn drawn(world: &World, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|it| draw(world, &names(), INFO, it.area(), it.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn row(buffer: &Buffer, y: u16) -> String {
    (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect()
}

#[test]
fn everybody_and_everything_is_on_the_screen() {
    let world = some();
    let buffer = drawn(&world, 80, 24);
    (0..24).for_each(|y| println!("{}", row(&buffer, y)));
    assert!(row(&buffer, 0).starts_with(" ARENA  harbour  1:40"));
    assert!(row(&buffer, 0).ends_with("games/duel · 23 ms · loss 0.4 % "));
    assert_eq!(row(&buffer, 2).chars().take(60).collect::<String>(), "▒".repeat(60));
    for (seat, player) in world.players().filter(|(_, it)| it.is_alive()) {
        let (x, y) = player.spot.tile();
        let found = buffer[(x, TOP + y)].symbol();
        assert!(
            world.players().any(|(it, other)| letter(it) == found && other.spot.tile() == (x, y)),
            "{seat}"
        );
    }
    let first = world.ranking().next().unwrap();
    assert!(row(&buffer, 3).chars().nth(61).is_some_and(|it| letter(first).starts_with(it)));
    let table: String = (2..22).map(|y| row(&buffer, y)).collect();
    for name in ["ada", "blaise", "charlott", "seat 3", "emil", "seat 5"] {
        assert!(table.contains(name), "{name}");
    }
    assert!(!table.contains("charlotte"), "a name stays in its column");
    assert!(row(&buffer, 22).contains("medkit"));
}

#[test]
fn a_shot_is_a_line_for_a_moment() {
    let mut play = Play::full(2, &[]);
    play.tick();
    let dots = |world: &World| {
        let buffer = drawn(world, 80, 24);
        (2..22).map(|y| row(&buffer, y).matches('·').count()).sum::<usize>()
    };
    assert_eq!(dots(play.world()), 0);
    // In whatever direction there is more room.
    let spot = play.world().player(0).unwrap().spot;
    let aim = if spot.x < 480 { 0 } else { 128 };
    play.send(0, &[Buttons::FIRE.bits(), aim, 0]);
    play.tick();
    assert!(3 < dots(play.world()));
    (0..3).for_each(|_| drop(play.tick()));
    assert_eq!(dots(play.world()), 0);
}

#[test]
fn a_terminal_of_any_size_is_good_enough() {
    let world = some();
    for (width, height) in [(0, 0), (1, 1), (40, 12), (79, 23), (200, 60)] {
        drawn(&world, width, height);
    }
    // Also a part of one, with its corner elsewhere.
    let mut buffer = Buffer::empty(Rect::new(0, 0, 30, 10));
    draw(&world, &[], INFO, Rect::new(10, 5, 80, 24), &mut buffer);
    assert_eq!(buffer[(10, 7)].symbol(), "▒");
    assert_eq!(buffer[(9, 7)].symbol(), " ");
}

#[test]
fn whom_the_table_has_no_room_for_is_counted() {
    let mut play = Play::full(32, &[]);
    play.tick();
    let buffer = drawn(play.world(), 80, 24);
    assert!(row(&buffer, 21).contains("and 14 more"), "{}", row(&buffer, 21));
}
