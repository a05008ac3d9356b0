use std::collections::HashSet;

use super::*;
use crate::tests::Play;

#[test]
fn a_bot_does_the_same_again() {
    let play = || {
        let mut play = Play::full(4, &[]);
        let mut bots: Vec<Bot> = (0..4).map(|it| Bot::new(it, 3)).collect();
        for _ in 0..300 {
            for (seat, bot) in (0..).zip(&mut bots) {
                let input = bot.next_input(play.game.world());
                play.send(seat, &input.to_bytes());
            }
            play.tick();
        }
        play.world().hash()
    };
    assert_eq!(play(), play());
}

#[test]
fn bots_get_around_and_meet_also_when_they_see_the_past() {
    let mut play = Play::full(8, &[("map", "harbour")]);
    let mut bots: Vec<Bot> = (0..8).map(|it| Bot::new(it, 4)).collect();
    let mut past = vec![play.world().clone(); 4];
    let mut tiles = vec![HashSet::new(); 8];
    for _ in 0..1800 {
        for (seat, bot) in (0..).zip(&mut bots) {
            let input = bot.next_input(&past[0]);
            play.send(seat, &input.to_bytes());
        }
        play.tick();
        past.remove(0);
        past.push(play.world().clone());
        for (seat, player) in play.world().players() {
            tiles[usize::from(seat)].insert(player.spot.tile());
        }
    }
    let seen: Vec<usize> = tiles.iter().map(HashSet::len).collect();
    let scores: Vec<u16> = play.world().players().map(|(_, it)| it.score).collect();
    println!("tiles {seen:?}, scores {scores:?}");
    assert!(seen.iter().all(|it| 60 < *it), "{seen:?}");
    assert!(20 < scores.iter().sum::<u16>() && 6 < scores.iter().filter(|it| 0 < **it).count(), "{scores:?}");
}

#[test]
fn inputs_are_numbered() {
    let play = Play::full(2, &[]);
    let mut bot = Bot::new(0, 5);
    let numbers: Vec<u8> = (0..300).map(|_| bot.next_input(play.world()).number).collect();
    assert!(numbers.windows(2).all(|it| it[0].wrapping_add(1) == it[1]));
}
