"""Access tokens: JWTs of one form only (RFC 9068, ES256), signed by python-jose.

python-jose is asked for no more than the signature. Everything that it would leave open (which
headers, which algorithm, whether `exp` or `aud` may be missing, of which type a claim is) is
decided here: a token is refused unless it looks exactly like one of ours.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from jose import jws
from jose.exceptions import JOSEError

from wallet.application.ports import AccessToken
from wallet.domain.sessions import ACCESS_LIFETIME_MAX, TokenExpired, TokenInvalid
from wallet.infrastructure.security.keys import ALGORITHM, SigningKeys

TYPE = "at+jwt"
TOKEN_LENGTH_MAX = 4096
CLOCK_SKEW_S = 5
"""How far the clocks of two of our machines may be apart."""
CLAIMS = frozenset({"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"})
_HEADERS = frozenset({"alg", "kid", "typ"})
_SHAPE = re.compile(r"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{86}")
_LIFETIME_MAX_S = int(ACCESS_LIFETIME_MAX.total_seconds())


class JwtTokens:
    """Issues access tokens and verifies its own."""

    def __init__(self, *, keys: SigningKeys, issuer: str, audience: str) -> None:
        if not issuer or not audience:
            raise ValueError("access tokens need an issuer and an audience")
        self._keys = keys
        self._verifying = keys.by_kid()
        self._issuer = issuer
        self._audience = audience

    def issue(self, user_id: UUID, session_id: UUID, now: datetime, expires_at: datetime) -> str:
        """Return a signed token, valid from `now` until `expires_at`, to the second."""
        issued_at = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": str(uuid4()),
            "iat": issued_at,
            "nbf": issued_at,
            "exp": int(expires_at.timestamp()),
        }
        current = self._keys.current
        headers = {"kid": current.kid, "typ": TYPE}
        # A key object is what jose takes as it is; its stubs only know of what it is made from.
        key: Any = current.private
        return str(jws.sign(claims, key, headers=headers, algorithm=ALGORITHM))

    def verify(self, token: str, now: datetime) -> AccessToken:
        """Return what a token says; raise `TokenInvalid` or `TokenExpired`."""
        if len(token) > TOKEN_LENGTH_MAX or not _SHAPE.fullmatch(token):
            raise TokenInvalid
        header, body, signature = token.split(".")
        fields = _json_of(header)
        if fields.keys() != _HEADERS or fields["alg"] != ALGORITHM or fields["typ"] != TYPE:
            raise TokenInvalid
        kid = fields["kid"]
        signer = self._verifying.get(kid) if isinstance(kid, str) else None
        if signer is None:
            raise TokenInvalid
        _bytes_of(signature)
        key: Any = signer.public
        try:
            jws.verify(token, key, algorithms=[ALGORITHM])
        except JOSEError:
            raise TokenInvalid from None
        return self._access(_json_of(body), int(now.timestamp()))

    def jwks(self) -> Mapping[str, Any]:
        """Return the public keys as a JSON Web Key Set."""
        return self._keys.jwks()

    def _access(self, claims: Mapping[str, Any], now_s: int) -> AccessToken:
        if claims.keys() != CLAIMS:
            raise TokenInvalid
        if claims["iss"] != self._issuer or claims["aud"] != self._audience:
            raise TokenInvalid
        issued_s, begins_s, expires_s = (_whole(claims[name]) for name in ("iat", "nbf", "exp"))
        if max(issued_s, begins_s) > now_s + CLOCK_SKEW_S:
            raise TokenInvalid
        if not 0 < expires_s - issued_s <= _LIFETIME_MAX_S:
            raise TokenInvalid
        _uuid(claims["jti"])
        if now_s >= expires_s:
            raise TokenExpired
        return AccessToken(
            _uuid(claims["sub"]), _uuid(claims["sid"]), datetime.fromtimestamp(expires_s, UTC)
        )


def _bytes_of(segment: str) -> bytes:
    """Decode base64url strictly: one text for each content, or two tokens would be the same."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise TokenInvalid from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode("ascii") != segment:
        raise TokenInvalid
    return decoded


def _json_of(segment: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_bytes_of(segment))
    except (ValueError, RecursionError):
        raise TokenInvalid from None
    if not isinstance(value, dict):
        raise TokenInvalid
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TokenInvalid
    return value


def _uuid(value: object) -> UUID:
    if not isinstance(value, str):
        raise TokenInvalid
    try:
        parsed = UUID(value)
    except ValueError:
        raise TokenInvalid from None
    if str(parsed) != value:
        raise TokenInvalid
    return parsed
