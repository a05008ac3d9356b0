"""The bot against servers that do as a test says: whom it trusts, where it goes, when it stops. Needs aioquic."""

import asyncio
import datetime
import hashlib
import unittest

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

import arena
import frames
import link
from examples import SECRET, snapshot_of_arena
from frames import Credentials, Place
from play import Play
from session import Session
from varint import counted, number

ENDED = frames.frame(0x16, b"\1" + counted(b"scores") + counted(b"ann 0"))


def place(*servers: "Server") -> bytes:
    endpoints = number(len(servers)) + b"".join(counted(b"127.0.0.1") + number(it.port) for it in servers)
    return endpoints + number(len(servers)) + b"".join(it.hash for it in servers)


def joined(epoch: int = 1, fallbacks: bytes = b"\0\0") -> bytes:
    fields = number(1) + number(0) + number(0) + counted(b"ann") + epoch.to_bytes(8, "big") + number(1) + number(30) + number(0)
    return frames.frame(0x11, fields + fallbacks)


def redirect(to: "Server", epoch: int = 2, deadline_ms: int = 2000) -> bytes:
    return frames.frame(0x13, counted(b"u-moved") + epoch.to_bytes(8, "big") + place(to) + number(deadline_ms))


def refused(why: int) -> bytes:
    return frames.frame(0x12, number(why) + counted(b"no"))


def snapshot(tick: int) -> bytes:
    """Of a world in which seat 0 walks."""
    shown = bytearray(snapshot_of_arena())
    shown[83 + 21 * 2] = tick % 256
    shown[-16:-12] = tick.to_bytes(4, "little")
    shown[-18:-16] = arena.check(bytes(shown))
    return b"\x31" + number(tick) + b"\0\0" + number(len(shown)) + b"\0" + counted(bytes(shown))


class Server:
    """Answers each `Join` with what the test put into `answers`."""

    def __init__(self):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gamekeeper")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
        certificate = certificate.sign(key, hashes.SHA256())
        self.hash = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
        self.configuration = QuicConfiguration(
            is_client=False, alpn_protocols=[link.ALPN], max_datagram_frame_size=65_535,
            certificate=certificate, private_key=key,
        )
        self.answers: list[bytes] = []
        self.joins: list[bytes] = []
        self.codes: list[int] = []
        self.players: list[Player] = []
        self.on_inputs = lambda player: None

    async def start(self) -> "Server":
        self._server = await serve("127.0.0.1", 0, configuration=self.configuration, create_protocol=lambda *it, **more: Player(self, *it, **more))
        self.port = self._server._transport.get_extra_info("sockname")[1]
        return self

    def stop(self) -> None:
        """Without a word."""
        self._server._transport.abort()


class Player(QuicConnectionProtocol):
    def __init__(self, server: Server, *arguments, **more):
        super().__init__(*arguments, **more)
        self._server = server
        self._tick = 1

    def send(self, frame: bytes) -> None:
        self._quic.send_stream_data(0, frame)
        self.transmit()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        match event:
            case events.StreamDataReceived() if event.data[1] == 0x01:
                self._server.joins.append(event.data)
                self._server.players.append(self)
                if self._server.answers:
                    self.send(self._server.answers.pop(0))
                    self._show()
            case events.DatagramFrameReceived():
                self._server.on_inputs(self)
            case events.ConnectionTerminated():
                self._server.codes.append(event.error_code)

    def _show(self) -> None:
        self._tick += 1
        self._quic.send_datagram_frame(snapshot(self._tick))
        self.transmit()
        self._loop.call_later(0.02, self._show)


class ABot(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.first = await Server().start()
        self.second = await Server().start()

    async def asyncTearDown(self):
        self.first.stop()
        self.second.stop()

    def bot(self, hash: bytes | None = None) -> Play:
        session = Session("u-1", Credentials("ann", False), SECRET)
        home = Place((("127.0.0.1", self.first.port),), (hash or self.first.hash,))
        return Play(session, home, arena.Player(1), None)

    async def test_it_plays_until_the_match_is_over(self):
        self.first.answers = [joined()]
        self.first.on_inputs = after(5, lambda player: player.send(ENDED))
        bot = self.bot()
        self.assertEqual(await bot.run(5), "the match is over")
        self.assertEqual(bot.session.result, {"scores": "ann 0"})
        self.assertTrue(bot.seen.moved)
        self.assertLessEqual(5, bot.session.inputs_sent)

    async def test_it_says_nothing_to_whom_it_does_not_know(self):
        bot = self.bot(hash=self.second.hash)
        with self.assertRaises(link.NotConnected):
            place = Place((("127.0.0.1", self.first.port),), (self.second.hash,))
            await link.connect(place.endpoints[0], place.hashes, bot._hear, 2)
        await asyncio.sleep(0.2)
        self.assertEqual(self.first.joins, [])

    async def test_a_refusal_is_final_or_it_is_not(self):
        self.first.answers = [refused(10), refused(1), refused(7)]
        self.assertEqual(await self.bot().run(5), "refused: 7 no")
        self.assertEqual(len(self.first.joins), 3)

    async def test_it_follows_a_move_and_leaves_the_old_server_last(self):
        self.first.answers, self.second.answers = [joined()], [joined(epoch=2)]
        self.first.on_inputs = after(3, lambda player: player.send(redirect(self.second)))
        self.second.on_inputs = after(3, lambda player: player.send(ENDED))
        bot = self.bot()
        self.assertEqual(await bot.run(5), "the match is over")
        self.assertEqual(bot.seen.connections, 2)
        self.assertIn(b"u-moved", self.second.joins[0])
        self.assertIn(SECRET, self.second.joins[0])
        await asyncio.sleep(0.5)
        self.assertEqual(self.first.codes, [link.OVER])

    async def test_it_stays_if_the_move_comes_to_nothing(self):
        self.first.answers = [joined()]
        self.first.on_inputs = after(3, lambda player: player.send(redirect(self.second, deadline_ms=300)))
        bot = self.bot()
        self.assertEqual(await bot.run(1.5), "left")
        self.assertEqual((bot.seen.connections, len(self.second.joins)), (1, 1))
        self.assertLess(20, bot.session.inputs_sent)

    async def test_it_comes_back_by_a_fallback_when_the_server_is_gone(self):
        self.first.answers, self.second.answers = [joined(fallbacks=place(self.second))], [joined(epoch=2)]
        self.first.on_inputs = after(3, lambda _: self.first.stop())
        self.second.on_inputs = after(3, lambda player: player.send(ENDED))
        bot = self.bot()
        self.assertEqual(await bot.run(15), "the match is over")
        self.assertEqual(self.first.joins[0][:-1], self.second.joins[0][:-1])

    async def test_a_server_that_has_lost_the_room_is_left(self):
        self.first.answers = [joined(epoch=5, fallbacks=place(self.second)), joined(epoch=4), joined(epoch=4)]
        self.second.answers = [joined(epoch=5)]
        self.first.on_inputs = after(3, lambda player: player.close(link.STOPPED))
        self.second.on_inputs = after(3, lambda player: player.send(ENDED))
        self.assertEqual(await self.bot().run(5), "the match is over")
        self.assertEqual((len(self.first.joins), len(self.second.joins)), (3, 1))


def after(count: int, do):
    """Does it once, when so many datagrams have come."""
    def on_inputs(player: Player) -> None:
        nonlocal count
        count -= 1
        if count == 0:
            do(player)
    return on_inputs


if __name__ == "__main__":
    unittest.main()
