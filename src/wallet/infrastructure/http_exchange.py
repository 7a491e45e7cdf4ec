"""One HTTP/1.1 request on one connection of its own, to exactly the address that is given.

Small on purpose: no redirects, no proxies, no cookies, no pool, no decompression. h11 reads and
writes the protocol; everything that comes back is bounded.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11

HEAD_SIZE_MAX = 32 * 1024
_CHUNK = 16 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and of whom: `address` is connected to, `host` is what TLS must prove."""

    method: str
    target: str
    authority: str
    host: str
    address: str
    port: int
    tls: ssl.SSLContext | None
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


class Reply:
    """The head of an answer, and its body piece by piece."""

    def __init__(
        self, connection: h11.Connection, reader: asyncio.StreamReader, head: h11.Response
    ) -> None:
        self._connection = connection
        self._reader = reader
        self.status: int = head.status_code
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers
        }

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raise `h11.RemoteProtocolError` or `OSError`."""
        while True:
            event = await _next_event(self._connection, self._reader)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return

    async def body(self, size_max: int) -> bytes:
        """Return the first `size_max` bytes of the body; what comes after is not read."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) >= size_max:
                break
        return bytes(found[:size_max])


@asynccontextmanager
async def exchange(request: Request) -> AsyncIterator[Reply]:
    """Send a request and yield the answer once its head is there.

    Raises `OSError` (`ssl.SSLError` is one), or `h11.RemoteProtocolError` for what is no answer.
    """
    reader, writer = await asyncio.open_connection(
        request.address,
        request.port,
        ssl=request.tls,
        server_hostname=request.host if request.tls is not None else None,
    )
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_SIZE_MAX)
    try:
        writer.write(_written(connection, request))
        await writer.drain()
        yield Reply(connection, reader, await _head(connection, reader))
    finally:
        writer.transport.abort()


def _written(connection: h11.Connection, request: Request) -> bytes:
    headers = [
        ("host", request.authority),
        ("content-length", str(len(request.body))),
        ("connection", "close"),
        *request.headers,
    ]
    events = (
        h11.Request(method=request.method, target=request.target, headers=headers),
        h11.Data(data=request.body),
        h11.EndOfMessage(),
    )
    return b"".join(connection.send(event) or b"" for event in events)


async def _head(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    while True:
        event = await _next_event(connection, reader)
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("no answer came")


async def _next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif event is h11.PAUSED:
            return h11.EndOfMessage()
        else:
            assert not isinstance(event, type)  # noqa: S101 - the two sentinels are above
            return event
