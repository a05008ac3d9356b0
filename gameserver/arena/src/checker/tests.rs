use gamekeeper_room::{Game, Next, Seat};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    bot::Bot,
    tests::{Play, anything},
};

/// What happens to one tick on its way.
type Tamper<'a> = dyn FnMut(u32, &mut Way) + 'a;

/// What the bot on seat 0 sends, and what it is shown.
struct Way {
    inputs: Vec<Input>,
    shown: Vec<(u64, Vec<u8>)>,
}

/// 200 ticks of a match, seen by the player on seat 0. In each, what is sent and what is shown goes by
/// `sending` and by `showing`.
fn verdict(sending: &mut Tamper<'_>, showing: &mut Tamper<'_>) -> Verdict {
    let mut play = Play::full(4, &[("map", "harbour")]);
    let mut checker = Checker::new(0);
    let mut bot = Bot::new(0, 1);
    let mut random = StdRng::seed_from_u64(6);
    for tick in 1..=200 {
        let mut way = Way { inputs: Vec::new(), shown: Vec::new() };
        if let Some(world) = checker.world() {
            let input = bot.next_input(world);
            checker.sent(input);
            way.inputs.push(input);
        }
        sending(tick, &mut way);
        way.inputs.drain(..).for_each(|it| play.send(0, &it.to_bytes()));
        (1..4).for_each(|seat| play.send(seat, &anything(&mut random).to_bytes()));
        assert_eq!(play.tick(), Next::Tick);
        way.shown.push((play.tick, play.shown()));
        showing(tick, &mut way);
        for (tick, bytes) in way.shown {
            let _ = checker.shown(tick, &bytes);
        }
    }
    checker.verdict()
}

fn shown_by(showing: &mut Tamper<'_>) -> Verdict {
    verdict(&mut |_, _| {}, showing)
}

fn sent_by(sending: &mut Tamper<'_>) -> Verdict {
    verdict(sending, &mut |_, _| {})
}

#[test]
fn an_honest_match_is_verified() {
    let Verdict { verified, counts } = shown_by(&mut |_, _| {});
    assert!(verified);
    assert_eq!(counts, Counts { ticks: 200, checkpoints_verified: 6, ..Counts::default() });
}

#[test]
fn where_nothing_was_checked_nothing_is_verified() {
    assert!(!Checker::new(0).verdict().verified);
    let one_in_two = shown_by(&mut |tick, way| {
        if tick % 2 == 0 {
            way.shown.clear();
        }
    });
    assert!(!one_in_two.verified, "no step could be taken: {one_in_two:?}");
    assert_eq!((one_in_two.counts.gaps, one_in_two.counts.longest_gap), (99, 1));
}

#[test]
fn a_tenth_of_the_snapshots_may_be_lost() {
    let mut random = StdRng::seed_from_u64(7);
    let Verdict { verified, counts } = shown_by(&mut |_, way| {
        if random.random_ratio(1, 10) {
            way.shown.clear();
        }
    });
    assert!(verified, "{counts:?}");
    assert!(10 < counts.gaps && 3 <= counts.checkpoints_verified, "{counts:?}");
}

#[test]
fn a_dropped_input_is_seen() {
    let found = sent_by(&mut |tick, way| {
        if tick == 70 {
            way.inputs.clear();
        }
    });
    assert!(!found.verified && 0 < found.counts.input_differences, "{found:?}");
}

#[test]
fn an_input_that_is_applied_twice_is_seen() {
    let found = sent_by(&mut |tick, way| {
        if tick == 70 {
            way.inputs = way.inputs.repeat(2);
        }
    });
    assert!(!found.verified && 0 < found.counts.input_differences, "{found:?}");
}

#[test]
fn two_swapped_inputs_are_seen() {
    let mut held = None;
    let found = sent_by(&mut |tick, way| match tick {
        70 => held = way.inputs.pop(),
        71 => way.inputs.extend(held.take()),
        _ => {}
    });
    assert!(!found.verified && 0 < found.counts.input_differences, "{found:?}");
}

#[test]
fn inputs_that_come_late_are_no_difference() {
    let mut held = Vec::new();
    let found = sent_by(&mut |tick, way| match tick % 40 {
        10..25 => held.append(&mut way.inputs),
        25 => way.inputs.splice(0..0, held.drain(..)).for_each(drop),
        _ => {}
    });
    assert!(found.verified, "{found:?}");
}

#[test]
fn inputs_that_never_count_are_missing() {
    let found = sent_by(&mut |tick, way| {
        if 70 < tick {
            way.inputs.clear();
        }
    });
    assert!(!found.verified && 0 < found.counts.missing_inputs, "{found:?}");
}

#[test]
fn inputs_that_the_game_drops_are_missing() {
    let mut held = Vec::new();
    let found = sent_by(&mut |tick, way| match tick {
        10..60 => held.append(&mut way.inputs),
        60 => way.inputs.splice(0..0, held.drain(..)).for_each(drop),
        _ => {}
    });
    assert!(!found.verified && 0 < found.counts.missing_inputs, "{found:?}");
}

#[test]
fn a_doubled_tick_is_seen() {
    let found = shown_by(&mut |tick, way| {
        if tick == 70 {
            way.shown.push(way.shown[0].clone());
        }
    });
    assert!(!found.verified && found.counts.out_of_order == 1, "{found:?}");
}

#[test]
fn a_tick_that_is_taken_twice_is_seen() {
    // The server steps twice and says that it was one tick.
    let mut world = Play::full(2, &[]).game.world().clone();
    let mut checker = Checker::new(0);
    let mut show = |world: &World| {
        let mut bytes = Vec::new();
        world.show(&mut bytes);
        checker.shown(world.tick().into(), &bytes).unwrap();
    };
    let mut given = BySeat::<Given>::default();
    let order = crate::world::Order { buttons: crate::input::Buttons::FIRE, ..Default::default() };
    assert!(given[0].push(order));
    for tick in 1..=40 {
        world.step(&given);
        if tick == 35 {
            let right = crate::input::Buttons::RIGHT | crate::input::Buttons::DOWN;
            let mut given = BySeat::<Given>::default();
            given[0].push(crate::world::Order { buttons: right, ..order });
            world.step(&given);
            world.step(&given);
            world.tick -= 2;
        }
        if world.is_checkpoint() {
            world.seal(&BySeat::default());
        }
        show(&world);
    }
    let found = checker.verdict();
    assert!(!found.verified && found.counts.state_differences == 1, "{found:?}");
    assert_eq!(found.counts.checkpoints_verified, 1);
}

#[test]
fn every_flipped_byte_is_seen() {
    let length = Play::new(4, &[]).shown().len();
    for at in 0..length {
        let found = shown_by(&mut |tick, way| {
            if tick == 70 {
                way.shown[0].1[at] ^= 1;
            }
        });
        assert!(!found.verified, "byte {at}: {found:?}");
    }
}

#[test]
fn a_flipped_byte_is_seen_also_after_a_gap() {
    let length = Play::new(4, &[]).shown().len();
    for at in 0..length {
        let found = shown_by(&mut |tick, way| match tick {
            69 => way.shown.clear(),
            70 => way.shown[0].1[at] ^= 16,
            _ => {}
        });
        assert!(!found.verified, "byte {at}: {found:?}");
    }
}

/// What a liar does to a state.
type Forge = fn(&mut World);

/// What is seen of a match in which the state of one tick is shown otherwise than it is, well-formed.
fn forged(after_gap: bool, forge: Forge) -> Verdict {
    shown_by(&mut |tick, way| match tick {
        69 if after_gap => way.shown.clear(),
        70 => {
            let (_, bytes) = &mut way.shown[0];
            let mut world = World::of_shown(bytes).unwrap();
            forge(&mut world);
            bytes.clear();
            world.show(bytes);
        }
        _ => {}
    })
}

#[test]
fn a_forged_state_is_seen() {
    let forges: [(&str, Forge); 11] = [
        ("score", |it| it.players[1].score += 1),
        ("health", |it| it.players[2].health ^= 1),
        ("place", |it| it.players[0].spot.x ^= 1),
        ("readiness", |it| it.players[3].ready_at += 1),
        ("pick-up", |it| it.pick_ups[4].back_at += 100),
        ("random source", |it| assert_ne!(it.random.draw(), 0)),
        ("end", |it| it.ends_at += 1),
        ("limit", |it| it.score_limit = 500),
        ("account", |it| it.accounts[0].digest ^= 1),
        ("account of another", |it| it.accounts[1].applied += 1),
        ("checkpoint", |it| it.checkpoint.hash[7] ^= 1),
    ];
    for (name, forge) in forges {
        for after_gap in [false, true] {
            let found = forged(after_gap, forge);
            assert!(!found.verified && 0 < found.counts.state_differences, "{name} {after_gap} {found:?}");
        }
    }
}

#[test]
fn a_wrong_hash_is_seen() {
    let found = shown_by(&mut |tick, way| {
        let (_, bytes) = &mut way.shown[0];
        let mut world = World::of_shown(bytes).unwrap();
        if 90 <= tick {
            world.checkpoint.hash[0] ^= 128;
        }
        bytes.clear();
        world.show(bytes);
    });
    assert!(!found.verified && 0 < found.counts.hash_differences, "{found:?}");
    assert_eq!(found.counts.state_differences, 0, "nothing else is wrong");
}

#[test]
fn what_means_nothing_is_seen() {
    let found = shown_by(&mut |tick, way| {
        if tick == 70 {
            way.shown[0].1.pop();
        }
    });
    assert!(!found.verified && found.counts.malformed == 1, "{found:?}");
    let found = shown_by(&mut |tick, way| {
        if tick == 70 {
            way.shown[0].0 += 1;
        }
    });
    assert!(!found.verified && found.counts.malformed == 1, "{found:?}");
}

#[test]
fn who_comes_and_goes_is_no_difference() {
    let mut play = Play::new(4, &[]);
    play.join(0);
    let mut checker = Checker::new(0);
    let mut random = StdRng::seed_from_u64(8);
    for tick in 1..=300_u32 {
        match tick {
            20 | 70 => play.join(2),
            45 | 100 => assert_eq!(play.game.leave(Seat(2)), gamekeeper_room::Afterwards::Kept),
            // This player itself, by another connection.
            149 => assert_eq!(play.game.leave(Seat(0)), gamekeeper_room::Afterwards::Kept),
            150 => {
                play.join(0);
                checker.joined(0, tick.into(), 149);
            }
            _ => {}
        }
        for seat in [0, 2] {
            let input = anything(&mut random);
            play.send(seat, &input.to_bytes());
            if seat == 0 {
                checker.sent(input);
            }
        }
        play.tick();
        checker.shown(tick.into(), &play.shown()).unwrap();
    }
    let found = checker.verdict();
    assert!(found.verified && found.counts.checkpoints_verified == 10, "{found:?}");
    assert_eq!(checker.in_flight(), 0);
}

#[test]
fn a_player_can_tell_how_much_is_in_flight() {
    let mut play = Play::full(2, &[]);
    let mut checker = Checker::new(1);
    for number in 0..65 {
        let input = Input { number, ..Input::default() };
        checker.sent(input);
        if 5 <= number {
            play.send(1, &Input { number: number - 5, ..Input::default() }.to_bytes());
        }
        play.tick();
        checker.shown(play.tick, &play.shown()).unwrap();
    }
    assert_eq!(checker.in_flight(), 5);
    assert!(checker.verdict().verified);
}
