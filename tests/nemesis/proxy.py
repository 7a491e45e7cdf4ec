"""A TCP proxy of ours between the service and PostgreSQL, which breaks things at a chosen message.

It reads just enough of the wire protocol to know where messages begin and which of them are COMMIT
(asyncpg sends it as a simple query) and the statement that saves a batch. It runs in the event loop
of the tests, listens on loopback only, and counts whatever it does.
"""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

READ_SIZE = 64 * 1024
COMMIT = b"COMMIT\0"
SAVE_MARK = b"INSERT INTO entries"
MESSAGE_SIZE_MAX = 64 * 1024 * 1024


class Fault(StrEnum):
    """What happens to the next message of a kind."""

    CUT_BEFORE_COMMIT = "cut before COMMIT"
    DROP_REPLY_TO_COMMIT = "reply to COMMIT dropped"
    CUT_BEFORE_SAVE = "cut before the save"
    CUT_DURING_SAVE = "cut while the save runs"


class Messages:
    """Cuts one direction of a connection into whole messages."""

    def __init__(self, *, begins_untyped: bool) -> None:
        self._held = b""
        self._untyped = begins_untyped

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every message that is complete by now, header included."""
        self._held += data
        while True:
            offset = 0 if self._untyped else 1
            if len(self._held) < offset + 4:
                return
            size = offset + struct.unpack_from("!I", self._held, offset)[0]
            if size > MESSAGE_SIZE_MAX:
                raise ValueError("that is no PostgreSQL message")
            if len(self._held) < size:
                return
            message, self._held = self._held[:size], self._held[size:]
            self._untyped = False
            yield message


class _Link:
    """One client's connection and ours to the server for it."""

    def __init__(
        self, proxy: "Proxy", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client_reader = reader
        self._client_writer = writer
        self._server_writer: asyncio.StreamWriter | None = None
        self._saves: set[bytes] = set()
        self._replies: Messages | None = None

    async def run(self) -> None:
        """Carry bytes both ways until either side ends."""
        try:
            await self._proxy.passable()
            reader, self._server_writer = await asyncio.open_connection(*self._proxy.target)
            _send_at_once(self._server_writer)
            _send_at_once(self._client_writer)
            await self._pump(reader, self._server_writer)
        except OSError:
            self._proxy.counts["not connected"] += 1
        finally:
            self.reset()

    async def _pump(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        pumps = [
            asyncio.create_task(self._to_server(server)),
            asyncio.create_task(self._to_client(reader)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            # What has been written already gets a moment to arrive.
            for writer in (self._client_writer, server):
                writer.close()
            await asyncio.sleep(0.05)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def reset(self) -> None:
        """End both sides with a TCP reset, now."""
        for writer in (self._client_writer, self._server_writer):
            if writer is not None:
                _reset(writer)

    async def _to_server(self, server: asyncio.StreamWriter) -> None:
        messages = Messages(begins_untyped=True)
        while data := await _read(self._client_reader):
            whole: list[bytes] = []
            cut = False
            for message in messages.feed(data):
                fault = self._fault_for(message)
                if fault in {Fault.CUT_BEFORE_COMMIT, Fault.CUT_BEFORE_SAVE}:
                    self.reset()
                    return
                if fault is Fault.DROP_REPLY_TO_COMMIT:
                    self._replies = Messages(begins_untyped=False)
                cut = cut or fault is Fault.CUT_DURING_SAVE
                whole.append(message)
            await self._proxy.forward(server, b"".join(whole))
            if cut:
                self.reset()
                return

    async def _to_client(self, reader: asyncio.StreamReader) -> None:
        while data := await _read(reader):
            if self._replies is not None:
                if any(_says_committed(reply) for reply in self._replies.feed(data)):
                    self._proxy.counts["replies dropped"] += 1
                    self.reset()
                    return
                continue
            await self._proxy.forward(self._client_writer, data)

    def _fault_for(self, message: bytes) -> Fault | None:
        if message[:1] == b"Q" and message[5:] == COMMIT:
            self._proxy.counts["COMMIT seen"] += 1
            return self._proxy.take(Fault.CUT_BEFORE_COMMIT, Fault.DROP_REPLY_TO_COMMIT)
        if message[:1] == b"P" and SAVE_MARK in message:
            self._saves.add(message[5 : message.index(0, 5)])
        elif message[:1] == b"B":
            portal_end = message.index(0, 5)
            if message[portal_end + 1 : message.index(0, portal_end + 1)] in self._saves:
                self._proxy.counts["save seen"] += 1
                return self._proxy.take(Fault.CUT_BEFORE_SAVE, Fault.CUT_DURING_SAVE)
        return None


class Proxy:
    """Listens on a port of its own and leads to `target`; lets all pass until told otherwise."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self.counts: Counter[str] = Counter()
        self.armed: Counter[Fault] = Counter()
        self.delay_s = 0.0
        self.piece_size = 0
        self._passable = asyncio.Event()
        self._passable.set()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, url: str) -> str:
        """Return a PostgreSQL URL that leads through here, without TLS so that we can read it."""
        parts = urlsplit(url)
        database = parts.path.lstrip("/")
        return (
            f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{self.port}/{database}"
            "?sslmode=disable"
        )

    @property
    def links(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def arm(self, fault: Fault, times: int = 1) -> None:
        """Let the next `times` messages of the fault's kind meet it."""
        self.armed[fault] += times

    def take(self, *faults: Fault) -> Fault | None:
        """Use up one of these faults if one is armed; called by the links."""
        for fault in faults:
            if self.armed[fault] > 0:
                self.armed[fault] -= 1
                self.armed += Counter()
                self.counts[fault] += 1
                return fault
        return None

    def reset_all(self) -> None:
        """Reset every connection now; new ones pass."""
        self.counts["reset now"] += len(self._links)
        for link in tuple(self._links):
            link.reset()

    def black_hole(self) -> None:
        """Let nothing pass, and tell nobody; what is sent meanwhile arrives after `heal`."""
        self.counts["black hole"] += 1
        self._passable.clear()

    def slow_down(self, *, delay_s: float = 0.0, piece_size: int = 0) -> None:
        """Delay each packet, or cut it into pieces of so many bytes."""
        self.counts["delay" if delay_s else "dribble"] += 1
        self.delay_s, self.piece_size = delay_s, piece_size

    def heal(self) -> None:
        """Let everything pass again as it is."""
        self.armed.clear()
        self.delay_s, self.piece_size = 0.0, 0
        self._passable.set()

    async def passable(self) -> None:
        """Wait while nothing passes."""
        await self._passable.wait()

    async def forward(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send `data` on in the way that is set now."""
        if not data:
            return
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self.passable()
        # What is begun in pieces ends in pieces: TCP may be slow, but it never leaves bytes out.
        size = self.piece_size
        if not size:
            writer.write(data)
        for start in range(0, len(data), size) if size else ():
            writer.write(data[start : start + size])
            await asyncio.sleep(0.0005)
        with contextlib.suppress(OSError):
            await writer.drain()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        link = _Link(self, reader, writer)
        self._links.add(link)
        self._tasks.add(task)
        self.counts["connections"] += 1
        try:
            await link.run()
        finally:
            self._links.discard(link)
            self._tasks.discard(task)


def port_of(url: str) -> int:
    """Return the port of an embedded cluster's URL, which is open on 127.0.0.1 as well."""
    return int(parse_qs(urlsplit(url).query)["port"][0])


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(READ_SIZE)
    except OSError:
        return b""


def _send_at_once(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    writer.transport.abort()


def _says_committed(reply: bytes) -> bool:
    return reply[:1] == b"C" and reply[5:] == COMMIT
