use super::*;
use crate::{angle::Aim, input::Buttons, map::Spot, tests::setup};

/// A match on the plain between two players, who stand here.
fn duel(one: (u16, u16), other: (u16, u16)) -> World {
    let mut world = World::new(&Settings::of(&setup(2, &[])).unwrap());
    world.join(0);
    world.join(1);
    world.step(&BySeat::default());
    world.pick_ups = [PickUp { tile: (1, 18), back_at: 0 }; PICK_UPS];
    world.players[0].spot = Spot::middle_of(one.0, one.1);
    world.players[1].spot = Spot::middle_of(other.0, other.1);
    world
}

/// Steps in which the first player does this, and the other nothing.
fn steps(world: &mut World, count: u32, buttons: Buttons, aim: u8) {
    let mut given = BySeat::<Given>::default();
    assert!(given[0].push(Order { buttons, aim: Aim(aim) }));
    (0..count).for_each(|_| world.step(&given));
}

#[test]
fn one_walks_and_stops_at_walls() {
    let mut world = duel((2, 2), (50, 18));
    steps(&mut world, 4, Buttons::RIGHT, 0);
    assert_eq!(world.players[0].spot, Spot { x: 40 + 12, y: 40 });
    steps(&mut world, 100, Buttons::UP | Buttons::LEFT, 0);
    assert_eq!(world.players[0].spot, Spot { x: 16, y: 16 }, "in the corner");
}

#[test]
fn four_shots_put_somebody_out_for_two_seconds() {
    let mut world = duel((2, 2), (12, 2));
    steps(&mut world, 30, Buttons::FIRE, 0);
    assert_eq!(world.players[1].health, 25);
    assert_eq!(world.shots().count(), 0, "they fade");
    steps(&mut world, 1, Buttons::FIRE, 0);
    assert_eq!(world.shots().count(), 1);
    assert!(!world.players[1].is_alive());
    assert_eq!((world.players[0].score, world.winner()), (3, Some(0)));
    steps(&mut world, 59, Buttons::NONE, 0);
    assert!(!world.players[1].is_alive());
    steps(&mut world, 1, Buttons::NONE, 0);
    assert_eq!(world.players[1].health, HEALTH);
}

#[test]
fn a_shot_that_meets_a_wall_or_nobody_does_nothing() {
    for (one, other, aim) in
        [((2, 2), (30, 2), 0), ((2, 2), (8, 2), 8), ((9, 4), (15, 4), 0), ((8, 2), (2, 2), 0)]
    {
        let mut world = duel(one, other);
        steps(&mut world, 50, Buttons::FIRE, aim);
        assert_eq!(world.players[1].health, HEALTH, "{one:?} {other:?} {aim}");
    }
}

#[test]
fn what_lies_around_is_picked_up_and_comes_back_elsewhere() {
    let mut world = duel((2, 2), (12, 2));
    world.players[0].health = 30;
    for (index, tile) in [(0, (3, 2)), (1, (4, 2)), (2, (5, 2))] {
        world.pick_ups[index].tile = tile;
    }
    steps(&mut world, 20, Buttons::RIGHT, 0);
    assert_eq!((world.players[0].score, world.players[0].health), (1, 130));
    assert_eq!(world.pick_ups().count(), PICK_UPS - 3);
    steps(&mut world, 160, Buttons::UP, 0);
    assert_eq!(world.pick_ups().count(), PICK_UPS);
    assert!(world.pick_ups.iter().all(|it| world.map.is_open(it.tile.0.into(), it.tile.1.into())));
}

#[test]
fn of_more_than_two_inputs_two_count() {
    let mut given = Given::default();
    let order = |aim| Order { buttons: Buttons::NONE, aim: Aim(aim) };
    let pushed = [1, 2, 3].map(|it| given.push(order(it)));
    assert_eq!(pushed, [true, true, false]);
    assert_eq!(given.orders().collect::<Vec<_>>(), [order(1), order(2)]);
    assert_eq!(Given::default().orders().count(), 0);
}

#[test]
fn an_account_notices_what_is_missing_doubled_or_swapped() {
    let digest = |inputs: &[[u8; 3]]| {
        let mut account = Account::default();
        inputs.iter().for_each(|it| account.apply(*it));
        account.digest
    };
    let all = [[0; 3], [0; 3], [1, 2, 3], [1, 2, 4]];
    assert_ne!(digest(&all), digest(&all[1..]));
    assert_ne!(digest(&all), digest(&[all[0], all[1], all[3], all[2]]));
    assert_ne!(digest(&all), digest(&[all[0], all[1], all[2], all[2], all[3]]));
    assert_ne!(digest(&[]), digest(&[[0; 3]]));
}

#[test]
fn a_seat_that_the_room_does_not_have_is_no_seat() {
    let mut world = World::new(&Settings::of(&setup(2, &[])).unwrap());
    let before = world.clone();
    for seat in [2, 31, 32, 255] {
        world.join(seat);
        world.leave(seat);
        assert!(world.player(seat).is_none());
    }
    assert_eq!(world, before);
    assert_eq!(world.winner(), None);
}
