"""The reliable lane: frames on the stream, in both directions."""

from dataclasses import dataclass
from enum import IntEnum

from varint import Malformed, Reader, counted, number

PROTOCOL = 1
FRAME_MAX = 20_480
ENDPOINTS_MAX = 16
HASHES_MAX = 8
HASH_BYTES = 32
RESULT_ENTRIES_MAX = 64
RESULT_BYTES_MAX = 4_096


class Why(IntEnum):
    NO_SUCH_ROOM = 1
    FULL = 2
    NOT_ADMITTED = 3
    TICKET_EXPIRED = 4
    TICKET_FOR_ANOTHER_ROOM = 5
    TICKET_USED = 6
    NAME_TAKEN = 7
    PROTOCOL_VERSION = 8
    OVER = 9
    BUSY = 10
    MALFORMED = 11


@dataclass(frozen=True)
class Credentials:
    """Either the player's name, or a ticket."""

    text: str
    is_ticket: bool


@dataclass(frozen=True)
class Join:
    room: str
    credentials: Credentials
    secret: bytes
    first_input: int
    is_spectator: bool = False

    def encode(self) -> bytes:
        return frame(
            0x01,
            number(PROTOCOL) + number(PROTOCOL) + number(0)
            + counted(self.room.encode())
            + bytes([self.is_spectator, self.credentials.is_ticket])
            + counted(self.credentials.text.encode())
            + self.secret
            + number(self.first_input),
        )


def message(payload: bytes) -> bytes:
    return frame(0x02, counted(payload))


def leave() -> bytes:
    return frame(0x03, b"")


def frame(kind: int, fields: bytes) -> bytes:
    return counted(bytes([kind]) + fields)


@dataclass(frozen=True)
class Place:
    """Where to connect, and whom to expect there."""

    endpoints: tuple[tuple[str, int], ...] = ()
    hashes: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Joined:
    protocol: int
    features: int
    seat: int
    player: str
    epoch: int
    tick: int
    tick_rate: int
    input_ack: int
    fallbacks: Place


@dataclass(frozen=True)
class Refused:
    why: int
    message: str


@dataclass(frozen=True)
class Redirect:
    room: str
    epoch: int
    place: Place
    deadline_ms: int


@dataclass(frozen=True)
class Fallbacks:
    place: Place


@dataclass(frozen=True)
class Message:
    payload: bytes


@dataclass(frozen=True)
class Ended:
    result: dict[str, str]


def parse(content: bytes):
    """A frame behind its length. None: of a type that we do not know. Bytes behind the last known field are left alone."""
    reader = Reader(content)
    kind = reader.u8()
    if kind == 0x11:
        return Joined(
            protocol=reader.number(),
            features=reader.number(),
            seat=reader.number(),
            player=reader.text(128, least=1),
            epoch=reader.u64(),
            tick=reader.number(),
            tick_rate=reader.number(),
            input_ack=reader.number(),
            fallbacks=_place(reader),
        )
    if kind == 0x12:
        return Refused(reader.number(), reader.text(1_024))
    if kind == 0x13:
        return Redirect(reader.text(253, least=1), reader.u64(), _place(reader), _at_most(60_000, reader.number()))
    if kind == 0x14:
        return Fallbacks(_place(reader))
    if kind == 0x15:
        return Message(reader.bytes(16_384))
    if kind == 0x16:
        return Ended(_result(reader))
    return None


def _place(reader: Reader) -> Place:
    endpoints = []
    for _ in range(reader.count(ENDPOINTS_MAX)):
        endpoints.append((reader.text(253, least=1), _at_most(65_535, reader.number())))
    hashes = [reader.take(HASH_BYTES) for _ in range(reader.count(HASHES_MAX))]
    return Place(tuple(endpoints), tuple(hashes))


def _result(reader: Reader) -> dict[str, str]:
    result = {}
    for _ in range(reader.count(RESULT_ENTRIES_MAX)):
        key = reader.text(RESULT_BYTES_MAX)
        result[key] = reader.text(RESULT_BYTES_MAX)
    _at_most(RESULT_BYTES_MAX, sum(len(key.encode()) + len(value.encode()) for key, value in result.items()))
    return result


def _at_most(limit: int, value: int) -> int:
    if limit < value:
        raise Malformed(f"{value} where at most {limit} may be")
    return value


class Frames:
    """Puts frames together from what the stream brings, however it was cut."""

    def __init__(self):
        self._waiting = b""

    def put(self, data: bytes) -> list:
        self._waiting += data
        found = []
        while (content := self._next()) is not None:
            known = parse(content)
            if known is not None:
                found.append(known)
        return found

    def _next(self) -> bytes | None:
        if not self._waiting or len(self._waiting) < 1 << (self._waiting[0] >> 6):
            return None
        reader = Reader(self._waiting)
        length = reader.number()
        if not 1 <= length <= FRAME_MAX:
            raise Malformed(f"a frame of {length} bytes")
        if len(self._waiting) - reader.at < length:
            return None
        content = reader.take(length)
        self._waiting = reader.rest()
        return content
