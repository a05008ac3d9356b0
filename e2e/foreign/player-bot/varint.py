"""Numbers, texts and bytes as docs/player-protocol.md writes them ("How bytes are written")."""

NUMBER_MAX = 2**62 - 1


class Malformed(Exception):
    """The other side sent what must not be."""


def number(value: int) -> bytes:
    """The shortest form."""
    for size, first in ((1, 0x00), (2, 0x40), (4, 0x80), (8, 0xC0)):
        if value < 1 << 8 * size - 2:
            return (value | first << 8 * (size - 1)).to_bytes(size, "big")
    raise ValueError(f"{value} is no number of the protocol")


def counted(value: bytes) -> bytes:
    return number(len(value)) + value


class Reader:
    """What is not read yet."""

    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, count: int) -> bytes:
        if len(self.data) - self.at < count:
            raise Malformed("cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def u8(self) -> int:
        return self.take(1)[0]

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def number(self) -> int:
        first = self.u8()
        size = 1 << (first >> 6)
        return int.from_bytes(bytes([first & 0x3F]) + self.take(size - 1), "big")

    def bytes(self, limit: int, least: int = 0) -> bytes:
        length = self.number()
        if not least <= length <= limit:
            raise Malformed(f"{length} bytes where {least} to {limit} may be")
        return self.take(length)

    def text(self, limit: int, least: int = 0) -> str:
        try:
            return self.bytes(limit, least).decode()
        except UnicodeDecodeError as error:
            raise Malformed("a text is not UTF-8") from error

    def count(self, limit: int) -> int:
        count = self.number()
        if limit < count:
            raise Malformed(f"{count} entries where {limit} may be")
        return count
