//! Both ends play over a bad network.

use std::time::Duration;

use super::link::{Weather, World};
use crate::session::client::{Happening, State};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn bad_weather() -> Weather {
    Weather { loss: 0.05, doubled: 0.02, delay_ms: 60..100 }
}

/// Every input so far came once and in order.
pub(super) fn check_inputs(world: &World) {
    let expected: Vec<_> = (1..=world.inputs).collect();
    assert_eq!(world.played, expected);
    assert_eq!(world.told, (1..=world.said).collect::<Vec<_>>());
    assert_eq!((world.lost_inputs, world.client.inputs_given_up()), (0, 0));
}

pub(super) fn joins(world: &World) -> usize {
    world.happened.iter().filter(|it| matches!(it, Happening::Joined(_))).count()
}

#[test]
fn every_input_is_played_once_and_every_snapshot_is_shown_as_sent() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut world = World::new(seed, 1, bad_weather());
        world.run(10 * SECOND);
        assert_eq!(world.client.state(), State::Playing);
        // The last ones are repeated until they are there.
        world.has_hands = false;
        world.run(SECOND);
        check_inputs(&world);
        assert!(world.inputs > 500 && world.shown.len() > 250, "{} {}", world.inputs, world.shown.len());
        assert!(world.shown.is_sorted_by(|a, b| a < b));
        assert_eq!(world.client.snapshots().without_baseline, 0);
        let per_tick = world.bytes_down / 330;
        assert!(per_tick < 150, "{per_tick} bytes a tick of a state of 1,500");
    }
}

#[test]
fn half_of_all_datagrams_may_be_lost() {
    for seed in 0..10 {
        println!("seed {seed}");
        let mut world = World::new(seed, 1, Weather { loss: 0.5, doubled: 0.1, delay_ms: 5..200 });
        world.run(10 * SECOND);
        world.has_hands = false;
        world.run(2 * SECOND);
        // Once in 65,000, an input is in none of its datagrams.
        assert!(world.lost_inputs <= 2, "{}", world.lost_inputs);
        assert_eq!(world.played.len() as u64 + world.lost_inputs, world.inputs);
        assert!(world.played.is_sorted_by(|a, b| a < b));
        assert!(world.shown.len() > 50, "{}", world.shown.len());
    }
}

#[test]
fn who_comes_back_goes_on_where_it_was() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut world = World::new(seed, 1, bad_weather());
        for _ in 0..5 {
            world.run(SECOND);
            world.cut();
        }
        world.run(2 * SECOND);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!(joins(&world), 6);
        check_inputs(&world);
        assert!(world.shown.is_sorted_by(|a, b| a < b));
    }
}
