//! Reads a world that others wrote: a server, a checkpoint, somebody who means harm. What comes out can be
//! stepped without another check.

use std::cell::Cell;

use super::{COUNT_SHIFT, LAYOUT, Malformed, check, code, shown_bytes};
use crate::{
    angle::Aim,
    input::Buttons,
    map::{Map, Spot},
    random::Random,
    settings::{SEATS_MAX, SEATS_MIN},
    world::{Account, BySeat, Checkpoint, GIVEN_MAX, HEALTH_MAX, Order, PICK_UPS, PickUp, Player, World},
};

/// The bytes that are not read yet.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Length(self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Length(self.0.len()))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }
}

pub(super) fn world(bytes: &[u8]) -> Result<World, Malformed> {
    let mut reader = Reader(bytes);
    let [layout, map, seats] = reader.array()?;
    if layout != LAYOUT {
        return Err(Malformed::Layout(layout));
    }
    let map = Map::ALL.into_iter().find(|it| code(*it) == map).ok_or(Malformed::Value("map"))?;
    valid((SEATS_MIN..=SEATS_MAX).contains(&seats), "seats")?;
    if bytes.len() != shown_bytes(seats) {
        return Err(Malformed::Length(bytes.len()));
    }
    let checked = check(bytes, seats);
    let (length, score_limit, ends_at) = (reader.u32()?, reader.u16()?, reader.u32()?);
    let (seated, present) = (reader.u32()?, reader.u32()?);
    // The shift is at most by 32, of twice as many bits.
    valid(u64::from(seated) >> seats == 0 && present & !seated == 0, "seats")?;
    let state = u64::from_le_bytes(reader.array()?);
    valid(state != 0, "random source")?;
    let mut world = World {
        map,
        seats,
        length,
        score_limit,
        tick: 0,
        ends_at,
        seated,
        present,
        random: Random::new(state),
        pick_ups: pick_ups(&mut reader, map)?,
        players: BySeat::default(),
        accounts: BySeat::default(),
        checkpoint: Checkpoint::default(),
    };
    read_accounts(&mut reader, seats, &mut world.accounts)?;
    read_players(&mut reader, seats, &mut world.players)?;
    world.players.iter_mut().try_for_each(|it| complete(it, map))?;
    valid(reader.array()? == checked, "check")?;
    world.tick = reader.u32()?;
    world.checkpoint = Checkpoint { tick: reader.u32()?, hash: reader.array()? };
    Ok(world)
}

fn pick_ups(reader: &mut Reader<'_>, map: Map) -> Result<[PickUp; PICK_UPS], Malformed> {
    let mut pick_ups = [PickUp::default(); PICK_UPS];
    for pick_up in &mut pick_ups {
        *pick_up = PickUp { tile: (reader.u8()?, reader.u8()?), back_at: reader.u32()? };
        valid(map.is_open(pick_up.tile.0.into(), pick_up.tile.1.into()), "pick-ups")?;
    }
    Ok(pick_ups)
}

fn read_accounts(
    reader: &mut Reader<'_>,
    seats: u8,
    accounts: &mut BySeat<Account>,
) -> Result<(), Malformed> {
    let mut plane = |set: &dyn Fn(&mut Account, u8)| read_plane(reader, seats, accounts, set);
    plane(&|it, byte| it.dropped |= u16::from(byte) << 8)?;
    plane(&|it, byte| it.dropped |= u16::from(byte))?;
    for shift in [24, 16, 8, 0] {
        plane(&|it, byte| it.applied |= u32::from(byte) << shift)?;
    }
    for shift in [0, 8] {
        plane(&|it, byte| it.digest |= u16::from(byte) << shift)?;
    }
    Ok(())
}

fn read_players(reader: &mut Reader<'_>, seats: u8, players: &mut BySeat<Player>) -> Result<(), Malformed> {
    // Bits that are no button.
    let strange = Cell::new(0);
    let buttons = |bits: u8| {
        strange.set(strange.get() | bits & !Buttons::ALL);
        Buttons::new(bits & Buttons::ALL).unwrap_or_default()
    };
    let mut plane = |set: &dyn Fn(&mut Player, u8)| read_plane(reader, seats, players, set);
    plane(&|it, byte| it.score |= u16::from(byte) << 8)?;
    plane(&|it, byte| it.score |= u16::from(byte))?;
    for shift in [24, 16, 8] {
        plane(&|it, byte| it.ready_at |= u32::from(byte) << shift)?;
    }
    plane(&|it, byte| it.spot.x |= u16::from(byte) << 8)?;
    plane(&|it, byte| it.spot.y |= u16::from(byte) << 8)?;
    plane(&|it, byte| it.given.first.buttons = buttons(byte))?;
    plane(&|it, byte| it.given.first.aim = Aim(byte))?;
    plane(&|it, byte| it.health = byte)?;
    plane(&|it, byte| it.ready_at |= u32::from(byte))?;
    plane(&|it, byte| {
        it.given.count = byte >> COUNT_SHIFT;
        it.given.last.buttons = buttons(byte & !(3 << COUNT_SHIFT));
    })?;
    plane(&|it, byte| it.aim = Aim(byte))?;
    plane(&|it, byte| it.spot.x |= u16::from(byte))?;
    plane(&|it, byte| it.spot.y |= u16::from(byte))?;
    valid(strange.get() == 0, "buttons")
}

fn read_plane<T>(
    reader: &mut Reader<'_>,
    seats: u8,
    into: &mut BySeat<T>,
    set: &dyn Fn(&mut T, u8),
) -> Result<(), Malformed> {
    let plane = reader.take(seats.into())?;
    into.iter_mut().zip(plane).for_each(|(it, byte)| set(it, *byte));
    Ok(())
}

/// Adds what follows from the rest, and looks for what cannot be.
fn complete(player: &mut Player, map: Map) -> Result<(), Malformed> {
    let given = &mut player.given;
    valid(given.count <= GIVEN_MAX, "inputs")?;
    // Only one way to write what did not happen.
    valid(given.count == GIVEN_MAX || given.first == Order::default(), "inputs")?;
    valid(given.count != 0 || given.last.buttons == Buttons::NONE, "inputs")?;
    if given.count != 0 {
        given.last.aim = player.aim;
    }
    valid(player.health <= HEALTH_MAX, "health")?;
    // Who has never been on the map is in its corner.
    valid(map.has(player.spot) || player.spot == Spot::default() && !player.is_alive(), "place of a player")
}

fn valid(is_valid: bool, what: &'static str) -> Result<(), Malformed> {
    if is_valid { Ok(()) } else { Err(Malformed::Value(what)) }
}
