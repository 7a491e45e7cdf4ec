"""Cookies of browsers' sessions, and tickets for live streams, on PostgreSQL."""

from datetime import datetime, timedelta
from uuid import UUID

from wallet.domain.browser_sessions import LiveTicket, SessionCookie
from wallet.domain.sessions import Principal, Session
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection
from wallet.infrastructure.postgres.sessions import ADD_SESSION, session_values

ADD_COOKIE = "INSERT INTO session_cookies (digest, session_id, ends_at) VALUES ($1, $2, $3)"

FIND = """
SELECT s.id FROM session_cookies c JOIN sessions s ON s.id = c.session_id
WHERE c.digest = $1 AND s.revoked_at IS NULL AND s.expires_at > $2
"""

# Whoever revokes it meanwhile holds the row; what they wrote is looked at again after them.
USE = """
UPDATE sessions AS s SET
    last_used_at = greatest(s.last_used_at, $2),
    expires_at = least($2::timestamptz + $3::interval, c.ends_at)
FROM session_cookies c
WHERE c.digest = $1 AND s.id = c.session_id AND s.revoked_at IS NULL AND s.expires_at > $2
RETURNING s.id, s.user_id, s.expires_at
"""

ADD_TICKET = """
INSERT INTO live_tickets (digest, user_id, session_id, expires_at, stream_ends_at)
VALUES ($1, $2, $3, $4, $5)
"""

TAKE_TICKET = """
DELETE FROM live_tickets WHERE digest = $1
RETURNING digest, user_id, session_id, expires_at, stream_ends_at
"""


class PostgresSessionCookies:
    """Browsers' sessions by their cookies, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, session: Session, cookie: SessionCookie) -> None:
        """Add a session with its cookie."""
        with translated():
            await self._connection.execute(ADD_SESSION, *session_values(session))
            await self._connection.execute(
                ADD_COOKIE, cookie.digest, cookie.session_id, cookie.ends_at
            )

    async def find(self, digest: bytes, now: datetime) -> UUID | None:
        """Return the id of the live session that a cookie belongs to."""
        with translated():
            found: UUID | None = await self._connection.fetchval(FIND, digest, now)
        return found

    async def use(
        self, digest: bytes, now: datetime, idle: timedelta
    ) -> tuple[Principal, datetime] | None:
        """Let a live session last for `idle` from now, or until it ends for good."""
        with translated():
            row = await self._connection.fetchrow(USE, digest, now, idle)
        return None if row is None else (Principal(row["user_id"], row["id"]), row["expires_at"])


class PostgresLiveTickets:
    """Tickets that have not been used, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, ticket: LiveTicket) -> None:
        """Keep a ticket."""
        with translated():
            await self._connection.execute(
                ADD_TICKET,
                ticket.digest,
                ticket.principal.user_id,
                ticket.principal.session_id,
                ticket.expires_at,
                ticket.stream_ends_at,
            )

    async def take(self, digest: bytes, now: datetime) -> LiveTicket | None:
        """Use up a ticket; return None if it is unknown, used or expired."""
        with translated():
            row = await self._connection.fetchrow(TAKE_TICKET, digest)
        if row is None or row["expires_at"] <= now:
            return None
        return LiveTicket(
            row["digest"],
            Principal(row["user_id"], row["session_id"]),
            row["expires_at"],
            row["stream_ends_at"],
        )
