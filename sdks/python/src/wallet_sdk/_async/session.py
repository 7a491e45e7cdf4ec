"""Who the client is for the service: an API key, or tokens that are renewed in time."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from wallet_sdk._async.concurrency import Lock, to_the_end
from wallet_sdk.errors import ConnectionFailed, NotLoggedIn, Unauthenticated, Unavailable
from wallet_sdk.tokens import Tokens

Exchange = Callable[[str], Awaitable[Tokens]]
OnTokens = Callable[[Tokens | None], None]


class AsyncSession:
    """Credentials of one person, shared by all requests of a client.

    However many requests find the token expired at once, one of them refreshes it and the others
    wait: a refresh token works once, and a second use ends the session.
    """

    def __init__(
        self, *, api_key: str | None, tokens: Tokens | None, on_tokens: OnTokens | None
    ) -> None:
        self.api_key = api_key
        self.tokens = tokens
        self._on_tokens = on_tokens
        self._lock = Lock()

    def set_tokens(self, tokens: Tokens | None) -> None:
        """Take up new tokens, and tell who keeps them."""
        self.tokens = tokens
        if self._on_tokens is not None:
            self._on_tokens(tokens)

    async def bearer(self, exchange: Exchange) -> str:
        """Return a token or key that is good now; raise `NotLoggedIn` if there is none."""
        if self.api_key is not None:
            return self.api_key
        tokens = self._present()
        if datetime.now(UTC) < tokens.renew_at:
            return tokens.access_token
        try:
            await self.renew(tokens.access_token, exchange)
        except (ConnectionFailed, Unavailable):
            # It was early: the old one is good for a little while.
            if datetime.now(UTC) >= tokens.expires_at:
                raise
        return self._present().access_token

    async def renew(self, refused: str, exchange: Exchange) -> bool:
        """Replace the token that was refused, unless it was replaced meanwhile.

        Returns whether there is another one to try; an API key cannot be renewed.
        """
        if self.api_key is not None:
            return False
        return await to_the_end(self._renew(refused, exchange))

    async def _renew(self, refused: str, exchange: Exchange) -> bool:
        async with self._lock:
            tokens = self._present()
            if tokens.access_token != refused:
                return True
            try:
                renewed = await exchange(tokens.refresh_token)
            except Unauthenticated:
                self.set_tokens(None)
                raise
            # Somebody may have logged in anew meanwhile.
            if self.tokens is tokens:
                self.set_tokens(renewed)
            return True

    def _present(self) -> Tokens:
        if self.tokens is None:
            raise NotLoggedIn("log in first, or give an API key")
        return self.tokens
