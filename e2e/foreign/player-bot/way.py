"""Where and when to try next, after a connection was lost ("Coming back")."""

from collections.abc import Iterator
from dataclasses import dataclass

from frames import Place

GIVE_UP_SECONDS = 30.0
JOIN_SECONDS = 8.0
PAUSES = (0.05, 2.0)
PATIENCE = (0.5, 4.0)
AT_HOME_FIRST = 2


@dataclass(frozen=True)
class Attempt:
    endpoint: tuple[str, int]
    hashes: tuple[bytes, ...]
    pause: float
    patience: float


def attempts(home: Place, fallbacks: Place) -> Iterator[Attempt]:
    """Without an end: the caller gives up. First where the room was, then in turns with the fallbacks."""
    number = 0
    while True:
        double = 2**min(number, 10)
        away = number - AT_HOME_FIRST
        if fallbacks.endpoints and 0 <= away and away % 2 == 0:
            place, turn = fallbacks, away // 2
        else:
            place, turn = home, number if away < 0 or not fallbacks.endpoints else AT_HOME_FIRST + away // 2
        yield Attempt(
            endpoint=place.endpoints[turn % len(place.endpoints)],
            hashes=place.hashes,
            pause=min(PAUSES[1], PAUSES[0] * double),
            patience=min(PATIENCE[1], PATIENCE[0] * double),
        )
        number += 1
