"""The unreliable lane: what one datagram means."""

from dataclasses import dataclass

from varint import Malformed, Reader, counted, number

INPUT_BYTES_MAX = 1_024
INPUTS_MAX = 60
PARTS_MAX = 32
DISTANCE_MAX = 16_383


@dataclass(frozen=True)
class Snapshot:
    """One of them, or a part of one."""

    tick: int
    distance: int
    input_ack: int
    body: bytes
    index: int = 0
    count: int = 1

    @property
    def baseline(self) -> int:
        """The tick whose snapshot this one is built on. 0: none, it is a full one."""
        return self.tick - self.distance if self.distance else 0


def inputs(ack: int, first: int, some: list[bytes]) -> bytes:
    """An `Input`."""
    return b"\x21" + number(ack) + number(first) + number(len(some)) + b"".join(map(counted, some))


def inputs_that_fit(ack: int, first: int, some: list[bytes], room: int) -> bytes:
    """An `Input` of at most `room` bytes: without the oldest ones if they are too many."""
    skipped = max(0, len(some) - INPUTS_MAX)
    while True:
        datagram = inputs(ack, first + skipped, some[skipped:])
        if len(datagram) <= room or skipped == len(some):
            return datagram
        skipped += 1


def parse(datagram: bytes) -> Snapshot | None:
    """None: of a type that we do not know."""
    reader = Reader(datagram)
    kind = reader.u8()
    if kind not in (0x31, 0x32):
        return None
    tick, distance, input_ack = reader.number(), reader.number(), reader.number()
    index, count = (reader.u8(), reader.u8()) if kind == 0x32 else (0, 1)
    if tick == 0 or DISTANCE_MAX < distance or tick <= distance:
        raise Malformed(f"a snapshot of tick {tick}, from one {distance} before")
    if not index < count <= PARTS_MAX:
        raise Malformed(f"part {index} of {count}")
    return Snapshot(tick, distance, input_ack, reader.rest(), index, count)
