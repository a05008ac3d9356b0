//! A player without a person: looks at what is shown, and says what to press next. It means to look alive: it
//! walks around corners, turns its head instead of snapping to its target, misses, flees and dawdles.

mod route;

use crate::{
    angle::Aim,
    input::{Buttons, Input},
    map::{REACH, Spot},
    random::Random,
    world::{HEALTH, Kind, Player, World},
};

use route::Route;

/// How far the head turns in one tick, in parts of 256 of a turn.
const TURN: i8 = 14;

/// Within this, it pulls the trigger.
const STEADY: i8 = 3;

/// From here on it looks for a medkit first.
const HURT: u8 = 50;

/// Nearer than this, in units, it does not go to an enemy.
const APART: i64 = 60;

/// It thinks again after so many ticks at least, and at most as many more: sooner looks nervous.
const THINKS_EVERY: u8 = 10;

/// A bot on one seat.
#[derive(Clone, Debug)]
pub struct Bot {
    seat: u8,
    random: Random,
    number: u8,
    aim: Aim,
    route: Route,
    /// Ticks until it thinks about where to go.
    thinks_in: u8,
    /// To which side it dodges while it shoots: 0 is nowhere.
    dodge: u8,
    /// By how much it misses.
    error: i8,
}

impl Bot {
    /// What it does depends on nothing but this seed and what it is shown.
    pub fn new(seat: u8, seed: u64) -> Self {
        let mut random = Random::new(seed ^ u64::from(seat).wrapping_mul(0x2545_f491_4f6c_dd1d));
        let aim = Aim(random.below(255));
        Self { seat, random, number: 0, aim, route: Route::default(), thinks_in: 0, dodge: 0, error: 0 }
    }

    /// What it does next. The world may be an old one: that of a few ticks ago.
    pub fn next_input(&mut self, world: &World) -> Input {
        let buttons = match world.player(self.seat) {
            Some(me) if me.is_alive() => self.play(world, *me),
            // Out, or not there yet.
            _ => {
                self.thinks_in = 0;
                Buttons::NONE
            }
        };
        self.number = self.number.wrapping_add(1);
        Input { buttons, aim: self.aim, number: self.number }
    }

    fn play(&mut self, world: &World, me: Player) -> Buttons {
        let enemy = self.enemy(world, &me);
        self.thinks_in = self.thinks_in.saturating_sub(1);
        if self.thinks_in == 0 || self.route.is_done(me.spot) {
            self.think(world, &me, enemy);
        }
        let way = self.route.buttons(me.spot);
        let Some(enemy) = enemy else {
            let (right, down) = way.direction();
            if (right, down) != (0, 0) {
                self.turn(Aim::towards(right.into(), down.into()));
            }
            return way;
        };
        let (right, down) = me.spot.way_to(enemy);
        let target = Aim::towards(right, down).turned(self.error);
        self.turn(target);
        let is_steady = self.aim.turn_to(target).unsigned_abs() <= STEADY.unsigned_abs();
        let fire = if is_steady && me.ready_at <= world.tick() + 1 { Buttons::FIRE } else { Buttons::NONE };
        let is_near = me.spot.square_to(enemy) < APART * APART;
        let legs = if is_near && HURT < me.health { self.dodge(right, down) } else { way };
        legs | fire
    }

    /// Where the nearest one is whom it sees.
    fn enemy(&self, world: &World, me: &Player) -> Option<Spot> {
        let limit = i64::from(REACH) * i64::from(REACH);
        let others = world.players().filter(|(seat, it)| *seat != self.seat && it.is_alive());
        let near = others.map(|(_, it)| (me.spot.square_to(it.spot), it.spot)).filter(|it| it.0 < limit);
        near.filter(|(_, spot)| world.map().sees(me.spot, *spot)).min_by_key(|it| it.0).map(|it| it.1)
    }

    /// Decides where to go.
    fn think(&mut self, world: &World, me: &Player, enemy: Option<Spot>) {
        self.thinks_in = THINKS_EVERY + self.random.below(THINKS_EVERY);
        self.dodge = self.random.below(3);
        self.error = self.random.below(9).cast_signed() - 4;
        let nearest = |is_wanted: &dyn Fn(Kind) -> bool| {
            let all = world.pick_ups().filter(|it| is_wanted(it.1));
            all.map(|((x, y), _)| (x, y)).min_by_key(|(x, y)| me.spot.square_to(Spot::middle_of(*x, *y)))
        };
        let help = || nearest(&|it| it != Kind::Star);
        let goal = match enemy {
            _ if me.health <= HURT => help(),
            Some(enemy) => Some(enemy.tile()),
            None if me.health < HEALTH => nearest(&|_| true),
            None => nearest(&|it| it != Kind::Medkit),
        };
        // Now and then it goes somewhere for no reason: it breaks up crowds around the same thing.
        let strays = self.random.below(6) == 0;
        let goal = goal.filter(|_| !strays).unwrap_or_else(|| world.map().tile(self.random.draw()));
        self.route.lead(world.map(), me.spot.tile(), goal);
    }

    /// A head that is nearly there stays as it is: it would only tremble.
    fn turn(&mut self, to: Aim) {
        let turn = self.aim.turn_to(to);
        if STEADY.unsigned_abs() < turn.unsigned_abs() {
            self.aim = self.aim.turned(turn.clamp(-TURN, TURN));
        }
    }

    /// Across the line to the enemy.
    fn dodge(&self, right: i32, down: i32) -> Buttons {
        let is_beside = down.abs() < right.abs();
        match (self.dodge, is_beside) {
            (1, true) => Buttons::UP,
            (2, true) => Buttons::DOWN,
            (1, false) => Buttons::LEFT,
            (2, false) => Buttons::RIGHT,
            _ => Buttons::NONE,
        }
    }
}

#[cfg(test)]
mod tests;
