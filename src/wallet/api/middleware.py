"""One pure ASGI layer around the application: everything that holds for every request.

It names the request, refuses bodies that are too large or encoded, answers CORS, adds the
security headers, turns what escapes into a scrubbed problem, writes one log line and counts. All
of it in one layer and without Starlette's objects, because each layer is paid for by every
request: this one costs about ten microseconds, BaseHTTPMiddleware more than four hundred.
"""

import random
import re
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet.api.problems import (
    BodyTooLarge,
    Headers,
    InternalError,
    MalformedRequest,
    UnsupportedContentEncoding,
    problem,
)
from wallet.domain.errors import Forbidden, NotFound, WalletError

Log = Callable[..., object]
Observe = Callable[[str, str, int, float], object]

REQUEST_ID: ContextVar[str | None] = ContextVar("wallet_request_id", default=None)
_OF_THIS_MACHINE = re.compile(r"localhost|[0-9.]+|.*:.*")
"""Loopback's name and addresses of either kind, as `urlsplit` tells them."""
REQUEST_ID_PATTERN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "(unmatched)"
HEADERS_OF_INTEREST = frozenset(
    {b"x-request-id", b"content-length", b"content-encoding", b"transfer-encoding", b"origin"}
)
CONTENT_SECURITY_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# What nginx writes for a client that went away before its answer.
CLIENT_GONE = 499
# What RFC 6455 calls a WebSocket that may not be.
POLICY_VIOLATION = 1008


class OriginNotAllowed(Forbidden):
    """Pages of this origin may not call the service."""

    code = "origin-not-allowed"


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """What the edge can be told: limits, CORS and whether the world reaches us by https.

    `body_size_max` is in bytes, `body_sizes_max` says by path where it is another.
    `cors_origins` is an exact list of origins such as `https://app.example`; none by default, and
    "*" only without credentials.
    """

    production: bool = False
    public_url: str = "http://localhost:4000"
    body_size_max: int = 64 * 1024
    body_sizes_max: Mapping[str, int] = field(default_factory=dict)
    cors_origins: Collection[str] = ()
    cors_credentials: bool = False
    cors_methods: Collection[str] = ("GET", "POST", "PUT", "PATCH", "DELETE")
    cors_headers: Collection[str] = (
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "Last-Event-ID",
        "X-CSRF-Token",
        "X-Request-ID",
    )
    cors_exposed_headers: Collection[str] = (
        "Content-Disposition",
        "Idempotency-Key",
        "Idempotency-Key-Generated",
        "Idempotent-Replayed",
        "Location",
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
        "WWW-Authenticate",
        "X-Request-ID",
    )
    cors_max_age_s: int = 600

    @property
    def https(self) -> bool:
        """Tell whether browsers may be told to insist on https.

        Not for this machine's own names: whatever else somebody serves at localhost would have to
        follow, and an address without a name cannot insist on anything (RFC 6797, 8.1.1).
        """
        address = urlsplit(self.public_url)
        return self.production or (
            address.scheme == "https" and not _OF_THIS_MACHINE.fullmatch(address.hostname or "")
        )


def current_request_id() -> str | None:
    """Return the id of the request that is being answered here, for whoever writes a log line."""
    return REQUEST_ID.get()


class Edge:
    """The layer; wrap the application in it, or hand it to `add_middleware`.

    `log(event, **fields)` gets one line per request, `log_crash(event, exc_info=…, **fields)` what
    nobody foresaw, and `observe(method, route, status, duration_s)` every request.
    """

    def __init__(
        self,
        app: ASGIApp,
        options: EdgeOptions | None = None,
        *,
        log: Log,
        log_crash: Log,
        observe: Observe,
    ) -> None:
        self.app = app
        self.options = options or EdgeOptions()
        self.log = log
        self.log_crash = log_crash
        self.observe = observe
        self.cors = Cors(self.options) if self.options.cors_origins else None
        self.always = _security_headers(self.options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, with a response, a log line and a count."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_s = perf_counter()
        found = {name: value for name, value in scope["headers"] if name in HEADERS_OF_INTEREST}
        exchange = Exchange(self, scope, receive, send, found)
        try:
            refusal = self._refusal(found, exchange.body_size_max)
            if refusal is not None:
                await exchange.answer(refusal)
            elif self.cors is not None and self.cors.is_preflight(scope, found):
                await self._preflight(self.cors, exchange, found)
            else:
                streamed = b"transfer-encoding" in found
                await self.app(scope, exchange.receive if streamed else receive, exchange.send)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - the last net under everything
            await self._crash(exchange, error)
        finally:
            self._note(scope, exchange, perf_counter() - started_s)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a WebSocket on; one that is closed before it was accepted is answered by HTTP."""
        started_s = perf_counter()
        answers = "websocket.http.response" in scope.get("extensions", {})
        accepted = False
        state = scope.setdefault("state", {})
        state["request_id"] = request_id = _request_id(None)
        REQUEST_ID.set(request_id)

        async def inner_send(message: Message) -> None:
            nonlocal accepted
            if message["type"] == "websocket.close" and answers and not accepted:
                await self._refuse_socket(scope, send, NotFound())
                return
            accepted = accepted or message["type"] == "websocket.accept"
            await send(message)

        try:
            if self._may_connect(scope):
                await self.app(scope, receive, inner_send)
            elif answers:
                await self._refuse_socket(scope, send, OriginNotAllowed())
            else:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        finally:
            self.log(
                "socket",
                request_id=request_id,
                route=route_template(scope),
                accepted=accepted,
                duration_ms=round((perf_counter() - started_s) * 1000, 3),
                **{name: state[name] for name in ("person_id", "api_key_id") if name in state},
            )

    def _may_connect(self, scope: Scope) -> bool:
        """Tell whether a WebSocket's origin is none, our own, or one that CORS allows.

        Browsers let any page open a WebSocket to anywhere, so this is where strangers end.
        """
        found = dict(scope["headers"])
        origin = found.get(b"origin")
        if origin is None or (self.cors is not None and self.cors.allows(origin)):
            return True
        return is_own_origin(origin, found.get(b"host"), self.options.public_url)

    async def _refuse_socket(self, scope: Scope, send: Send, error: WalletError) -> None:
        request_id = scope["state"]["request_id"]
        status, body, headers = problem(error, instance=scope["path"], request_id=request_id)
        headers += [(b"x-request-id", request_id.encode()), *self.always[0]]
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})

    def _refusal(self, found: Mapping[bytes, bytes], body_size_max: int) -> WalletError | None:
        """Return why a request cannot be taken, as far as its headers tell."""
        length = found.get(b"content-length")
        if length is not None:
            if not length.isdigit():
                return MalformedRequest()
            if len(length) > 18 or int(length) > body_size_max:
                return BodyTooLarge()
        encoding = found.get(b"content-encoding")
        if encoding is not None and encoding.strip().lower() != b"identity":
            # What is not unpacked cannot explode.
            return UnsupportedContentEncoding(headers=[(b"accept-encoding", b"identity")])
        return None

    async def _preflight(
        self, cors: "Cors", exchange: "Exchange", found: Mapping[bytes, bytes]
    ) -> None:
        if not cors.allows(found[b"origin"]):
            await exchange.answer(OriginNotAllowed())
            return
        await exchange.send(
            {"type": "http.response.start", "status": 204, "headers": cors.preflight}
        )
        await exchange.send({"type": "http.response.body", "body": b""})

    async def _crash(self, exchange: "Exchange", error: Exception) -> None:
        if exchange.refused:
            # The refusal is out; the application only fell over the end of its body.
            return
        if isinstance(error, WalletError):
            await exchange.answer(error)
            return
        self.log_crash("internal-error", exc_info=error, request_id=exchange.request_id)
        await exchange.answer(error)

    def _note(self, scope: Scope, exchange: "Exchange", duration_s: float) -> None:
        state = scope["state"]
        method = scope["method"]
        if method not in METHODS:
            method = "OTHER"
        route = route_template(scope)
        status = exchange.status or CLIENT_GONE
        self.observe(method, route, status, duration_s)
        fields: dict[str, Any] = {}
        if person_id := state.get("person_id"):
            fields["person_id"] = person_id
            if api_key_id := state.get("api_key_id"):
                fields["api_key_id"] = api_key_id
        if code := exchange.code or state.get("problem_code"):
            fields["code"] = code
        self.log(
            "request",
            request_id=exchange.request_id,
            method=method,
            route=route,
            status=status,
            duration_ms=round(duration_s * 1000, 3),
            **fields,
        )


class Exchange:
    """One request and its response, as they pass through the edge."""

    __slots__ = (
        "body_size",
        "body_size_max",
        "code",
        "cors_headers",
        "edge",
        "inner_receive",
        "inner_send",
        "refused",
        "request_id",
        "scope",
        "status",
    )

    def __init__(
        self,
        edge: Edge,
        scope: Scope,
        receive: Receive,
        send: Send,
        found: Mapping[bytes, bytes],
    ) -> None:
        self.edge = edge
        self.scope = scope
        self.inner_receive = receive
        self.inner_send = send
        self.status = 0
        self.code: str | None = None
        self.body_size = 0
        options = edge.options
        self.body_size_max = options.body_sizes_max.get(scope["path"], options.body_size_max)
        self.refused = False
        self.request_id = _request_id(found.get(b"x-request-id"))
        cors = edge.cors
        self.cors_headers = () if cors is None else cors.headers_for(found.get(b"origin"))
        scope.setdefault("state", {})["request_id"] = self.request_id
        REQUEST_ID.set(self.request_id)

    async def receive(self) -> Message:
        """Pass a piece of a streamed body on as long as the whole stays within the limit."""
        message = await self.inner_receive()
        self.body_size += len(message.get("body", b""))
        if self.body_size > self.body_size_max:
            await self.answer(BodyTooLarge())
            self.refused = True
            raise ClientDisconnect
        return message

    async def send(self, message: Message) -> None:
        """Pass the response on, with the headers that every response has."""
        if self.refused:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.get("headers", ())
            # A new message: a hot route may send the same precomputed one every time.
            message = {
                **message,
                "headers": [
                    *headers,
                    (b"x-request-id", self.request_id.encode()),
                    *self.edge.always[_own_policies(headers)],
                    *self.cors_headers,
                    *self.scope["state"].get("headers", ()),
                ],
            }
        await self.inner_send(message)

    async def answer(self, error: BaseException) -> None:
        """Answer with a problem, unless a response has begun."""
        if self.status:
            return
        status, body, headers = problem(
            error, instance=self.scope["path"], request_id=self.request_id
        )
        self.code = error.code if isinstance(error, WalletError) else InternalError.code
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


class Cors:
    """An exact list of origins whose pages may call; raises ValueError where it makes no sense."""

    def __init__(self, options: EdgeOptions) -> None:
        self.anyone = "*" in options.cors_origins
        if self.anyone and options.cors_credentials:
            raise ValueError("CORS for every origin ('*') cannot be combined with credentials.")
        for origin in options.cors_origins:
            if origin != "*" and not _is_origin(origin):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.")
        common: Headers = [(b"vary", b"Origin")]
        if options.cors_credentials:
            common.append((b"access-control-allow-credentials", b"true"))
        exposed = ", ".join(options.cors_exposed_headers).encode()
        common.append((b"access-control-expose-headers", exposed))
        self.answers: dict[bytes, tuple[tuple[bytes, bytes], ...]] = {
            origin.encode(): ((b"access-control-allow-origin", origin.encode()), *common)
            for origin in options.cors_origins
        }
        self.preflight: Headers = [
            (b"access-control-allow-methods", ", ".join(options.cors_methods).encode()),
            (b"access-control-allow-headers", ", ".join(options.cors_headers).encode()),
            (b"access-control-max-age", b"%d" % options.cors_max_age_s),
        ]

    def allows(self, origin: bytes) -> bool:
        """Tell whether pages of this origin may call."""
        return self.anyone or origin in self.answers

    def headers_for(self, origin: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers for an answer to this origin; strangers get none but `Vary`."""
        if origin is not None and self.anyone:
            return self.answers[b"*"]
        return self.answers.get(origin or b"", ((b"vary", b"Origin"),))

    def is_preflight(self, scope: Scope, found: Mapping[bytes, bytes]) -> bool:
        """Tell whether a browser only asks what it may do."""
        return (
            scope["method"] == "OPTIONS"
            and b"origin" in found
            and any(name == b"access-control-request-method" for name, _ in scope["headers"])
        )


def is_own_origin(origin: bytes, host: bytes | None, public_url: str) -> bool:
    """Tell whether an origin is where the service is reached, or what the request calls it."""
    scheme, _, own = origin.partition(b"://")
    return scheme in {b"http", b"https"} and own in {urlsplit(public_url).netloc.encode(), host}


def route_template(scope: Scope) -> str:
    """Return the template of the matched route with all router prefixes, never the raw path.

    `scope["route"]` alone loses the prefixes of included routers; FastAPI keeps the effective
    route beside it. Mounted applications appear as their mount point.
    """
    context = scope.get("fastapi", {}).get("effective_route_context")
    if context is not None:
        route = getattr(context, "starlette_route", None) or context
    else:
        route = scope.get("route")
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    return template or UNMATCHED


def _request_id(proposed: bytes | None) -> str:
    """Return the client's name for the request if it is a sane one, else make one.

    The name is no secret, so the cheap source of randomness will do.
    """
    if proposed is not None and REQUEST_ID_PATTERN.fullmatch(proposed):
        return proposed.decode("ascii")
    return f"{random.getrandbits(96):024x}"


def _own_policies(headers: Collection[tuple[bytes, bytes]]) -> int:
    """Return which of the two policies a route set itself: 1 for caching, 2 for content."""
    own = 0
    for name, _ in headers:
        if name == b"cache-control":
            own |= 1
        elif name == b"content-security-policy":
            own |= 2
    return own


def _security_headers(options: EdgeOptions) -> tuple[tuple[tuple[bytes, bytes], ...], ...]:
    """Return the headers of every response, by what the route has set itself already."""
    common: Headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if options.https:
        common.append((b"strict-transport-security", b"max-age=63072000; includeSubDomains"))
    caching = (b"cache-control", b"no-store")
    content = (b"content-security-policy", CONTENT_SECURITY_POLICY)
    return (
        (*common, caching, content),
        (*common, content),
        (*common, caching),
        (*common,),
    )


def security_headers(options: EdgeOptions) -> Headers:
    """Return the headers of an answer that no route has touched."""
    return list(_security_headers(options)[0])


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and text == f"{parts.scheme}://{parts.netloc}"
        and "@" not in parts.netloc
    )
