//! One step: thirty of them are a second.

use super::{BySeat, GIVEN_MAX, Given, HEALTH, HEALTH_MAX, Kind, Order, World};
use crate::{
    angle::ONE_BITS,
    input::Buttons,
    map::{Map, Spot},
    random::Random,
};

/// Units per input, along one axis: more than five tiles a second.
const SPEED: i16 = 3;

/// The same on both axes at once: about as fast as on one.
const SPEED_DIAGONAL: i16 = 2;

/// Ticks between two shots.
pub(super) const COOLDOWN: u32 = 10;

/// Half the width of a player, in units, where shots are concerned.
const BODY: i32 = 7;

/// What a shot takes of the health: four of them are enough.
const DAMAGE: u8 = 25;

/// How long one is out.
const OUT_TICKS: u32 = 60;

/// How long a pick-up is gone.
const GONE_TICKS: u32 = 150;

/// For having put somebody out.
const SCORE_OUT: u16 = 3;

/// For a star.
const SCORE_STAR: u16 = 1;

/// What a medkit or armour gives.
const HELP: u8 = 50;

/// A random tile on which one can stand.
pub(super) fn drawn(map: Map, random: &mut Random) -> (u8, u8) {
    let (x, y) = map.tile(random.draw());
    // A map has less than 256 tiles on a side.
    (u8::try_from(x).unwrap_or_default(), u8::try_from(y).unwrap_or_default())
}

impl World {
    /// Takes one step: these inputs count, by seat. Those of players who are not there do not.
    pub fn step(&mut self, given: &BySeat<Given>) {
        self.tick = self.tick.saturating_add(1);
        for seat in 0..self.seats {
            let given = given.get(usize::from(seat)).copied().unwrap_or_default();
            let given = if self.is_present(seat) { given } else { Given::default() };
            self.appear(seat);
            if let Some(player) = self.players.get_mut(usize::from(seat)) {
                player.given = given;
            }
        }
        self.bring_pick_ups();
        // Each tick somebody else is first, so that no seat is the better one.
        let first = u8::try_from(self.tick % u32::from(self.seats.max(1))).unwrap_or_default();
        for round in 0..GIVEN_MAX {
            for seat in (first..self.seats).chain(0..first) {
                let given = self.players.get(usize::from(seat)).map(|it| it.given).unwrap_or_default();
                if let Some(order) = given.orders().nth(round.into()) {
                    self.obey(seat, order);
                }
            }
        }
        for seat in (first..self.seats).chain(0..first) {
            self.collect(seat);
        }
    }

    /// Puts the player onto the map, if it is time. Who is not there waits outside.
    fn appear(&mut self, seat: u8) {
        let is_due = self.player(seat).is_some_and(|it| !it.is_alive() && it.ready_at <= self.tick);
        if !is_due || !self.is_present(seat) {
            return;
        }
        let (x, y) = drawn(self.map, &mut self.random);
        if let Some(player) = self.players.get_mut(usize::from(seat)) {
            player.spot = Spot::middle_of(x.into(), y.into());
            player.health = HEALTH;
        }
    }

    fn bring_pick_ups(&mut self) {
        for pick_up in &mut self.pick_ups {
            if pick_up.back_at != 0 && pick_up.back_at <= self.tick {
                pick_up.tile = drawn(self.map, &mut self.random);
                pick_up.back_at = 0;
            }
        }
    }

    /// Also who is out looks around: what is shown of its last input is its aim.
    fn obey(&mut self, seat: u8, order: Order) {
        let (map, tick) = (self.map, self.tick);
        let Some(player) = self.players.get_mut(usize::from(seat)) else { return };
        player.aim = order.aim;
        if !player.is_alive() {
            return;
        }
        let (right, down) = order.buttons.direction();
        let speed = if right != 0 && down != 0 { SPEED_DIAGONAL } else { SPEED };
        // One axis after the other: along a wall, one slides.
        for (right, down) in [(right * speed, 0), (0, down * speed)] {
            let Spot { x, y } = player.spot;
            let to = x.checked_add_signed(right).zip(y.checked_add_signed(down)).map(|(x, y)| Spot { x, y });
            player.spot = to.filter(|it| map.has(*it)).unwrap_or(player.spot);
        }
        if order.buttons.has(Buttons::FIRE) && player.ready_at <= tick {
            player.ready_at = tick.saturating_add(COOLDOWN);
            self.shoot(seat);
        }
    }

    /// A shot hits at once, so that there is nothing that flies and would have to be shown.
    fn shoot(&mut self, seat: u8) {
        let Some(hit) = self.target(seat) else { return };
        let Some(target) = self.players.get_mut(usize::from(hit)) else { return };
        target.health = target.health.saturating_sub(DAMAGE);
        if target.is_alive() {
            return;
        }
        target.ready_at = self.tick.saturating_add(OUT_TICKS);
        if let Some(player) = self.players.get_mut(usize::from(seat)) {
            player.score = player.score.saturating_add(SCORE_OUT);
        }
    }

    /// Who is hit if this player shoots: the nearest one in the line of fire.
    fn target(&self, seat: u8) -> Option<u8> {
        let shooter = self.player(seat)?;
        let (cosine, sine) = shooter.aim.vector();
        let reach = self.map.reach(shooter.spot, shooter.aim);
        let others = self.players().filter(|(it, player)| *it != seat && player.is_alive());
        let hit = others.filter_map(|(other, player)| {
            let (right, down) = shooter.spot.way_to(player.spot);
            let along = (right * cosine + down * sine) >> ONE_BITS;
            let across = (right * sine - down * cosine) >> ONE_BITS;
            // Somebody at the same place is hit too.
            ((0..reach).contains(&along) && across.abs() <= BODY).then_some((along, other))
        });
        hit.min().map(|(_, other)| other)
    }

    fn collect(&mut self, seat: u8) {
        let Some(player) = self.players.get_mut(usize::from(seat)).filter(|it| it.is_alive()) else { return };
        let (x, y) = player.spot.tile();
        for (index, pick_up) in self.pick_ups.iter_mut().enumerate() {
            let is_here = u16::from(pick_up.tile.0) == x && u16::from(pick_up.tile.1) == y;
            if pick_up.back_at != 0 || !is_here {
                continue;
            }
            pick_up.back_at = self.tick.saturating_add(GONE_TICKS);
            let helped = player.health.saturating_add(HELP);
            match Kind::of(index) {
                // One that is as well as can be gets no worse by a medkit.
                Kind::Medkit => player.health = helped.min(HEALTH.max(player.health)),
                Kind::Armour => player.health = helped.min(HEALTH_MAX),
                Kind::Star => player.score = player.score.saturating_add(SCORE_STAR),
            }
        }
    }
}
