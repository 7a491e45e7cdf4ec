"""A receiver of webhooks over a real socket, which can be made to misbehave in every way."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook

PLAIN = b"HTTP/1.1 %d X\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n%s\r\n%s"


@dataclass
class Received:
    """One request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes
    at_s: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verified_by(self, secret: str) -> Any:
        """Let the package of the specification check it; raises if it is not genuine."""
        return Webhook(secret).verify(self.body, self.headers)


def answer(status: int = 200, body: bytes = b"ok", headers: str = "") -> bytes:
    """Return the bytes of an answer."""
    return PLAIN % (status, len(body), headers.encode(), body)


Behave = Callable[[Received], bytes | float]
"""Returns the bytes to answer with, or for how many seconds to say nothing."""


def politely(_: Received) -> bytes:
    return answer()


@dataclass
class Receiver:
    """What was received, in order, and how to answer what comes next."""

    behave: Behave = politely
    received: list[Received] = field(default_factory=list)
    port: int = 0
    path: str = "/hooks"
    scheme: str = "http"
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.path}"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    def ids_once(self) -> list[str]:
        """Return the ids in the order in which each came first: what a receiver acts on."""
        return list(dict.fromkeys(self.ids))

    async def count(self, number: int, timeout_s: float = 10.0) -> list[Received]:
        """Wait until so many requests have come."""
        await self.until(lambda: len(self.received) >= number, timeout_s)
        return self.received

    async def until(self, found: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(timeout_s):
            while not found():
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self._news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it as `behave` says."""
        with (
            suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError),
            closing(writer),
        ):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            request = Received(first.split(" ")[1], headers, body)
            self.received.append(request)
            self._news.set()
            said = self.behave(request)
            if isinstance(said, bytes):
                writer.write(said)
                await writer.drain()
            else:
                await asyncio.sleep(said)


@asynccontextmanager
async def receiving(
    behave: Behave = politely, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver on a port of 127.0.0.1 until the block ends."""
    receiver = Receiver(behave, scheme="https" if tls else "http")
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        # Whoever is still made to wait need not be waited for.
        for task in asyncio.all_tasks():
            if getattr(task.get_coro(), "__qualname__", "") == "Receiver.serve":
                task.cancel()
