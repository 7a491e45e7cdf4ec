"""Sessions: how somebody who has logged in is known from then on, and how that ends.

A session lives in the database and has one refresh token at a time, opaque and single use: using
one makes the next. A token that comes a second time was stolen, from us or from its owner, and
nobody can tell by whom: so the whole session ends. Access tokens are short-lived and name their
session; those of a revoked one are refused until they would have expired anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self
from uuid import UUID

from wallet.domain.api_keys import Grant
from wallet.domain.errors import Forbidden, Invalid, NotFound, Unauthenticated

ACCESS_LIFETIME_MAX = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(days=30)
"""How long a session lasts without being used."""
MAIL_TOKEN_LIFETIME = timedelta(minutes=30)
SESSIONS_MAX = 50
"""How many live sessions a person may have; logging in once more ends the one unused longest."""
USER_AGENT_LENGTH_MAX = 200


class CredentialsInvalid(Unauthenticated):
    """The e-mail address or the password is wrong."""

    code = "credentials-invalid"


class TokenInvalid(Unauthenticated):
    """The access token is not valid."""

    code = "token-invalid"


class TokenExpired(Unauthenticated):
    """The access token has expired; refresh it."""

    code = "token-expired"


class SessionRevoked(Unauthenticated):
    """The session has ended; log in again."""

    code = "session-revoked"


class RefreshTokenInvalid(Unauthenticated):
    """The refresh token is not valid or has expired; log in again."""

    code = "refresh-token-invalid"


class RefreshTokenReused(Unauthenticated):
    """The refresh token was used before, so its session has ended; log in again."""

    code = "refresh-token-reused"


class PasswordWrong(Forbidden):
    """The current password is wrong."""

    code = "password-wrong"


class GrantRefused(Forbidden):
    """Logging in like this is not open to you."""

    code = "grant-refused"


class MailTokenInvalid(Invalid):
    """The token from the mail is not valid, was used before, or has expired."""

    code = "mail-token-invalid"


class SessionNotFound(NotFound):
    """You have no such session."""

    code = "session-not-found"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, as a credential shows it; what people may do is read from the database.

    A person who has logged in comes without a grant. A machine comes with what its API key grants,
    and `session_id` is then the id of the secret it sent: that is what is revoked.
    """

    user_id: UUID
    session_id: UUID
    grant: Grant | None = None

    @property
    def spending_key_id(self) -> UUID | None:
        """The API key under whose spending rule payments are made, if it is one with a rule."""
        grant = self.grant
        return None if grant is None or not grant.spends else grant.api_key_id


@dataclass(frozen=True, slots=True)
class Session:
    """One log-in of a person; `user_agent` and `address` help the owner to recognise it."""

    id: UUID
    user_id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str | None = None
    address: str | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Return whether it can still be used."""
        return self.revoked_at is None and now < self.expires_at

    def used(self, now: datetime, lifetime: timedelta) -> Self:
        """Return the session after it has been used: it lasts as long again from now."""
        return replace(self, last_used_at=now, expires_at=now + lifetime)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token as it is kept: its SHA-256, never itself."""

    digest: bytes
    session_id: UUID
    created_at: datetime
    used_at: datetime | None = None


class MailPurpose(StrEnum):
    """What a token in a mail is for."""

    VERIFY_EMAIL = "verify-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105 - the name of a purpose


@dataclass(frozen=True, slots=True)
class MailToken:
    """A single-use token that was mailed to `address`, as it is kept: its SHA-256."""

    digest: bytes
    user_id: UUID
    purpose: MailPurpose
    address: str
    created_at: datetime
    expires_at: datetime


def user_agent_of(text: str | None) -> str | None:
    """Return what a client calls itself, printable and at most 200 characters, or None."""
    shown = "".join(filter(str.isprintable, text or "")).strip()
    return shown[:USER_AGENT_LENGTH_MAX] or None


class Sessions(Protocol):
    """Sessions and their refresh tokens."""

    async def add(self, session: Session, token: RefreshToken) -> None:
        """Add a session with its first refresh token."""
        ...

    async def lock_token(self, digest: bytes) -> RefreshToken | None:
        """Return a refresh token, used or not, and keep others from using it meanwhile."""
        ...

    async def lock(self, session_id: UUID) -> Session | None:
        """Return a session and keep others from revoking it meanwhile."""
        ...

    async def rotate(self, used: RefreshToken, fresh: RefreshToken, session: Session) -> None:
        """Mark a locked token as used, add the one that follows it, and write how far the session
        reaches now.
        """
        ...

    async def of_user(self, user_id: UUID, now: datetime) -> Sequence[Session]:
        """Return a person's live sessions, the one used last first."""
        ...

    async def is_live(self, session_id: UUID, now: datetime) -> bool:
        """Return whether a session can still be used."""
        ...

    async def revoke(self, session_ids: Sequence[UUID], now: datetime) -> None:
        """End sessions; those that have ended already stay as they are."""
        ...

    async def revoke_all(
        self, user_id: UUID, now: datetime, *, spare: UUID | None = None
    ) -> Sequence[UUID]:
        """End a person's sessions but `spare`, and return which ones."""
        ...

    async def revoked_within(self, age: timedelta) -> Sequence[UUID]:
        """Return the sessions revoked during the last `age`, by the database's clock."""
        ...


class MailTokens(Protocol):
    """Tokens that went out by mail."""

    async def add(self, token: MailToken) -> None:
        """Keep a token."""
        ...

    async def take(self, digest: bytes, purpose: MailPurpose, now: datetime) -> MailToken | None:
        """Use up a token; return None if it is unknown, used, expired or for something else."""
        ...

    async def spend_all(self, user_id: UUID, purpose: MailPurpose, now: datetime) -> None:
        """Use up all of a person's tokens for a purpose."""
        ...
