"""In-memory twins of session cookies and tickets."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from wallet.domain.browser_sessions import LiveTicket, SessionCookie
from wallet.domain.sessions import Principal, Session

if TYPE_CHECKING:
    from tests.fakes.people import PeopleStore


class MemorySessionCookies:
    """Browsers' sessions of one unit of work."""

    def __init__(self, store: "PeopleStore") -> None:
        self._store = store

    async def add(self, session: Session, cookie: SessionCookie) -> None:
        self._store.sessions[session.id] = session
        self._store.cookies[cookie.digest] = cookie

    async def find(self, digest: bytes, now: datetime) -> UUID | None:
        session = self._live(digest, now)
        return None if session is None else session.id

    async def use(
        self, digest: bytes, now: datetime, idle: timedelta
    ) -> tuple[Principal, datetime] | None:
        session = self._live(digest, now)
        if session is None:
            return None
        expires_at = min(now + idle, self._store.cookies[digest].ends_at)
        self._store.sessions[session.id] = replace(
            session, last_used_at=max(session.last_used_at, now), expires_at=expires_at
        )
        return Principal(session.user_id, session.id), expires_at

    def _live(self, digest: bytes, now: datetime) -> Session | None:
        cookie = self._store.cookies.get(digest)
        session = None if cookie is None else self._store.sessions[cookie.session_id]
        return session if session is not None and session.is_live(now) else None


class MemoryLiveTickets:
    """Tickets of one unit of work."""

    def __init__(self, store: "PeopleStore") -> None:
        self._store = store

    async def add(self, ticket: LiveTicket) -> None:
        self._store.tickets[ticket.digest] = ticket

    async def take(self, digest: bytes, now: datetime) -> LiveTicket | None:
        ticket = self._store.tickets.pop(digest, None)
        return None if ticket is None or ticket.expires_at <= now else ticket
