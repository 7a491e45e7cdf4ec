"""`wallet listen`: brings the events of a service to a server on the developer's own machine.

The live stream only says that something has happened; what it was is read from `GET /events`, whose
position is kept. So a stream that breaks, a service that restarts and a token that expires cost
time and no event. Each event is signed as a webhook and posted; a server that cannot be reached is
waited for, and what it answers is printed.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import h11
import orjson

from wallet.domain.webhooks import headers_of, secret_text
from wallet.infrastructure.http_exchange import Reply, Request, exchange

REQUEST_S = 15.0
FORWARD_S = 30.0
IDLE_S = 45.0
"""A stream that says nothing for so long, not even that it is alive, is dead."""
LOOK_EVERY_S = 2.0
"""What moves no money is not on the live stream."""
PAUSES_S = (0.5, 1.0, 2.0, 5.0)
BODY_SIZE_MAX = 16 * 1024 * 1024
PAGE = 100

_OUTAGES = (OSError, TimeoutError, h11.ProtocolError)


class ListenFailed(Exception):
    """Listening makes no sense like this; the message says why."""


class _SignedOut(Exception):
    """The token is not good any more."""


class _Unready(Exception):
    """The service cannot answer just now."""


@dataclass(frozen=True, slots=True)
class Place:
    """An http or https URL, ready to be asked."""

    host: str
    port: int
    authority: str
    path: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str) -> "Place":
        """Read a URL; raise `ListenFailed`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ListenFailed(f"{url} is not a URL.") from None
        if not url.isascii() or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ListenFailed(f"{url} must begin with http:// or https://.")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        authority = parts.netloc.rpartition("@")[2]
        return cls(parts.hostname, port or (443 if tls else 80), authority, path, tls)

    def request(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes = b""
    ) -> Request:
        """Return a request to this place."""
        return Request(
            method=method,
            target=target,
            authority=self.authority,
            host=self.host,
            address=self.host,
            port=self.port,
            tls=self.tls,
            headers=[("user-agent", "wallet-listen/1"), *headers],
            body=body,
        )


@dataclass
class Login:
    """Who listens: a token, or e-mail and password, which get one whenever it is needed."""

    token: str | None = None
    email: str | None = None
    password: str | None = None
    otp: str | None = None
    refresh_token: str | None = field(default=None, repr=False)


@dataclass
class Listener:
    """Follows one person's events and forwards them, until it is cancelled."""

    service_url: str
    forward_to: str
    login: Login
    secret: bytes
    say: Callable[[str], None]
    types: Sequence[str] = ()
    after: str = "now"
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: str | None = None

    async def run(self) -> None:
        """Forward what happens; raise `ListenFailed` if the service lets nobody in like this."""
        self._service = Place.of(self.service_url)
        self._target = Place.of(self.forward_to)
        try:
            if self.login.token is None:
                await self._log_in()
        except (_Unready, *_OUTAGES) as error:
            raise ListenFailed(f"{self.service_url} does not answer: {_reason(error)}") from None
        page = await self._ask_until_answered(self.after, limit=1 if self.after == "now" else PAGE)
        self.say(f"Ready. Webhooks are signed with {secret_text(self.secret)} (Ctrl-C ends it)")
        following = asyncio.create_task(self._follow())
        try:
            await self._forward(page)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    # What there is.

    async def _forward(self, page: Mapping[str, Any]) -> None:
        while True:
            for event in page["items"]:
                await self._bring(event)
            position = page["position"]
            if page["next_cursor"] is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._wake.wait()
                self._wake.clear()
            page = await self._ask_until_answered(position, limit=PAGE)

    async def _ask_until_answered(self, after: str, *, limit: int) -> Mapping[str, Any]:
        pairs = [("after", after), ("limit", str(limit)), *(("types", t) for t in self.types)]
        failures = 0
        while True:
            try:
                try:
                    return await self._json("GET", f"/events?{urlencode(pairs)}")
                except _SignedOut:
                    await self._log_in()
            except (_Unready, *_OUTAGES) as error:
                if not failures:
                    self.say(f"The service does not answer ({_reason(error)}); trying again …")
                await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1

    async def _bring(self, event: Mapping[str, Any]) -> None:
        """Post an event; while nobody listens there, wait."""
        body = orjson.dumps(event)
        self.say(f"{_now()}   --> {event['type']} [{event['id']}]")
        told = False
        while True:
            headers = [
                ("content-type", "application/json"),
                *headers_of([self.secret], event["id"], int(time.time()), body),
            ]
            request = self._target.request("POST", self._target.path, headers, body)
            try:
                async with asyncio.timeout(FORWARD_S), exchange(request) as reply:
                    self.say(
                        f"{_now()}  <--  [{reply.status}] POST {self.forward_to} [{event['id']}]"
                    )
                    return
            except _OUTAGES as error:
                if not told:
                    self.say(f"{_now()}  <--  {_reason(error)}: {self.forward_to}; waiting …")
                told = True
                await asyncio.sleep(PAUSES_S[0])

    # That there is something.

    async def _follow(self) -> None:
        """Follow the live stream for ever, and wake whoever reads the events."""
        failures = 0
        while True:
            try:
                async for name in self._stream():
                    failures = 0
                    if name == "entry":
                        self._wake.set()
            except (_Unready, _SignedOut, *_OUTAGES):
                # The reader of events says so, and gets a new token.
                pass
            self._wake.set()
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    async def _stream(self) -> AsyncIterator[str]:
        headers = [("authorization", f"Bearer {self.login.token}")]
        if self._seen is not None:
            headers.append(("last-event-id", self._seen))
        request = self._service.request("GET", self._path("/live/events"), headers)
        async with _within(REQUEST_S, request) as reply:
            if reply.status == 422:
                # What was seen belongs to other books: another database stands behind the address.
                self._seen = None
            if reply.status != 200:
                raise _Unready(f"status {reply.status}")
            async for line in _lines(reply):
                name, _, value = line.partition(": ")
                if name == "id":
                    self._seen = value
                elif name == "event":
                    yield value

    # Asking the service.

    async def _log_in(self) -> None:
        login = self.login
        if login.refresh_token is not None:
            with suppress(_SignedOut):
                body = {"refresh_token": login.refresh_token}
                self._keep(await self._json("POST", "/users/refresh", body, signed_in=False))
                return
            login.refresh_token = None
        if login.email is None or login.password is None:
            raise ListenFailed("The token is not valid, or has expired.")
        body = {"email": login.email, "password": login.password}
        if login.otp is not None:
            body["otp"] = login.otp
        try:
            self._keep(await self._json("POST", "/users/login", body, signed_in=False))
        except _SignedOut as error:
            raise ListenFailed(f"The service does not let you in: {error}") from None

    def _keep(self, tokens: Mapping[str, Any]) -> None:
        self.login.token = str(tokens["access_token"])
        self.login.refresh_token = str(tokens["refresh_token"])

    async def _json(
        self,
        method: str,
        path: str,
        body: Mapping[str, str] | None = None,
        *,
        signed_in: bool = True,
    ) -> Mapping[str, Any]:
        headers = [("accept", "application/json"), ("content-type", "application/json")]
        if signed_in:
            headers.append(("authorization", f"Bearer {self.login.token}"))
        content = b"" if body is None else orjson.dumps(body)
        request = self._service.request(method, self._path(path), headers, content)
        async with asyncio.timeout(REQUEST_S), exchange(request) as reply:
            text = await reply.body(BODY_SIZE_MAX)
            status = reply.status
        if status == 200:
            found: Mapping[str, Any] = orjson.loads(text)
            return found
        detail = _detail(text)
        if status == 401:
            raise _SignedOut(detail)
        if status == 429 or status >= 500:
            raise _Unready(detail)
        raise ListenFailed(f"The service answers {status}: {detail}")

    def _path(self, path: str) -> str:
        return self._service.path.rstrip("/") + path


@asynccontextmanager
async def _within(head_s: float, request: Request) -> AsyncIterator[Reply]:
    """Yield an answer whose head must come in time, and whose body may take for ever."""
    stack = exchange(request)
    async with asyncio.timeout(head_s):
        reply = await stack.__aenter__()
    try:
        yield reply
    finally:
        await stack.__aexit__(None, None, None)


async def _lines(reply: Reply) -> AsyncIterator[str]:
    rest = b""
    pieces = reply.pieces()
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                rest += await anext(pieces)
        except StopAsyncIteration:
            return
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield line.decode()


def _detail(text: bytes) -> str:
    with suppress(orjson.JSONDecodeError):
        found = orjson.loads(text)
        if isinstance(found, dict) and "detail" in found:
            return str(found["detail"])
    return text[:200].decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
