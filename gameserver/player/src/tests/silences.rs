//! Servers that fall silent, for a moment or for ever, and what their players do.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    link::{Weather, World, endpoint, endpoints},
    play::{SECOND, check_inputs, joins},
};
use crate::{
    frame::RefusedWhy,
    limits,
    session::client::{Happening, State},
};

const MS: Duration = Duration::from_millis(1);

/// As in one data centre.
fn fair_weather() -> Weather {
    Weather { loss: 0.0, doubled: 0.0, delay_ms: 1..3 }
}

fn losses(world: &World) -> usize {
    world.happened.iter().filter(|it| **it == Happening::Lost).count()
}

fn attempts(world: &World) -> usize {
    world.happened.iter().filter(|it| matches!(it, Happening::Connect { .. })).count()
}

fn playing(seed: u64, servers: usize) -> World {
    let mut world = World::new(seed, servers, fair_weather());
    world.run(2 * SECOND);
    world.at_owner(|it, now| it.fallbacks(endpoint(1), now).unwrap());
    world.run(SECOND);
    assert_eq!((world.client.state(), attempts(&world)), (State::Playing, 1));
    world
}

/// How long until that has happened so often.
fn until(world: &mut World, count: usize, counted: impl Fn(&World) -> usize) -> Duration {
    let since = world.now;
    while counted(world) < count {
        world.run(MS);
        assert!(world.now < since + 20 * SECOND, "it never happens: {:?}", world.happened);
    }
    world.now.saturating_sub(since)
}

#[test]
fn a_dead_server_is_suspected_within_300_ms_and_the_fallback_tried_at_once() {
    for seed in 0..10 {
        let mut world = playing(seed, 2);
        world.servers[0].is_up = false;
        world.move_to(1);
        let suspected = until(&mut world, 2, attempts);
        assert!((200 * MS..300 * MS).contains(&suspected), "seed {seed}: {suspected:?}");
        assert_eq!(losses(&world), 0, "nothing is lost for certain");
        let back = suspected + until(&mut world, 2, joins);
        assert!(back < 350 * MS, "seed {seed}: {back:?}");
        world.run(SECOND);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!((losses(&world), joins(&world), world.connections()), (1, 2, 1));
        check_inputs(&world);
    }
}

#[test]
fn a_server_that_stands_still_for_a_moment_costs_nothing() {
    for (pause, attempted) in [(150 * MS, 0), (400 * MS, 2), (2 * SECOND, 2)] {
        let mut world = playing(1, 2);
        world.servers[0].is_paused = true;
        world.run(pause);
        world.servers[0].is_paused = false;
        world.run(SECOND);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!((losses(&world), joins(&world), world.connections()), (0, 1, 1), "{pause:?}");
        assert!(
            (attempted..=attempted + 8).contains(&(attempts(&world) - 1)),
            "{pause:?}: {}",
            attempts(&world)
        );
        // Those of more than a second are more than anybody keeps.
        if pause < SECOND {
            check_inputs(&world);
        }
    }
}

#[test]
fn a_dead_path_to_a_live_server_is_left_long_before_quic_gives_it_up() {
    for seed in 0..10 {
        let mut world = playing(seed, 2);
        world.silence();
        let back = until(&mut world, 2, joins);
        assert!(back < 450 * MS, "seed {seed}: {back:?}");
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!((losses(&world), world.connections()), (1, 1));
        check_inputs(&world);
    }
}

#[test]
fn a_server_that_stands_still_again_and_again_is_asked_ever_more_rarely() {
    let mut world = playing(1, 2);
    let mut asked = Vec::new();
    for _ in 0..6 {
        let before = attempts(&world);
        world.servers[0].is_paused = true;
        world.run(400 * MS);
        world.servers[0].is_paused = false;
        world.run(SECOND);
        asked.push(attempts(&world) - before);
    }
    assert!(2 <= asked[0] && asked[1..] == [0; 5], "two places, once: {asked:?}");
    world.run(limits::CALM_AFTER);
    let before = attempts(&world);
    world.servers[0].is_paused = true;
    world.run(400 * MS);
    assert!(before + 2 <= attempts(&world), "what was long ago is forgotten");
}

#[test]
fn who_stood_still_itself_suspects_nobody() {
    let mut world = playing(1, 2);
    // Time passes, and nobody looks.
    world.now += 2 * SECOND;
    world.client.on_timeout(world.now);
    world.run(SECOND);
    assert_eq!((attempts(&world), losses(&world)), (1, 0));
}

#[test]
fn a_long_path_may_be_silent_for_longer() {
    let mut world = playing(1, 2);
    let link = world.client.main().unwrap();
    let since = world.now;
    world.client.heard(link, SECOND / 5, since);
    world.servers[0].is_up = false;
    let suspected = until(&mut world, 2, attempts);
    let expected = limits::KEEP_ALIVE + 2 * limits::ACKNOWLEDGED_AFTER + 3 * SECOND / 5;
    assert!((expected..expected + 50 * MS).contains(&suspected), "{suspected:?}");
}

/// Dead for so long, and then the room is somewhere else.
fn recovered_after(seed: u64, outage: Duration, elsewhere: &[usize], next: usize) -> World {
    let mut world = playing(seed, 4);
    world.holds = true;
    world.at_owner(|it, now| it.fallbacks(endpoints(elsewhere), now).unwrap());
    world.run(SECOND);
    world.servers[0].is_up = false;
    world.servers[next].epoch = 20;
    world.run(outage);
    world.move_to(next);
    world
}

#[test]
fn p3_who_waits_at_the_next_owner_is_in_the_moment_the_room_is() {
    for (seed, outage) in (0..12).zip([500, 1_000, 2_000, 3_900].into_iter().cycle()) {
        let mut world = recovered_after(seed, outage * MS, &[1, 2], 2);
        let back = until(&mut world, 2, joins);
        assert!(back < 100 * MS, "seed {seed}: after {outage} ms it took {back:?}");
        world.run(SECOND);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!(
            (joins(&world), losses(&world), world.connections()),
            (2, 1, 1),
            "by one of two addresses"
        );
        assert_eq!(world.told, (1..=world.said).collect::<Vec<_>>(), "every message arrives once");
    }
}

#[test]
fn p3_a_server_that_says_no_for_good_does_not_end_the_search_at_others() {
    for seed in 0..5 {
        // Somebody else has the name at server 1, and there are no seats at server 2.
        let mut world = playing(seed, 4);
        world.at_owner(|it, now| it.fallbacks(endpoints(&[1, 2, 3]), now).unwrap());
        world.run(SECOND);
        world.refuses.extend([(1, RefusedWhy::NameTaken), (2, RefusedWhy::Full)]);
        world.servers[0].is_up = false;
        world.servers[3].epoch = 20;
        world.run(3 * SECOND);
        assert_ne!(world.client.state(), State::Over, "seed {seed}: {:?}", world.happened);
        world.move_to(3);
        let back = until(&mut world, 2, joins);
        assert!(back < SECOND, "seed {seed}: {back:?}");
    }
}

#[test]
fn p3_who_finds_nothing_is_told_what_the_last_server_said() {
    let mut world = playing(1, 2);
    world.refuses.extend([(0, RefusedWhy::NameTaken), (1, RefusedWhy::NotAdmitted)]);
    world.cut();
    world.run(SECOND);
    let refused = world.happened.iter().filter(|it| matches!(it, Happening::Refused(_))).count();
    assert_eq!((world.client.state(), refused), (State::Over, 1), "{:?}", world.happened);
}

#[test]
fn two_programs_with_one_secret_do_not_throw_each_other_out_for_ever() {
    let mut world = playing(1, 2);
    let link = world.client.main().unwrap();
    world.client.replaced(link, world.now);
    world.run(SECOND);
    assert_eq!(world.client.state(), State::Over);
    assert_eq!(world.happened.last(), Some(&Happening::Replaced));
    assert_eq!(attempts(&world), 1);
}

/// What befell a world.
#[derive(Debug, Default)]
struct Seen {
    false_alarms: usize,
    paths: usize,
    recoveries: usize,
    cuts: usize,
    slowest: Duration,
}

/// One random thing happens to it, and passes.
fn befall(world: &mut World, rng: &mut StdRng, seen: &mut Seen) {
    let (tried, joined, owner) = (attempts(world), joins(world), world.owner);
    let pause = MS * rng.random_range(50..600);
    match rng.random_range(0..5) {
        0 => {
            world.servers[owner].is_paused = true;
            world.run(pause);
            world.servers[owner].is_paused = false;
        }
        1 => {
            world.silence();
            world.run(pause);
            world.speak();
        }
        2 => {
            world.silence();
            seen.paths += 1;
            seen.slowest = seen.slowest.max(until(world, joined + 1, joins));
        }
        3 => {
            world.cut();
            seen.cuts += 1;
        }
        _ => {
            // A crash, and the room is recovered a moment later with what the players know of nothing lost.
            let next = (owner + 1) % world.servers.len();
            world.at_owner(|it, now| it.fallbacks(endpoints(&[next]), now).unwrap());
            world.run(SECOND / 2);
            let joined = joins(world);
            world.servers[owner].is_up = false;
            world.servers[next].epoch = world.servers.iter().map(|it| it.epoch).max().unwrap() + 1;
            world.run(pause);
            world.move_to(next);
            seen.recoveries += 1;
            seen.slowest = seen.slowest.max(until(world, joined + 1, joins));
            world.restart(owner);
        }
    }
    world.run(SECOND / 2);
    seen.false_alarms += usize::from(tried < attempts(world) && joined == joins(world));
    assert!(attempts(world) - tried < 20, "it asks too often: {}", attempts(world) - tried);
}

#[test]
fn whatever_befalls_it_a_player_is_in_the_room_in_the_end_and_every_input_counts_once() {
    let mut seen = Seen::default();
    for seed in 0..60 {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let loss = if rng.random_bool(0.5) { 0.05 } else { 0.0 };
        let mut world = World::new(seed, 3, Weather { loss, doubled: 0.02, delay_ms: 2..15 });
        world.holds = rng.random_bool(0.5);
        world.run(2 * SECOND);
        for _ in 0..6 {
            befall(&mut world, &mut rng, &mut seen);
        }
        // By then who was made to wait elsewhere, for nothing, has gone.
        world.run(limits::ANSWER_WITHIN);
        world.has_hands = false;
        world.run(SECOND);
        assert_eq!((world.client.state(), world.connections()), (State::Playing, 1), "{:?}", world.happened);
        assert_eq!(joins(&world), losses(&world) + 1, "who is lost comes back");
        assert!(world.played.is_sorted_by(|a, b| a < b), "no input is played twice");
        assert_eq!(world.told, (1..=world.said).collect::<Vec<_>>(), "every message arrives once");
    }
    println!("{seen:?}");
    assert!(0 < seen.false_alarms && 0 < seen.paths && 0 < seen.recoveries && 0 < seen.cuts, "{seen:?}");
    assert!(seen.slowest < 3 * SECOND, "{seen:?}");
}
