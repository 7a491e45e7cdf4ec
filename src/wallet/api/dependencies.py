"""Who is asking and from where: read from a request by plain functions, and by dependencies.

The plain functions take what ASGI gives, so that a hot route decides exactly like an ordinary one.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import Any, Self

from fastapi import Request
from fastapi.openapi.models import APIKey as CookieScheme
from fastapi.openapi.models import APIKeyIn as ParameterPlace
from fastapi.openapi.models import HTTPBearer as BearerScheme
from fastapi.security.base import SecurityBase
from starlette.types import Scope

from wallet.api.cookies import COOKIE_NAME, browser_of, session_cookie
from wallet.api.cookies import SCHEME_NAME as COOKIE_SCHEME_NAME
from wallet.api.key_scopes import require_access
from wallet.api.problems import Headers
from wallet.api.throughput import Throughput
from wallet.application.browser_sessions import Browser
from wallet.application.entrance import Client
from wallet.domain.errors import Unauthenticated
from wallet.domain.sessions import Principal, TokenInvalid

SCHEME_NAME = "accessToken"
RawHeaders = Iterable[tuple[bytes, bytes]]
Authenticate = Callable[[str], Awaitable[Principal]]


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed; none by default."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Read networks such as ``10.0.0.0/8``; raise `ValueError` for anything else."""
        return cls(tuple(ip_network(text) for text in texts))

    def address_of(self, peer: str, forwarded: str) -> str:
        """Return the address that the nearest trusted proxy saw, or that of the peer.

        Read from the right, because everything left of the first address that is not one of ours
        may have been made up by the client.
        """
        address = peer
        for hop in reversed(forwarded.split(",")):
            if not self._trusts(address) or _parsed(hop.strip()) is None:
                break
            address = hop.strip()
        return address

    def _trusts(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    # A socket that takes both families shows IPv4 peers as ::ffff:a.b.c.d.
    return getattr(parsed, "ipv4_mapped", None) or parsed


NO_PROXIES = TrustedProxies()


def bearer_token(headers: RawHeaders) -> str:
    """Return the token of `Authorization: Bearer …`.

    Raises `Unauthenticated` if there is none, `TokenInvalid` if there is something else.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise Unauthenticated
    scheme, _, token = values[0].partition(b" ")
    if len(values) > 1 or scheme.lower() != b"bearer":
        raise TokenInvalid
    # Latin-1 takes any byte; what is no token is refused by whoever verifies it.
    return token.strip().decode("latin-1")


async def authenticated(
    scope: Scope, authenticate: Authenticate, throughput: Throughput
) -> Principal:
    """Return who is asking, note it for the log line, and count the request.

    Raises an `Unauthenticated`, or `ThroughputExceeded`.
    """
    state = scope.setdefault("state", {})
    known: tuple[Principal, Headers] | None = state.get("authenticated")
    if known is None:
        principal = await _identified(scope, authenticate)
        state["person_id"] = principal.user_id
        if principal.grant is not None:
            state["api_key_id"] = principal.grant.api_key_id
        decision = throughput.require(principal.user_id, monotonic())
        known = state["authenticated"] = (principal, throughput.headers(decision))
    # Else a hot route has asked already and then left the request to FastAPI.
    principal, state["headers"] = known
    # The edge puts these headers on whatever answer the route gives, problems included.
    return principal


async def _identified(scope: Scope, authenticate: Authenticate) -> Principal:
    secret = session_cookie(scope["headers"])
    if secret is None:
        return await authenticate(bearer_token(scope["headers"]))
    return (await browser_of(scope, secret)).principal


async def authenticated_until(request: Request) -> datetime:
    """Return when the credential of a request that was authenticated expires."""
    use_cases, headers = request.app.state.use_cases, request.scope["headers"]
    secret = session_cookie(headers)
    if secret is not None:
        return (await browser_of(request.scope, secret)).expires_at
    expires_at: datetime
    _, expires_at = await use_cases.log_in.authenticate_until(bearer_token(headers))
    return expires_at


def count_further(request: Request, person: Principal, count: int) -> None:
    """Count what a request costs beyond one, or raise `ThroughputExceeded`."""
    if count <= 0:
        return
    throughput: Throughput = request.app.state.throughput
    decision = throughput.require(person.user_id, monotonic(), count)
    request.scope["state"]["headers"] = throughput.headers(decision)


class _CurrentPerson(SecurityBase):
    """The dependency of every route that needs somebody; OpenAPI shows it as a bearer token."""

    def __init__(self) -> None:
        self.model = BearerScheme(
            bearerFormat="JWT",
            description="The `access_token` that POST /users/login answers.",
        )
        self.scheme_name = SCHEME_NAME

    async def __call__(self, request: Request) -> Principal:
        state: Any = request.app.state
        person = await authenticated(
            request.scope, state.use_cases.log_in.authenticate, state.throughput
        )
        require_access(person, getattr(request.scope.get("route"), "operation_id", None))
        return person


current_person = _CurrentPerson()


class _CurrentBrowser(SecurityBase):
    """The dependency of what only a browser's session can ask for; a token does not do."""

    def __init__(self) -> None:
        self.model = CookieScheme(**{"in": ParameterPlace.cookie, "name": COOKIE_NAME})
        self.scheme_name = COOKIE_SCHEME_NAME

    async def __call__(self, request: Request) -> Browser:
        # Whoever comes with something else is told what of it is wrong first.
        await current_person(request)
        secret = session_cookie(request.scope["headers"])
        if secret is None:
            raise Unauthenticated
        return await browser_of(request.scope, secret)


current_browser = _CurrentBrowser()


def client_of(request: Request) -> Client:
    """Return where a request came from: the real peer, or what a trusted proxy says of it."""
    peer = request.client.host if request.client is not None else ""
    proxies: TrustedProxies = getattr(request.app.state, "trusted_proxies", NO_PROXIES)
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return Client(proxies.address_of(peer, forwarded), request.headers.get("user-agent"))
