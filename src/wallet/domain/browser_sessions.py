"""Sessions of browsers: known by a cookie that no script can read, and ended by not being used.

Such a session is a session like any other, listed and revoked with them. Instead of refresh tokens
it has the secret in the cookie. It ends when nobody has used it for a while, and after some hours
however much it is used.

A page opens a live stream by WebSocket with a ticket, good once and for 30 seconds: then no lasting
credential passes through a script.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Unauthenticated
from wallet.domain.sessions import Principal, Session

IDLE_MAX = timedelta(minutes=30)
"""How long a browser's session lasts without being used, unless set otherwise."""
LIFETIME_MAX = timedelta(hours=12)
"""How long it lasts however much it is used, unless set otherwise."""
TICKET_LIFETIME = timedelta(seconds=30)


class TicketInvalid(Unauthenticated):
    """The ticket is not valid, was used before, or has expired."""

    code = "ticket-invalid"


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The secret of a browser's session as it is kept: its SHA-256, never itself.

    `ends_at` is when the session ends however much it is used.
    """

    digest: bytes
    session_id: UUID
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class LiveTicket:
    """What opens one live stream, as it is kept; the stream lasts until `stream_ends_at`."""

    digest: bytes
    principal: Principal
    expires_at: datetime
    stream_ends_at: datetime


class SessionCookies(Protocol):
    """Browsers' sessions, by their cookies."""

    async def add(self, session: Session, cookie: SessionCookie) -> None:
        """Add a session with its cookie."""
        ...

    async def find(self, digest: bytes, now: datetime) -> UUID | None:
        """Return the id of the live session that a cookie belongs to."""
        ...

    async def use(
        self, digest: bytes, now: datetime, idle: timedelta
    ) -> tuple[Principal, datetime] | None:
        """Let a live session last for `idle` from now, or until it ends for good.

        Returns whose it is and until when it lasts; None if it is not live or not known.
        """
        ...


class LiveTickets(Protocol):
    """Tickets that have not been used."""

    async def add(self, ticket: LiveTicket) -> None:
        """Keep a ticket."""
        ...

    async def take(self, digest: bytes, now: datetime) -> LiveTicket | None:
        """Use up a ticket; return None if it is unknown, used or expired."""
        ...
