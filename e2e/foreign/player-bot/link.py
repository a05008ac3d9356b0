"""One QUIC connection to a server that shows a certificate of which the hash is known."""

import asyncio
import hashlib
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography.hazmat.primitives.serialization import Encoding

from frames import Frames
from varint import Malformed

ALPN = "gamekeeper/1"
STREAM = 0
KEEP_ALIVE_SECONDS = 1.0
# After so long a silence the server is lost.
SILENCE_SECONDS = 2.5

OVER, MALFORMED, STOPPED = 0, 1, 5


@dataclass(frozen=True)
class Lost:
    """The connection is over. Without a code of the protocol: nobody said why."""

    code: int | None
    reason: str


class NotConnected(Exception):
    pass


class Link(QuicConnectionProtocol):
    """The first frame is the `answer`. What else comes in is given to `hear`, with the link: frames, datagrams as bytes, and `Lost`, which is the last."""

    def __init__(self, quic: QuicConnection, hashes: tuple[bytes, ...], hear: Callable):
        super().__init__(quic)
        self._hashes = hashes
        self._hear = hear
        self._frames = Frames()
        self._is_over = False
        self._keep_alive_timer: asyncio.TimerHandle | None = None
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.answer: asyncio.Future = self._loop.create_future()

    def send_frame(self, frame: bytes) -> None:
        self._quic.send_stream_data(STREAM, frame)
        self.transmit()

    def send_datagram(self, datagram: bytes) -> None:
        self._quic.send_datagram_frame(datagram)
        self.transmit()

    def leave(self, code: int = OVER, reason: str = "") -> None:
        """Closes the connection. Nothing is heard of it any more."""
        if not self._is_over:
            self._end(Lost(None, "we left"), tell=False)
            self.close(code, reason)

    def vanish(self) -> None:
        """As when the network is gone: the other side is told nothing."""
        self._end(Lost(None, "broken on purpose"))
        self._transport.abort()

    def quic_event_received(self, event: events.QuicEvent) -> None:
        if self._is_over:
            return
        try:
            self._on(event)
        except Malformed as error:
            self._end(Lost(MALFORMED, f"the server broke the protocol: {error}"))
            self.close(MALFORMED, str(error)[:100])

    def connection_lost(self, _) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def error_received(self, error: Exception) -> None:
        # Nobody is at that port: no need to wait for an answer.
        if not self.ready.done():
            self._end(Lost(None, str(error)))

    def _on(self, event: events.QuicEvent) -> None:
        match event:
            case events.HandshakeCompleted():
                self._recognize()
            case events.StreamDataReceived() if event.stream_id == STREAM:
                for frame in self._frames.put(event.data):
                    self._tell(frame)
            case events.DatagramFrameReceived():
                self._hear(self, event.data)
            case events.ConnectionTerminated():
                # Without a frame type it is a code of the application, and so of the protocol.
                is_ours = event.frame_type is None
                self._end(Lost(event.error_code if is_ours else None, event.reason_phrase))

    def _recognize(self) -> None:
        # Not public in aioquic, whose own checks are of authorities and names.
        shown = self._quic.tls._peer_certificate
        if hashlib.sha256(shown.public_bytes(Encoding.DER)).digest() in self._hashes:
            self.ready.set_result(None)
            self._keep_alive()
        else:
            self._end(Lost(None, "another certificate than expected"))
            self.close(OVER)

    def _keep_alive(self) -> None:
        self._quic.send_ping(0)
        self.transmit()
        self._keep_alive_timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._keep_alive)

    def _end(self, lost: Lost, tell: bool = True) -> None:
        if self._is_over:
            return
        self._is_over = True
        # After whatever is still said at the end.
        self._loop.call_soon(self._transport.close)
        if self._keep_alive_timer is not None:
            self._keep_alive_timer.cancel()
        if not self.ready.done():
            self.ready.set_exception(NotConnected(lost.reason or "no connection"))
        elif tell:
            self._tell(lost)

    def _tell(self, item) -> None:
        if self.answer.done():
            self._hear(self, item)
        else:
            self.answer.set_result(item)


async def connect(endpoint: tuple[str, int], hashes: tuple[bytes, ...], hear: Callable, timeout: float) -> Link:
    """A connection to somebody whom we know, or `NotConnected`."""
    loop = asyncio.get_running_loop()
    link = None
    try:
        async with asyncio.timeout(timeout):
            (family, _, _, _, address), *_ = await loop.getaddrinfo(*endpoint, type=socket.SOCK_DGRAM)
            local = ("::" if family == socket.AF_INET6 else "0.0.0.0", 0)
            _, link = await loop.create_datagram_endpoint(
                lambda: Link(QuicConnection(configuration=_configuration(endpoint[0])), hashes, hear),
                local_addr=local, family=family,
            )
            link.connect(address)
            await asyncio.shield(link.ready)
    except (OSError, TimeoutError, NotConnected) as error:
        _give_up(link)
        raise NotConnected(f"{endpoint[0]}:{endpoint[1]}: {error or 'no answer'}") from error
    except asyncio.CancelledError:
        _give_up(link)
        raise
    return link


def _give_up(link: Link | None) -> None:
    if link is not None:
        link.leave()
        # Why it came to nothing is told by whoever gave up.
        link.ready.exception()


def _configuration(host: str) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=True,
        alpn_protocols=[ALPN],
        max_datagram_frame_size=65_535,
        idle_timeout=SILENCE_SECONDS,
        server_name="gamekeeper" if _is_address(host) else host,
        # By its hash, in `_recognize`. That whoever shows it also has its key is checked all the same.
        verify_mode=ssl.CERT_NONE,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
