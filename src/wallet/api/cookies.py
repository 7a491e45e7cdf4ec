"""The cookie of a browser's session: how it is read, set, and kept from being used by strangers.

A browser sends the cookie by itself, so the cookie alone proves nothing about whose page asks. A
request with it must therefore come from our own origin, by what the browser says of it in headers
that no script can set; and where it changes anything, it must bring the session's CSRF token, which
only our own pages can read. A cookie and a token at once are refused: whoever sends both may mean
either.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import Scope

from wallet.api.deadlines import SAFE_METHODS
from wallet.api.middleware import is_own_origin
from wallet.api.problems import ProtocolError, complete_problems, problem_responses
from wallet.application.browser_sessions import Browser
from wallet.domain.errors import Forbidden
from wallet.domain.sessions import SessionRevoked

COOKIE_NAME = "__Host-wallet"
CSRF_HEADER = "X-CSRF-Token"
SCHEME_NAME, CSRF_SCHEME_NAME = "sessionCookie", "csrfToken"

_NAME = COOKIE_NAME.encode()
_CSRF = CSRF_HEADER.lower().encode()
_ATTRIBUTES = "Path=/; HttpOnly; Secure; SameSite=Strict"
_OURS = frozenset({b"same-origin", b"none"})


class TwoCredentials(ProtocolError):
    """Send a session cookie or an Authorization header, never both."""

    code = "two-credentials"


class CrossSiteRequest(Forbidden):
    """Only our own pages may do this; the browser says that it was another one's."""

    code = "cross-site-request"


class CsrfTokenWrong(Forbidden):
    """The header X-CSRF-Token is missing or is not that of this session."""

    code = "csrf-token-wrong"


def session_cookie(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the secret in a request's session cookie, or None if it has none.

    Raises `SessionRevoked` if there are several: no browser sends two of this name.
    """
    for name, value in headers:
        if name == b"cookie" and _NAME in value:
            return _only_one(headers)
    return None


def set_cookie(secret: str, lifetime_s: int) -> str:
    """Return the header that gives a browser its session's cookie."""
    return f"{COOKIE_NAME}={secret}; Max-Age={lifetime_s}; {_ATTRIBUTES}"


def forget_cookie() -> str:
    """Return the header that makes a browser forget the cookie."""
    return f"{COOKIE_NAME}=; Max-Age=0; {_ATTRIBUTES}"


def require_own_page(scope: Scope) -> None:
    """Raise `CrossSiteRequest` unless a browser vouches that one of our own pages asks.

    `Sec-Fetch-Site` says so, or else `Origin`; what says neither is no browser of today.
    """
    found = dict(scope["headers"])
    site, origin = found.get(b"sec-fetch-site"), found.get(b"origin", b"")
    if site is None:
        ours = is_own_origin(origin, found.get(b"host"), scope["app"].state.public_url)
    else:
        ours = site in _OURS
    if not ours:
        raise CrossSiteRequest


async def browser_of(scope: Scope, secret: str) -> Browser:
    """Return the session that a request's cookie belongs to.

    Raises `TwoCredentials`, `CrossSiteRequest`, `SessionRevoked`, or `CsrfTokenWrong` where the
    request may change something.
    """
    headers = scope["headers"]
    if any(name == b"authorization" for name, _ in headers):
        raise TwoCredentials
    require_own_page(scope)
    browser: Browser = await scope["app"].state.use_cases.browser_sessions.authenticate(secret)
    if scope["method"] not in SAFE_METHODS:
        given = [value for name, value in headers if name == _CSRF]
        if len(given) != 1 or not browser.accepts(given[0].decode("latin-1")):
            raise CsrfTokenWrong
    return browser


def document_cookies(document: dict[str, Any], bearer_scheme: str) -> dict[str, Any]:
    """Add the session cookie to an OpenAPI document, wherever an access token is asked for.

    What may change something takes the CSRF token beside it. All of it is said here, once.
    """
    document["components"].setdefault("securitySchemes", {}).update(_schemes())
    for operations in document["paths"].values():
        for method, operation in operations.items():
            ways: list[dict[str, list[str]]] = operation.get("security", [])
            others = [way for way in ways if SCHEME_NAME not in way]
            if len(others) < len(ways) or any(bearer_scheme in way for way in ways):
                changes = method.upper() not in SAFE_METHODS
                token: dict[str, list[str]] = {CSRF_SCHEME_NAME: []} if changes else {}
                operation["security"] = [*others, {SCHEME_NAME: []} | token]
                refusals = (
                    TwoCredentials,
                    CrossSiteRequest,
                    *((CsrfTokenWrong,) if changes else ()),
                )
                complete_problems(operation["responses"], problem_responses(*refusals))
    return document


def _schemes() -> Mapping[str, Any]:
    return {
        SCHEME_NAME: {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE_NAME,
            "description": "For pages that the service itself serves: set by POST /session, taken "
            "only from their own origin, and never beside an Authorization header.",
        },
        CSRF_SCHEME_NAME: {
            "type": "apiKey",
            "in": "header",
            "name": CSRF_HEADER,
            "description": "The `csrf_token` of POST or GET /session; sent along with the cookie "
            "by everything but GET and HEAD.",
        },
    }


def _only_one(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    found = []
    for name, value in headers:
        if name == b"cookie":
            for pair in value.split(b";"):
                key, _, secret = pair.partition(b"=")
                if key.strip() == _NAME:
                    found.append(secret.strip())
    if len(found) > 1:
        raise SessionRevoked
    return found[0].decode("latin-1") if found else None
