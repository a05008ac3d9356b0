//! Servers that are asked for a room which is elsewhere, and say so.

use std::time::Duration;

use super::{
    link::{Weather, World, endpoint},
    play::{SECOND, bad_weather, check_inputs, joins},
};
use crate::session::client::{Happening, State};

const MS: Duration = Duration::from_millis(1);

fn fair_weather() -> Weather {
    Weather { loss: 0.0, doubled: 0.0, delay_ms: 1..3 }
}

fn attempts(world: &World) -> usize {
    world.happened.iter().filter(|it| matches!(it, Happening::Connect { .. })).count()
}

/// Played on the first server; its players were told of the second.
fn playing(seed: u64, weather: Weather) -> World {
    let mut world = World::new(seed, 3, weather);
    world.holds = true;
    world.run(2 * SECOND);
    world.at_owner(|it, now| it.fallbacks(endpoint(1), now).unwrap());
    world.run(SECOND);
    assert_eq!((world.client.state(), joins(&world)), (State::Playing, 1));
    world
}

#[test]
fn p4_a_room_that_goes_where_nobody_was_told_is_found() {
    for (weather, seed) in (0..10).flat_map(|it| [(fair_weather(), it), (bad_weather(), it)]) {
        println!("seed {seed}, {weather:?}");
        let mut world = playing(seed, weather);
        world.servers[0].is_up = false;
        // Or there would be more inputs than are kept: on a bad path it takes a while.
        world.has_hands = false;
        world.run(SECOND / 2);
        assert_eq!(joins(&world), 1, "the player waits where it was told to");
        world.move_to(2);
        world.sent_on_to = Some(2);
        world.run(SECOND);
        assert_eq!(joins(&world), 2);
        world.has_hands = true;
        world.run(SECOND);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!((world.client.state(), world.connections()), (State::Playing, 1));
        check_inputs(&world);
    }
}

#[test]
fn who_is_sent_on_before_the_room_is_there_waits_there() {
    let mut world = playing(1, fair_weather());
    let there = |it: &Happening| matches!(it, Happening::Connect { endpoint, .. } if endpoint.port == 7001);
    let asked = |world: &World| world.happened.iter().filter(|it| there(it)).count();
    world.servers[0].is_up = false;
    world.sent_on_to = Some(2);
    world.run(2 * SECOND);
    assert_eq!((joins(&world), asked(&world)), (1, 1), "where it is not, it is not sought again at once");
    world.move_to(2);
    world.run(100 * MS);
    assert_eq!(joins(&world), 2);
}

#[test]
fn who_was_never_in_is_sent_on_too() {
    let mut world = World::new(1, 2, fair_weather());
    world.holds = true;
    world.move_to(1);
    world.run(SECOND);
    assert_eq!((joins(&world), attempts(&world)), (0, 1));
    world.sent_on_to = Some(1);
    world.run(200 * MS);
    assert_eq!((world.client.state(), joins(&world), attempts(&world)), (State::Playing, 1, 2));
}

#[test]
fn an_owner_that_has_lost_the_room_since_is_no_place_to_go() {
    let mut world = playing(1, fair_weather());
    // Played under the epoch of the third server; the first is said to have it.
    world.move_to(2);
    world.sent_on_to = Some(2);
    world.servers[0].is_up = false;
    world.run(2 * SECOND);
    assert_eq!(joins(&world), 2);
    world.at_owner(|it, now| it.fallbacks(endpoint(1), now).unwrap());
    world.run(SECOND);
    world.restart(0);
    world.servers[2].is_up = false;
    world.sent_on_to = Some(0);
    let before = attempts(&world);
    world.run(4 * SECOND);
    let there =
        world.happened.iter().skip_while(|it| !matches!(it, Happening::Joined(joined) if joined.epoch == 7));
    let is_first =
        |it: &&Happening| matches!(it, Happening::Connect { endpoint, .. } if endpoint.port == 7000);
    assert_eq!(there.filter(is_first).count(), 0);
    assert!(attempts(&world) < before + 4 * 2 * 4, "with pauses: {}", attempts(&world) - before);
}

#[test]
fn servers_that_send_on_to_each_other_are_asked_with_pauses() {
    let mut world = playing(1, fair_weather());
    world.servers[0].is_up = false;
    let before = attempts(&world);
    for turn in 0..40 {
        world.sent_on_to = Some(1 + turn % 2);
        world.run(100 * MS);
    }
    // One in turn at each of the two; and where the room was, with the pauses of one who looks for it.
    let made = attempts(&world) - before;
    assert!(made < 70, "{made} attempts in four seconds");
}
