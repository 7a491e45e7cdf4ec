"""Who is asking: access tokens, verified once and then recognised by their digest; or API keys."""

from datetime import datetime
from hashlib import sha256

from wallet.application.key_authentication import KeyAuthentication
from wallet.application.ports import Clock, TokenIssuer
from wallet.application.revocations import Revocations
from wallet.domain.api_keys import PREFIX
from wallet.domain.sessions import Principal, TokenExpired, TokenInvalid

CACHE_SIZE_MAX = 10_000
TOKEN_LENGTH_MAX = 4096
"""Longer ones are refused unread: ours have a few hundred characters."""


class Authentication:
    """Turns access tokens into principals; expiry and revocation are checked every time.

    What looks like an API key is left to `keys`.
    """

    def __init__(
        self,
        *,
        tokens: TokenIssuer,
        revocations: Revocations,
        clock: Clock,
        keys: KeyAuthentication,
        cache_size_max: int = CACHE_SIZE_MAX,
    ) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._clock = clock
        self._keys = keys
        self._cache_size_max = cache_size_max
        self._verified: dict[bytes, tuple[Principal, datetime]] = {}

    async def authenticate(self, token: str) -> Principal:
        """Return who a token stands for.

        Raises `TokenInvalid`, `TokenExpired` or `SessionRevoked`, an `ApiKeyInvalid`,
        `ApiKeyExpired` or `ApiKeyRevoked`, or `Interrupted` if only the database could tell and it
        cannot be reached.
        """
        return (await self.authenticate_until(token))[0]

    async def authenticate_until(self, token: str) -> tuple[Principal, datetime]:
        """Return who a token stands for, and when it expires; raises the same."""
        if token.startswith(PREFIX):
            return await self._keys.authenticate_until(token)
        if len(token) > TOKEN_LENGTH_MAX:
            raise TokenInvalid
        now = self._clock()
        digest = sha256(token.encode("utf-8", "replace")).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verify(token, digest, now)
        principal, expires_at = known
        if now >= expires_at:
            del self._verified[digest]
            raise TokenExpired
        await self._revocations.require_live(principal.session_id, now)
        return known

    def _verify(self, token: str, digest: bytes, now: datetime) -> tuple[Principal, datetime]:
        verified = self._tokens.verify(token, now)
        known = (Principal(verified.user_id, verified.session_id), verified.expires_at)
        if len(self._verified) >= self._cache_size_max:
            # The one that came first is forgotten; it only costs another verification.
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = known
        return known
