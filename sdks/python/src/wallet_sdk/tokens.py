"""What a log-in leaves in the hands of the client."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from wallet_sdk.models import TokensAnswer

_MARGIN_MAX = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, and the refresh token that gets the next one.

    A refresh token works once: whoever keeps tokens must keep the newest (`on_tokens`), and no two
    programs can share them, because using one a second time ends the session.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    renew_at: datetime

    @classmethod
    def of(cls, answer: TokensAnswer, now: datetime | None = None) -> "Tokens":
        """Read the answer to a log-in or a refresh."""
        lifetime = timedelta(seconds=answer.expires_in)
        expires_at = (now or datetime.now(UTC)) + lifetime
        return cls(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token,
            expires_at=expires_at,
            renew_at=expires_at - min(_MARGIN_MAX, lifetime / 10),
        )
