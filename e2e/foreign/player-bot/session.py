"""One stay in one room, over however many connections. It knows no socket and no clock: what comes in goes through it, what is due comes out."""

from collections import deque

from datagrams import INPUT_BYTES_MAX, INPUTS_MAX, inputs_that_fit, parse
from delta import Snapshots
from frames import PROTOCOL, Credentials, Ended, Fallbacks, Join, Joined, Place, Redirect
from varint import Malformed

# What fits into a datagram on every path.
DATAGRAM_BYTES = 1_100

# After which inputs that are not acknowledged are sent again, and after which a snapshot is acknowledged.
REPEAT_SECONDS = 0.1
ACKNOWLEDGE_SECONDS = 0.04


class Outdated(Exception):
    """A server that has lost the room, and does not know it."""


class Session:
    def __init__(self, room: str, credentials: Credentials, secret: bytes):
        self.room = room
        self.credentials = credentials
        self.joined: Joined | None = None
        self.fallbacks = Place()
        self.result: dict[str, str] | None = None
        self.tick = 0
        self.inputs_sent = 0
        self.inputs_acknowledged = 0
        self.full_snapshots = 0
        self.dropped_snapshots = 0
        self._secret = secret
        self._highest_epoch = 0
        self._next_input = 1
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._snapshots = Snapshots()
        self._sent_at = 0.0
        self._came_at: float | None = None

    def join(self, room: str | None = None) -> bytes:
        """The frame that every connection begins with."""
        first = self._waiting[0][0] if self._waiting else self._next_input
        return Join(room or self.room, self.credentials, self._secret, first).encode()

    def begin(self, joined: Joined, now: float) -> None:
        """From here on it goes by a new connection."""
        if joined.epoch < self._highest_epoch:
            raise Outdated(f"epoch {joined.epoch}, after {self._highest_epoch}")
        if joined.protocol != PROTOCOL or joined.tick_rate == 0:
            raise Malformed(f"protocol {joined.protocol}, {joined.tick_rate} ticks a second")
        self._highest_epoch = joined.epoch
        self.joined = joined
        self.fallbacks = joined.fallbacks
        # Nothing of an earlier connection can be built on, and the room may be some ticks earlier than it was.
        self._snapshots = Snapshots()
        self.tick = 0
        self._came_at = None
        self._sent_at = now - REPEAT_SECONDS
        self._acknowledged(joined.input_ack)
        # Somebody who was restarted with the secret does not know how far the numbers went.
        self._next_input = max(self._next_input, joined.input_ack + 1)

    def on_frame(self, frame) -> Redirect | None:
        """A move that should be followed, if this is one."""
        match frame:
            case Fallbacks(place):
                self.fallbacks = place
            case Ended(result):
                self.result = result
            case Redirect() if self._highest_epoch < frame.epoch:
                self._highest_epoch = frame.epoch
                return frame
        return None

    def on_datagram(self, datagram: bytes, now: float) -> bytes | None:
        """What is to be shown from now on."""
        part = parse(datagram)
        if part is None:
            return None
        self._acknowledged(part.input_ack)
        before = self._snapshots.dropped
        shown = self._snapshots.put(part)
        self.dropped_snapshots += self._snapshots.dropped - before
        if shown is None:
            return None
        self.tick = part.tick
        self.full_snapshots += part.distance == 0
        self._came_at = now if self._came_at is None else self._came_at
        return shown

    def act(self, action: bytes, now: float) -> bytes:
        """Numbers an input. Returns the datagram that it is sent in for the first time."""
        if INPUT_BYTES_MAX < len(action):
            raise ValueError("an input that is too long")
        self._waiting.append((self._next_input, action))
        self._next_input += 1
        self.inputs_sent += 1
        if INPUTS_MAX < len(self._waiting):
            self._waiting.popleft()
        return self.datagram(now)

    def due_at(self) -> float | None:
        """When a datagram is due, if nobody acts before."""
        due = []
        if self._waiting:
            due.append(self._sent_at + REPEAT_SECONDS)
        if self._came_at is not None:
            due.append(self._came_at + ACKNOWLEDGE_SECONDS)
        return min(due, default=None)

    def datagram(self, now: float) -> bytes:
        """All that is not acknowledged, on either side."""
        self._sent_at = now
        self._came_at = None
        first = self._waiting[0][0] if self._waiting else self._next_input
        return inputs_that_fit(self._snapshots.newest, first, [it for _, it in self._waiting], DATAGRAM_BYTES)

    def _acknowledged(self, number: int) -> None:
        while self._waiting and self._waiting[0][0] <= number:
            self._waiting.popleft()
            self.inputs_acknowledged += 1
