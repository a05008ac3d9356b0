//! `docs/arena.md` says what the code does: somebody writes a client from it.

use super::Play;
use crate::map::{HEIGHT, Map, WIDTH};

const DOCUMENT: &str = include_str!("../../../../docs/arena.md");

/// The lines of the first code block behind this heading.
fn block(heading: &str) -> impl Iterator<Item = &'static str> {
    let (_, rest) = DOCUMENT.split_once(heading).expect("the heading");
    let (_, rest) = rest.split_once("\n```\n").expect("a block");
    rest.lines().take_while(|it| *it != "```")
}

/// Of each line, what stands before two spaces.
fn bytes(block: impl Iterator<Item = &'static str>) -> Vec<u8> {
    let hex: String = block.map(|it| it.split("  ").next().unwrap_or_default().replace(' ', "")).collect();
    let digits: Vec<u8> = hex.chars().map(|it| it.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.chunks(2).map(|it| it[0] << 4 | it[1]).collect()
}

#[test]
fn the_example_is_what_is_shown() {
    let mut play = Play::full(2, &[("seconds", "60"), ("score", "9")]);
    for tick in 1..=31 {
        match tick {
            2 => play.send(0, &[0x18, 0, 1]),
            31 => {
                play.send(0, &[8, 0x40, 2]);
                play.send(1, &[1, 0x80, 1]);
                play.send(1, &[2, 0xc0, 2]);
            }
            _ => (),
        }
        play.tick();
    }
    let shown = play.shown();
    assert_eq!(bytes(block("\n## An example\n")), shown, "it should be {shown:02x?}");
}

#[test]
fn the_maps_are_drawn_as_they_are() {
    for (map, heading) in [(Map::Plain, "\n`plain`, 0."), (Map::Harbour, "\n`harbour`, 1.")] {
        let row = |y| (0..WIDTH).map(|x| if map.is_open(x, y) { '.' } else { '#' }).collect::<String>();
        let rows: Vec<String> = (0..HEIGHT).map(row).collect();
        assert_eq!(block(heading).collect::<Vec<_>>(), rows, "{map:?}");
    }
}
