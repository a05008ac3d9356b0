//! How much of a world changes from one snapshot to another that a player already has.

use rand::{SeedableRng, rngs::StdRng};

use super::{Play, bots};

/// Ticks between a snapshot and the one that it is compared with: a round trip of 100 ms.
const BEHIND: usize = 3;

/// What the players' protocol may do with two snapshots, in short: runs of equal bytes are counted, the others
/// are sent. Equal bytes that are fewer than the count would cost are sent along.
fn delta(before: &[u8], after: &[u8]) -> usize {
    let changed: Vec<bool> = before.iter().zip(after).map(|(one, other)| one != other).collect();
    let varint = |it: usize| if it < 128 { 1 } else { 2 };
    let (mut bytes, mut at) = (0, 0);
    while let Some(zeroes) = changed[at..].iter().position(|it| *it) {
        let start = at + zeroes;
        let mut end = start;
        while let Some(next) = changed[end..].iter().take(3).position(|it| *it) {
            end += next + 1;
        }
        bytes += varint(zeroes) + varint(end - start) + (end - start);
        at = end;
    }
    bytes
}

fn average(mut play: Play, mut send: impl FnMut(&mut Play)) -> f64 {
    let mut shown = Vec::new();
    let mut sum = 0;
    for _ in 0..900 {
        send(&mut play);
        play.tick();
        shown.push(play.shown());
        if let [before, .., after] = &shown[shown.len().saturating_sub(BEHIND + 1)..] {
            sum += delta(before, after);
        }
    }
    let count = u32::try_from(shown.len() - BEHIND).unwrap();
    f64::from(u32::try_from(sum).unwrap()) / f64::from(count)
}

#[test]
fn the_delta_of_16_players_at_random_has_at_most_90_bytes() {
    let mut random = StdRng::seed_from_u64(5);
    let found = average(Play::full(16, &[]), |it| it.send_anything(&mut random));
    println!("16 players at random: {found:.1} bytes of {}", Play::new(16, &[]).shown().len());
    assert!(found <= 90.0, "{found}");
}

#[test]
fn the_delta_of_16_bots_has_at_most_90_bytes() {
    let mut bots = bots(16);
    let found = average(Play::full(16, &[("map", "harbour")]), |play| {
        for (seat, bot) in (0..).zip(&mut bots) {
            let input = bot.next_input(play.game.world());
            play.send(seat, &input.to_bytes());
        }
    });
    println!("16 bots: {found:.1} bytes");
    assert!(found <= 90.0, "{found}");
}
