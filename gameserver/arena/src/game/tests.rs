use gamekeeper_room::{TEXT_BYTES_MAX, Tick};

use super::*;
use crate::tests::{Play, setup};

#[test]
fn nothing_happens_in_an_empty_room() {
    let mut play = Play::new(16, &[("seconds", "1")]);
    (0..100).for_each(|_| assert_eq!(play.tick(), Next::Wait));
    play.join(3);
    assert_eq!(play.tick(), Next::Tick);
    assert_eq!(play.world().remaining_ticks(), 29, "the clock starts with the first player");
    (0..28).for_each(|_| assert_eq!(play.tick(), Next::Tick));
    assert!(matches!(play.tick(), Next::End(_)));
}

#[test]
fn a_player_that_leaves_keeps_its_seat_and_stands_still() {
    let mut play = Play::full(2, &[]);
    play.tick();
    assert_eq!(play.game.leave(Seat(1)), Afterwards::Kept);
    let before = *play.world().player(1).unwrap();
    play.send(1, &[8, 0, 0]);
    play.tick();
    assert_eq!(play.world().player(1), Some(&before));
    play.join(1);
    play.send(1, &[0, 9, 0]);
    play.tick();
    assert_eq!(play.world().player(1).unwrap().aim.0, 9);
}

#[test]
fn who_comes_again_after_a_restore_counts_on_and_who_had_left_counts_anew() {
    let mut play = Play::full(2, &[]);
    for tick in 0..45 {
        (0..2).for_each(|seat| play.send(seat, &[0, tick, tick]));
        play.tick();
    }
    assert_eq!(play.game.leave(Seat(1)), Afterwards::Kept);
    (0..2).for_each(|_| play.send(0, &[1, 1, 1]));
    play.tick();
    assert_eq!(play.world().account(1).applied, 30);
    play.game = Match::read(&play.saved().state, 0).unwrap();
    play.join(0);
    play.join(1);
    assert_eq!(play.world().account(1).applied, 0, "from the start, not from the next checkpoint on");
    while play.tick < 60 {
        (0..2).for_each(|seat| play.send(seat, &[0, 0, 0]));
        play.tick();
    }
    // Of its 61 inputs one has waited since before the checkpoint: in each tick, one counts.
    assert_eq!(play.world().account(0).applied, 60);
    assert_eq!(play.world().account(1).applied, 14);
}

#[test]
fn a_checkpoint_that_makes_no_sense_is_declined() {
    let mut play = Play::full(3, &[]);
    (0..40).for_each(|_| assert_eq!(play.tick(), Next::Tick));
    let good = play.saved();
    let restore = |seats, parameters: &[_], it: &Checkpoint| {
        Arena.restore(&setup(seats, parameters), it).map(|_| ()).map_err(|it| it.to_string())
    };
    assert_eq!(restore(3, &[], &good), Ok(()));
    assert!(restore(4, &[], &good).unwrap_err().contains("another room"));
    assert!(restore(3, &[("map", "harbour")], &good).unwrap_err().contains("another room"));
    let other = Checkpoint { schema: Schema(1), ..good.clone() };
    assert!(restore(3, &[], &other).unwrap_err().contains("schema 1"));
    let other = Checkpoint { tick: Tick(41), ..good.clone() };
    assert!(restore(3, &[], &other).unwrap_err().contains("another tick"));
    for length in 0..good.state.len() {
        let short = Checkpoint { state: good.state[..length].to_vec(), ..good.clone() };
        assert!(restore(3, &[], &short).is_err(), "{length}");
    }
    let mut state = good.state.clone();
    state.push(0);
    assert!(restore(3, &[], &Checkpoint { state, ..good.clone() }).is_err());
    // Whatever byte is another one, it is declined or it is a match that can be played.
    for at in 0..good.state.len() {
        let mut state = good.state.clone();
        state[at] ^= 0xff;
        if let Ok(mut game) = Arena.restore(&setup(3, &[]), &Checkpoint { state, ..good.clone() }) {
            (41..80).for_each(|it| drop(game.tick(&Turn::new(Tick(it), &[]))));
        }
    }
}

#[test]
fn the_longest_names_fit_into_the_result() {
    let mut play = Play::new(32, &[("seconds", "1")]);
    for seat in 0..32 {
        let name = format!("{seat:0>128}");
        play.game.join(Seat(seat), &PlayerName::new(name).unwrap());
    }
    let ending = loop {
        if let Next::End(ending) = play.tick() {
            break ending;
        }
    };
    assert_eq!(ending.values()["winner"], "0".repeat(128), "of equals, the first seat");
    assert!(TEXT_BYTES_MAX < ending.values()["scores"].len());
    assert_eq!(ending.values()["hash"].len(), 16);
}
