"""Snapshots from differences: what a body means, and the book of those that may be built on."""

from datagrams import Snapshot
from varint import Malformed, Reader

SNAPSHOT_BYTES_MAX = 32_768
KEPT_MAX = 64
INCOMPLETE_MAX = 2


def apply(baseline: bytes, body: bytes) -> bytes:
    """The document's function, for bodies that nobody has checked."""
    reader = Reader(body)
    length = reader.number()
    if SNAPSHOT_BYTES_MAX < length:
        raise Malformed(f"a snapshot of {length} bytes")
    new = bytearray(baseline[:length].ljust(length, b"\0"))
    here = 0
    while reader:
        here += reader.number()
        different = reader.number()
        if length < here + different:
            raise Malformed("a run ends behind the snapshot")
        for byte in reader.take(different):
            new[here] ^= byte
            here += 1
    return bytes(new)


class Snapshots:
    """Those of one connection: a new one begins with nothing."""

    def __init__(self):
        self.newest = 0
        self.dropped = 0
        self._kept: dict[int, bytes] = {}
        self._incomplete: dict[int, dict[int, Snapshot]] = {}

    def put(self, part: Snapshot) -> bytes | None:
        """What is to be shown, if this makes it complete and it is newer than everything before."""
        if part.tick <= self.newest:
            return None
        body = self._whole(part)
        if body is None:
            return None
        if part.distance and part.baseline not in self._kept:
            self.dropped += 1
            return None
        new = apply(self._kept.get(part.baseline, b""), body)
        self._keep(part, new)
        return new

    def _whole(self, part: Snapshot) -> bytes | None:
        if part.count == 1:
            return part.body
        parts = self._incomplete.setdefault(part.tick, {})
        if any((it.distance, it.count) != (part.distance, part.count) for it in parts.values()):
            raise Malformed("parts of one snapshot that do not belong together")
        parts[part.index] = part
        if len(parts) == part.count:
            del self._incomplete[part.tick]
            return b"".join(parts[index].body for index in range(part.count))
        while INCOMPLETE_MAX < len(self._incomplete):
            del self._incomplete[min(self._incomplete)]
        return None

    def _keep(self, part: Snapshot, new: bytes) -> None:
        self.newest = part.tick
        self._kept[part.tick] = new
        # The server goes on from what was acknowledged: it never builds on an older one again.
        for tick in [it for it in self._kept if it < part.baseline]:
            del self._kept[tick]
        while KEPT_MAX < len(self._kept):
            del self._kept[min(self._kept)]
