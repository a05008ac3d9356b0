"""The game's own bytes, as docs/arena.md says, and somebody who plays it."""

import math
import random
from dataclasses import dataclass

UP, DOWN, LEFT, RIGHT, FIRE = 1, 2, 4, 8, 16
TILE = 16
PICK_UPS = 9
LAYOUT = 1
PLANES_AT = 83
PLANES = 23
SEATS = range(2, 33)


class Wrong(Exception):
    """Bytes that no match shows."""


@dataclass(frozen=True)
class Avatar:
    x: int
    y: int
    health: int
    score: int
    ready_at: int


@dataclass(frozen=True)
class PickUp:
    x: int
    y: int
    is_there: bool


@dataclass(frozen=True)
class World:
    seats: int
    tick: int
    ends_at: int
    seated: int
    present: int
    avatars: tuple[Avatar, ...]
    pick_ups: tuple[PickUp, ...]


def encode(buttons: int, aim: int, count: int) -> bytes:
    """An input."""
    return bytes([buttons, aim % 256, count % 256])


def check(shown: bytes) -> bytes:
    place = PLANES_AT + PLANES * shown[2]
    total = 0
    for part in (shown[:place], shown[place + 2:]):
        for at in range(0, len(part), 8):
            word = int.from_bytes(part[at:at + 8], "little")
            total = (total ^ word) * 0x9E3779B97F4A7C15 % 2**64
            total = (total << 29 | total >> 35) % 2**64
    a, b, c, d = ((total ^ total >> 32) % 2**32).to_bytes(4, "little")
    return bytes([a ^ c, b ^ d])


def read(shown: bytes) -> World:
    if len(shown) < 3 or shown[0] != LAYOUT or shown[2] not in SEATS:
        raise Wrong("another layout")
    seats = shown[2]
    end = PLANES_AT + PLANES * seats
    if len(shown) != end + 18:
        raise Wrong(f"{len(shown)} bytes for {seats} seats")
    if check(shown) != shown[end:end + 2]:
        raise Wrong("the check differs")

    def little(at: int, size: int) -> int:
        return int.from_bytes(shown[at:at + size], "little")

    def of_planes(seat: int, *planes: int) -> int:
        """From the high byte to the low one."""
        return int.from_bytes(bytes(shown[PLANES_AT + plane * seats + seat] for plane in planes), "big")

    return World(
        seats=seats,
        tick=little(end + 2, 4),
        ends_at=little(9, 4),
        seated=little(13, 4),
        present=little(17, 4),
        avatars=tuple(
            Avatar(
                x=of_planes(seat, 13, 21),
                y=of_planes(seat, 14, 22),
                health=of_planes(seat, 17),
                score=of_planes(seat, 8, 9),
                ready_at=of_planes(seat, 10, 11, 12, 18),
            )
            for seat in range(seats)
        ),
        pick_ups=tuple(
            PickUp(
                x=shown[at] * TILE + TILE // 2,
                y=shown[at + 1] * TILE + TILE // 2,
                is_there=little(at + 2, 4) == 0,
            )
            for at in range(29, 29 + 6 * PICK_UPS, 6)
        ),
    )


class Player:
    """Walks to what lies around, sideways when a wall is in the way, and shoots at whoever is nearest."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)
        self._count = 0
        self._aside = 0
        self._buttons = 0
        self._was_at = (0, 0)

    def next_input(self, world: World, seat: int) -> bytes:
        me = world.avatars[seat]
        aim, fire = self._target(world, seat, me)
        self._count += 1
        action = encode(self._way(world, me) | fire, aim, self._count)
        self._was_at = (me.x, me.y)
        return action

    def _target(self, world: World, seat: int, me: Avatar) -> tuple[int, int]:
        others = [it for other, it in enumerate(world.avatars) if other != seat and it.health]
        if not others:
            return self._count, 0
        other = min(others, key=lambda it: _distance(me, it))
        turn = math.atan2(other.y - me.y, other.x - me.x) / math.tau
        return round(turn * 256) % 256, FIRE

    def _way(self, world: World, me: Avatar) -> int:
        if 0 < self._aside:
            self._aside -= 1
            return self._buttons
        there = [it for it in world.pick_ups if it.is_there]
        if self._was_at == (me.x, me.y) or not there:
            self._aside = self._random.randrange(5, 40)
            self._buttons = self._random.choice([UP, DOWN, LEFT, RIGHT, UP | LEFT, UP | RIGHT, DOWN | LEFT, DOWN | RIGHT])
            return self._buttons
        goal = min(there, key=lambda it: _distance(me, it))
        self._buttons = _towards(goal.x - me.x, RIGHT, LEFT) | _towards(goal.y - me.y, DOWN, UP)
        return self._buttons


def _distance(me: Avatar, it: Avatar | PickUp) -> float:
    return math.hypot(it.x - me.x, it.y - me.y)


def _towards(way: int, plus: int, minus: int) -> int:
    return 0 if abs(way) < 4 else plus if 0 < way else minus


def names(scores: str) -> set[str]:
    """Who is in the result. Names with commas in them come out in pieces: for those, look for the whole entry."""
    return {entry.rpartition(" ")[0] for entry in scores.split(", ")}
