"""A lean HTTP client for load and faults: one connection, and exact knowledge of what came back."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any

ANSWER_TIMEOUT_S = 12.0
CONNECT_TIMEOUT_S = 3.0


class NoAnswer(Exception):
    """The request was not answered: `refused`, `reset`, `stale` or `timeout`.

    Stale is a kept-alive connection that the server had closed before it read the request; any
    client that keeps connections alive has to send it again.
    """


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The stable name of a problem."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        code = self.json()["code"]
        assert isinstance(code, str)
        return code


class Connection:
    """One kept-alive connection to the service."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._answers = 0

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    @property
    def local_port(self) -> int:
        assert self._writer is not None
        port: int = self._writer.get_extra_info("sockname")[1]
        return port

    async def open(self) -> None:
        """Connect, unless it is connected."""
        if self._writer is not None:
            return
        self._answers = 0
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        except TimeoutError:
            raise NoAnswer("timeout") from None
        except OSError:
            raise NoAnswer("refused") from None

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        key: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Answer:
        """Return the answer or raise `NoAnswer`; connects if need be."""
        await self.open()
        try:
            async with asyncio.timeout(timeout_s):
                self.send(method, path, body, token=token, key=key)
                answer = await self._receive()
        except TimeoutError:
            self.close()
            raise NoAnswer("timeout") from None
        except asyncio.IncompleteReadError as error:
            untouched = not error.partial and self._answers > 0
            self.close()
            raise NoAnswer("stale" if untouched else "reset") from None
        except OSError:
            reused = self._answers > 0
            self.close()
            raise NoAnswer("stale" if reused else "reset") from None
        except asyncio.CancelledError:
            self.close()
            raise
        self._answers += 1
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        key: str | None = None,
    ) -> None:
        """Send a request and wait for nothing."""
        assert self._writer is not None
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: localhost"]
        if body is not None:
            lines += ["content-type: application/json", f"content-length: {len(content)}"]
        if token is not None:
            lines.append(f"authorization: Bearer {token}")
        if key is not None:
            lines.append(f"idempotency-key: {key}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + content)

    async def drain(self) -> None:
        assert self._writer is not None
        await self._writer.drain()

    def close(self) -> None:
        """Go away at once, answered or not."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _receive(self) -> Answer:
        assert self._reader is not None
        head = await self._reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            if name:
                headers[name.lower()] = value
        size = int(headers.get("content-length", "0"))
        try:
            body = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError from None
        return Answer(int(status_line.split(" ")[1]), headers, body)


async def answered(connection: Connection, *arguments: Any, **options: Any) -> Answer:
    """Return the answer to a request, sent once more if the kept-alive connection was stale."""
    try:
        return await connection.request(*arguments, **options)
    except NoAnswer as error:
        if error.args != ("stale",):
            raise
    return await connection.request(*arguments, **options)


async def first_ready_s(port: int, *, timeout_s: float) -> float:
    """Return how long it takes until the service says that it is ready."""
    started_s = time.monotonic()
    connection = Connection(port)
    try:
        while time.monotonic() - started_s < timeout_s:
            with contextlib.suppress(NoAnswer):
                if (await connection.request("GET", "/health/ready", timeout_s=3)).status == 200:
                    return time.monotonic() - started_s
            await asyncio.sleep(0.05)
    finally:
        connection.close()
    raise TimeoutError(f"not ready within {timeout_s} s")
