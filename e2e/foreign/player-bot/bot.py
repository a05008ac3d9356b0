#!/usr/bin/env python3
"""Plays in a room of the arena, and says how it went.

It was written from docs/player-protocol.md and docs/arena.md alone, as a stranger would: it is the proof that the players' protocol is public.
The last line is JSON. Exit status 0: it joined, it moved and, if the match ended, it was scored.
"""

import argparse
import asyncio
import json
import os
import random
import sys
from pathlib import Path

import arena
from frames import Credentials, Place
from play import Play
from session import Session

SECRET_BYTES = 32


def main() -> int:
    arguments = _arguments()
    session = Session(arguments.room, _credentials(arguments), _secret(arguments.secret_file))
    play = Play(
        session,
        Place((arguments.connect,), tuple(arguments.certificate)),
        arena.Player(arguments.seed),
        arguments.break_after,
    )
    why = asyncio.run(play.run(arguments.seconds))
    report = _report(play, why)
    print(json.dumps(report), flush=True)
    is_scored = report["result"] is None or report["scored"]
    return 0 if report["joined"] and report["moved"] and is_scored and report["wrong"] is None else 1


def _report(play: Play, why: str) -> dict:
    session, seen = play.session, play.seen
    joined, result = session.joined, session.result
    return {
        "joined": joined is not None,
        "player": joined and joined.player,
        "seat": joined and joined.seat,
        "connections": seen.connections,
        "snapshots": seen.snapshots,
        "full_snapshots": session.full_snapshots,
        "dropped_snapshots": session.dropped_snapshots,
        "max_gap_ticks": seen.max_gap_ticks,
        "inputs_sent": session.inputs_sent,
        "inputs_acknowledged": session.inputs_acknowledged,
        "moved": seen.moved,
        "score": seen.score,
        "wrong": seen.wrong,
        "ended": result is not None,
        "result": result,
        "scored": result is not None and joined.player in arena.names(result.get("scores", "")),
        "why": why,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Play in a room of the arena.")
    parser.add_argument("--room", required=True, help="the uid of the room, or its name")
    parser.add_argument("--connect", required=True, type=_endpoint, metavar="HOST:PORT")
    parser.add_argument("--certificate", required=True, action="append", type=_hash, metavar="sha256:HEX", help="may come more than once")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--ticket-file", type=Path, metavar="FILE")
    who.add_argument("--name")
    parser.add_argument("--seconds", type=float, default=60.0, help="leave after so long, if the match is not over before")
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="keep the secret there, to come back after a restart")
    parser.add_argument("--break-after", type=float, metavar="SECONDS", help="lose the connection once, after so many seconds of play")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of how it plays")
    return parser.parse_args()


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _hash(text: str) -> bytes:
    digest = bytes.fromhex(text.removeprefix("sha256:"))
    if len(digest) != 32:
        raise ValueError("not a SHA-256")
    return digest


def _credentials(arguments: argparse.Namespace) -> Credentials:
    if arguments.ticket_file is not None:
        return Credentials(arguments.ticket_file.read_text().strip(), is_ticket=True)
    return Credentials(arguments.name, is_ticket=False)


def _secret(file: Path | None) -> bytes:
    """A new one, or the one that is kept there. Nobody else may read it."""
    if file is not None and file.exists():
        return file.read_bytes()
    secret = os.urandom(SECRET_BYTES)
    if file is not None:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(secret)
    return secret


if __name__ == "__main__":
    sys.exit(main())
