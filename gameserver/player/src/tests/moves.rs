//! A room goes to another server, planned or not.

use std::time::Duration;

use super::{
    link::{ROOM, World, endpoint},
    play::{SECOND, bad_weather, check_inputs, joins},
};
use crate::{
    frame::Redirect,
    session::client::{Happening, State},
};

fn redirect(epoch: u64, deadline: Duration) -> Redirect {
    Redirect { room: ROOM.into(), epoch, place: endpoint(1), deadline }
}

/// The longest time between two snapshots that were shown, in ticks.
fn longest_gap(world: &World) -> u64 {
    world.shown.windows(2).map(|it| it[1].saturating_sub(it[0])).max().unwrap_or_default()
}

#[test]
fn a_move_is_followed_and_no_input_is_lost() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut world = World::new(seed, 2, bad_weather());
        world.run(2 * SECOND);
        world.at_owner(|it, now| it.redirect(redirect(6, SECOND), now).unwrap());
        world.run(SECOND / 2);
        assert_eq!((world.client.state(), joins(&world)), (State::Playing, 1));
        world.move_to(1);
        world.run(2 * SECOND);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!(joins(&world), 2);
        assert!(!world.happened.contains(&Happening::Lost));
        check_inputs(&world);
        println!("gap {}", longest_gap(&world));
        assert!(world.shown.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn a_move_that_does_not_happen_disturbs_nobody() {
    let mut world = World::new(1, 2, bad_weather());
    world.run(2 * SECOND);
    world.at_owner(|it, now| it.redirect(redirect(6, SECOND), now).unwrap());
    world.run(3 * SECOND);
    world.has_hands = false;
    world.run(SECOND);
    assert_eq!((world.client.state(), joins(&world)), (State::Playing, 1));
    assert!(!world.happened.contains(&Happening::Lost));
    check_inputs(&world);
    assert!(longest_gap(&world) < 8, "{}", longest_gap(&world));
}

#[test]
fn a_server_that_is_lost_in_the_middle_of_a_move_is_followed_too() {
    for seed in 0..10 {
        println!("seed {seed}");
        let mut world = World::new(seed, 2, bad_weather());
        world.run(2 * SECOND);
        world.at_owner(|it, now| it.redirect(redirect(6, SECOND), now).unwrap());
        world.run(SECOND / 4);
        world.servers[0].is_up = false;
        world.move_to(1);
        world.cut();
        world.run(2 * SECOND);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!(joins(&world), 2);
        check_inputs(&world);
    }
}

#[test]
fn a_recovered_room_is_found_at_the_fallback() {
    for seed in 0..10 {
        println!("seed {seed}");
        let mut world = World::new(seed, 2, bad_weather());
        world.run(2 * SECOND);
        world.at_owner(|it, now| it.fallbacks(endpoint(1), now).unwrap());
        world.run(SECOND);
        // Three ticks are played again, and the new server knows as much as the checkpoint says.
        world.servers[0].is_up = false;
        world.run(SECOND / 10);
        world.tick -= 3;
        world.move_to(1);
        world.cut();
        world.run(3 * SECOND);
        assert_eq!((world.client.state(), joins(&world)), (State::Playing, 2));
        assert!(world.played.is_sorted_by(|a, b| a < b));
        assert_eq!(world.servers[1].guests.iter().count(), 1);
    }
}
