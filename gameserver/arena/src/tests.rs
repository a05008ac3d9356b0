//! Whole matches: the same for everybody, and small on the wire.

use std::mem::size_of;

use gamekeeper_room::{Epoch, Game, Next, PlayerName, Schema, Seat, Setup, Tick, Turn};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    angle::Aim,
    bot::Bot,
    game::Match,
    input::{Buttons, INPUT_BYTES, Input},
    random::Random,
    settings::Settings,
    world::World,
};

mod deltas;
mod document;

/// Changes with every rule of the game, and with nothing else. A new one means that servers and players of two
/// builds do not agree, and that a match which moves from one to the other goes on by other rules.
const GOLDEN: [u8; 8] = [166, 56, 64, 224, 180, 203, 211, 213];

pub(crate) fn setup(seats: u32, parameters: &[(&str, &str)]) -> Setup {
    Setup {
        namespace: "games".into(),
        name: "duel".into(),
        uid: "5b1e0c9a".into(),
        seats: Some(seats.try_into().unwrap()),
        parameters: parameters.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        tick_rate: 30.try_into().unwrap(),
    }
}

/// A match, and the inputs of the next tick.
pub(crate) struct Play {
    pub(crate) game: Match,
    pub(crate) tick: u64,
    pub(crate) inputs: Vec<(Seat, Vec<u8>)>,
}

impl Play {
    pub(crate) fn new(seats: u32, parameters: &[(&str, &str)]) -> Self {
        let game = Match::new(&Settings::of(&setup(seats, parameters)).unwrap());
        Self { game, tick: 0, inputs: Vec::new() }
    }

    /// With all seats taken.
    pub(crate) fn full(seats: u32, parameters: &[(&str, &str)]) -> Self {
        let mut play = Self::new(seats, parameters);
        (0..seats).for_each(|it| play.join(it));
        play
    }

    pub(crate) fn join(&mut self, seat: u32) {
        self.game.join(Seat(seat), &PlayerName::new(format!("p{seat}")).unwrap());
    }

    pub(crate) fn send(&mut self, seat: u8, bytes: &[u8]) {
        self.inputs.push((Seat(seat.into()), bytes.to_vec()));
    }

    /// Everybody sends something senseless.
    pub(crate) fn send_anything(&mut self, random: &mut StdRng) {
        for seat in 0..self.world().seats() {
            self.send(seat, &anything(random).to_bytes());
        }
    }

    pub(crate) fn tick(&mut self) -> Next {
        self.tick += 1;
        self.inputs.sort_by_key(|it| it.0);
        let next = self.game.tick(&Turn::new(Tick(self.tick), &self.inputs));
        self.inputs.clear();
        next
    }

    pub(crate) fn world(&self) -> &World {
        self.game.world()
    }

    pub(crate) fn shown(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.game.snapshot(None, &mut out);
        out
    }

    pub(crate) fn saved(&self) -> gamekeeper_room::Checkpoint {
        let state = self.game.save().unwrap();
        gamekeeper_room::Checkpoint { schema: Schema(2), tick: Tick(self.tick), epoch: Epoch(1), state }
    }
}

pub(crate) fn anything(random: &mut StdRng) -> Input {
    let buttons = Buttons::new(random.random_range(0..32)).unwrap();
    Input { buttons, aim: Aim(random.random()), number: random.random() }
}

fn bots(seats: u8) -> Vec<Bot> {
    (0..seats).map(|it| Bot::new(it, 7)).collect()
}

/// Not of `rand`, whose numbers may be others in its next version, and not of a bot, which may play better one
/// day. Everybody keeps to a direction for a while, so that it gets somewhere.
fn scripted(seat: u8, tick: u32) -> [u8; INPUT_BYTES] {
    let draw = |it: u32| Random::new((u64::from(seat) << 32) + u64::from(it) + 1).below(255);
    let way = [1, 2, 4, 8, 5, 6, 9, 10][usize::from(draw(tick / 16) % 8)];
    [way | (draw(tick) & Buttons::FIRE.bits()), draw(tick / 4), draw(tick)]
}

#[test]
fn the_same_inputs_give_the_same_state_on_every_build() {
    let mut play = Play::full(16, &[("map", "harbour")]);
    for tick in 0..1000 {
        for seat in 0..16 {
            play.send(seat, &scripted(seat, tick));
        }
        assert_eq!(play.tick(), Next::Tick);
    }
    let scores: u32 = play.world().players().map(|(_, it)| u32::from(it.score)).sum();
    assert!(30 < scores, "only {scores}: this test should see all rules at work");
    assert_eq!(play.world().hash(), GOLDEN);
}

#[test]
fn a_match_of_bots_ends_with_a_winner() {
    for (map, seats) in [("plain", 16_u8), ("harbour", 16), ("plain", 2), ("harbour", 32)] {
        let mut play = Play::full(seats.into(), &[("map", map), ("seconds", "60")]);
        let mut bots = bots(seats);
        let ending = loop {
            for (seat, bot) in (0..).zip(&mut bots) {
                let input = bot.next_input(play.game.world());
                play.send(seat, &input.to_bytes());
            }
            match play.tick() {
                Next::End(ending) => break ending,
                next => assert_eq!(next, Next::Tick),
            }
        };
        let values = ending.values();
        println!("{map}, {seats} bots: {values:?}");
        assert_eq!(values["ticks"], "1800");
        assert!(values["winner"].starts_with('p'));
        assert!(5 < values["score"].parse::<u32>().unwrap(), "they shoot and collect");
        assert_eq!(play.world().checkpoint().tick, 1800, "the last tick is checked too");
    }
}

#[test]
fn a_match_ends_when_somebody_has_the_score() {
    let mut play = Play::full(8, &[("score", "4")]);
    let mut bots = bots(8);
    let ending = loop {
        for (seat, bot) in (0..).zip(&mut bots) {
            let input = bot.next_input(play.game.world());
            play.send(seat, &input.to_bytes());
        }
        if let Next::End(ending) = play.tick() {
            break ending;
        }
    };
    assert!(4 <= ending.values()["score"].parse::<u32>().unwrap());
    assert!(play.tick < 3600);
}

#[test]
fn a_restored_match_goes_on_as_if_nothing_had_been() {
    for seed in 0..20 {
        let mut random = StdRng::seed_from_u64(seed);
        let parameters: &[_] = if seed % 2 == 0 { &[("map", "harbour")] } else { &[("ballast", "2048")] };
        let setup = setup(5, parameters);
        let mut play = Play::full(5, parameters);
        for _ in 0..random.random_range(0..400) {
            play.send_anything(&mut random);
            // More than count at once, so that some wait when it is saved.
            play.send_anything(&mut random);
            play.tick();
        }
        let mut restored = Match::restore(&setup, &play.saved()).unwrap();
        let memory = &mut Vec::new();
        assert_eq!(restored.hash(memory), play.game.hash(memory), "{seed}");
        for tick in 0..200 {
            match random.random_range(0..40) {
                0 => assert_eq!(play.game.leave(Seat(3)), restored.leave(Seat(3))),
                1 => {
                    play.join(3);
                    restored.join(Seat(3), &PlayerName::new("p3").unwrap());
                }
                // Who is there already comes again, as all do after a restore: that changes nothing.
                2 => restored.join(Seat(1), &PlayerName::new("p1").unwrap()),
                _ => play.send_anything(&mut random),
            }
            let inputs = play.inputs.clone();
            assert_eq!(play.tick(), restored.tick(&Turn::new(Tick(play.tick), &inputs)));
            assert_eq!(restored.hash(memory), play.game.hash(memory), "{seed}, {tick} ticks later");
        }
        assert_eq!(restored.save(), play.game.save(), "{seed}");
    }
}

#[test]
fn a_saved_match_is_small() {
    let mut play = Play::full(16, &[]);
    (0..100).for_each(|_| assert_eq!(play.tick(), Next::Tick));
    // 469 bytes of world, 11 for each queue, and names.
    assert_eq!(play.saved().state.len(), 469 + 32 * 11 + 32 + 10 * 2 + 6 * 3 + 8);
    let heavy = Play::full(16, &[("ballast", "65536")]);
    assert_eq!(heavy.saved().state.len(), Play::full(16, &[]).saved().state.len() + 65_536);
}

#[test]
fn nobody_leaves_the_map_or_goes_through_a_wall() {
    for (seed, map) in [(1, "plain"), (2, "harbour"), (3, "harbour")] {
        let mut random = StdRng::seed_from_u64(seed);
        let mut play = Play::full(32, &[("map", map)]);
        let mut before = play.world().clone();
        for _ in 0..1500 {
            play.send_anything(&mut random);
            play.tick();
            let world = play.world();
            for (seat, player) in world.players().filter(|(_, it)| it.is_alive()) {
                assert!(world.map().has(player.spot));
                let was = before.player(seat).filter(|it| it.is_alive());
                assert!(was.is_none_or(|it| it.spot.square_to(player.spot) <= 9), "no faster than a step");
            }
            before = world.clone();
        }
    }
}

#[test]
fn whatever_players_send_the_match_goes_on() {
    let mut random = StdRng::seed_from_u64(4);
    let mut play = Play::full(4, &[]);
    for _ in 0..500 {
        for seat in [0, 1, 2, 3, 4, 99, 255] {
            for _ in 0..random.random_range(0..20) {
                let length = random.random_range(0..2 * INPUT_BYTES);
                let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
                play.send(seat, &bytes);
            }
        }
        let _ = play.game.leave(Seat(random.random_range(0..6)));
        play.join(random.random_range(0..6));
        assert_eq!(play.tick(), Next::Tick);
        assert_eq!(World::of_shown(&play.shown()).as_ref(), Ok(play.world()));
    }
}

#[test]
fn a_room_is_small() {
    println!("a match has {} bytes", size_of::<Match>());
    assert!(size_of::<Match>() <= 8 * 1024);
}
