"""Plays one match: connects, comes back, follows moves, and counts what it sees."""

import asyncio
from dataclasses import dataclass

import arena
import frames
import link
from frames import Joined, Place, Redirect, Refused, Why
from link import Link, Lost, NotConnected
from session import Outdated, Session
from varint import Malformed
from way import GIVE_UP_SECONDS, JOIN_SECONDS, Attempt, attempts

# What is worth another attempt. Every other refusal is final.
PASSING = (Why.NO_SUCH_ROOM, Why.BUSY)

# How long `Leave` may take to arrive.
LEAVING_SECONDS = 1.0


class Over(Exception):
    """There is nothing to come back to. Says why."""


@dataclass
class Seen:
    """What the bot reports beside what its session counts."""

    snapshots: int = 0
    max_gap_ticks: int = 0
    connections: int = 0
    moved: bool = False
    score: int = 0
    wrong: str | None = None


class Play:
    def __init__(self, session: Session, home: Place, player: arena.Player, break_after: float | None):
        self.session = session
        self.seen = Seen()
        self._home = home
        self._player = player
        self._break_after = break_after
        self._heard: asyncio.Queue = asyncio.Queue()
        self._link: Link | None = None
        self._move: asyncio.Task | None = None
        self._world: arena.World | None = None
        self._act_at = 0.0

    async def run(self, seconds: float) -> str:
        """Why it ended."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        try:
            await self._come()
            while loop.time() < ends_at:
                await self._once(ends_at)
            return await self._go()
        except Over as over:
            return str(over)
        finally:
            if self._move is not None:
                self._move.cancel()
            if self._link is not None:
                self._link.leave()

    async def _come(self) -> None:
        """Connects and joins, for the first time or again."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + GIVE_UP_SECONDS
        why = "there was no time"
        self._link = None
        for attempt in attempts(self._home, self.session.fallbacks):
            if gives_up_at <= loop.time():
                raise Over(f"gave up: {why}")
            if self.session.joined is not None:
                await asyncio.sleep(attempt.pause)
            try:
                await self._try(attempt, self.session.room)
                return
            except NotConnected as error:
                why = str(error)
            if self.session.joined is None:
                await asyncio.sleep(attempt.pause)

    async def _try(self, attempt: Attempt, room: str) -> None:
        """One connection. If all goes well, it is the one from then on."""
        new = await link.connect(attempt.endpoint, attempt.hashes, self._hear, attempt.patience)
        try:
            self._begin(new, await self._joined(new, room, JOIN_SECONDS))
        except BaseException:
            new.leave()
            raise

    async def _joined(self, new: Link, room: str, patience: float) -> Joined:
        """The answer to `Join`. Whatever else comes meanwhile stays in the queue for the main loop."""
        new.send_frame(self.session.join(room))
        try:
            async with asyncio.timeout(patience):
                answer = await new.answer
        except TimeoutError as error:
            raise NotConnected("no answer to Join") from error
        match answer:
            case Joined():
                return answer
            case Refused(why, message) if why in PASSING:
                raise NotConnected(f"refused: {why} {message}")
            case Refused(why, message):
                raise Over(f"refused: {why} {message}")
            case Lost(code, reason):
                raise NotConnected(f"closed with {code}: {reason}")
            case other:
                raise NotConnected(f"not an answer to Join: {other}")

    def _begin(self, new: Link, joined: Joined) -> None:
        try:
            self.session.begin(joined, asyncio.get_running_loop().time())
        except (Outdated, Malformed) as error:
            raise NotConnected(str(error)) from error
        old, self._link = self._link, new
        if old is not None:
            old.leave()
        self.seen.connections += 1
        # What was seen by another connection may be later than what comes now.
        self._world = None
        self._act_at = 0.0

    def _hear(self, source: Link, item) -> None:
        self._heard.put_nowait((source, item))

    async def _once(self, ends_at: float) -> None:
        """Waits until something comes or is due."""
        loop = asyncio.get_running_loop()
        due = min(it for it in (ends_at, self.session.due_at(), self._act_at) if it is not None)
        try:
            async with asyncio.timeout_at(due):
                source, item = await self._heard.get()
        except TimeoutError:
            self._send(loop.time())
            return
        if source is not self._link:
            return
        match item:
            case bytes():
                self._on_datagram(item, loop.time())
            case Lost():
                await self._on_lost(item)
            case _:
                redirect = self.session.on_frame(item)
                if redirect is not None:
                    self._home = redirect.place
                    self._move = asyncio.create_task(self._follow(redirect))
                if self.session.result is not None:
                    raise Over("the match is over")

    def _send(self, now: float) -> None:
        if self._act_at <= now:
            rate = self.session.joined.tick_rate
            self._act_at = max(self._act_at, now - 1 / rate) + 1 / rate
            if self._world is not None:
                action = self._player.next_input(self._world, self.session.joined.seat)
                self._link.send_datagram(self.session.act(action, now))
        due = self.session.due_at()
        if due is not None and due <= now:
            self._link.send_datagram(self.session.datagram(now))
        if self._break_after is not None and self._break_after <= self.session.inputs_sent / self.session.joined.tick_rate:
            self._break_after = None
            self._link.vanish()

    def _on_datagram(self, datagram: bytes, now: float) -> None:
        try:
            shown = self.session.on_datagram(datagram, now)
            world = None if shown is None else arena.read(shown)
        except (Malformed, arena.Wrong) as error:
            self.seen.wrong = str(error)
            self._link.leave(link.MALFORMED, str(error)[:100])
            raise Over(f"the server is wrong: {error}") from error
        if world is not None:
            self._look(world)

    def _look(self, world: arena.World) -> None:
        before, self._world = self._world, world
        self.seen.snapshots += 1
        me = world.avatars[self.session.joined.seat]
        self.seen.score = me.score
        if world.tick != self.session.tick:
            self.seen.wrong = f"the state of tick {world.tick} in the snapshot of tick {self.session.tick}"
        if before is None:
            return
        self.seen.max_gap_ticks = max(self.seen.max_gap_ticks, world.tick - before.tick - 1)
        was = before.avatars[self.session.joined.seat]
        # Who was out comes back elsewhere without having moved.
        if was.health and me.health and (was.x, was.y) != (me.x, me.y):
            self.seen.moved = True

    async def _on_lost(self, lost: Lost) -> None:
        match lost.code:
            case None | link.STOPPED:
                if self._move is not None:
                    self._move.cancel()
                await self._come()
            case code:
                raise Over(f"closed with {code}: {lost.reason}")

    async def _follow(self, redirect: Redirect) -> None:
        """Goes over to another server, if that one answers in time."""
        try:
            async with asyncio.timeout(redirect.deadline_ms / 1000):
                for attempt in attempts(redirect.place, Place()):
                    try:
                        await self._try(attempt, redirect.room)
                        return
                    except (NotConnected, Over):
                        await asyncio.sleep(attempt.pause)
        except TimeoutError:
            pass

    async def _go(self) -> str:
        """Tells the server that we are gone for good."""
        self._link.send_frame(frames.leave())
        try:
            async with asyncio.timeout(LEAVING_SECONDS):
                while True:
                    source, item = await self._heard.get()
                    if source is self._link and isinstance(item, Lost):
                        return "left"
        except TimeoutError:
            return "left"
