"""Which sessions were revoked lately: in memory, read from the database each second."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from wallet.application.ports import Clock, ReportError
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.sessions import ACCESS_LIFETIME_MAX, SessionRevoked

INTERVAL_S = 1.0
STALE_AFTER = timedelta(seconds=5)
OVERLAP = timedelta(seconds=30)
"""How much of the past is read again each time: a commit may come later than its time stamp."""
KEPT = ACCESS_LIFETIME_MAX + timedelta(minutes=1)
"""After this, no access token of a revoked session can still be valid."""


class Revocations:
    """The revoked sessions of one process: at once its own, those of others within seconds."""

    def __init__(
        self, *, unit_of_work: UnitOfWorkFactory, clock: Clock, report: ReportError
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._report = report
        self._until: dict[UUID, datetime] = {}
        self._refreshed_at: datetime | None = None
        self._stale_at: datetime | None = None

    def add(self, session_ids: Iterable[UUID]) -> None:
        """Refuse these sessions from now on, without waiting for the next refresh."""
        until = self._clock() + KEPT
        for session_id in session_ids:
            self._until[session_id] = until

    def is_revoked(self, session_id: UUID) -> bool:
        """Tell whether a session is known to have been revoked."""
        return session_id in self._until

    async def require_live(self, session_id: UUID, now: datetime) -> None:
        """Raise `SessionRevoked` if a session has been revoked.

        If the database has not been heard of for 5 s, it is asked; if it cannot be, what that
        raises is an outage and says nothing about the session.
        """
        if session_id in self._until:
            raise SessionRevoked
        if self._stale_at is None or now >= self._stale_at:
            async with self._unit_of_work() as work:
                live = await work.sessions.is_live(session_id, now)
            if not live:
                raise SessionRevoked

    async def refresh(self) -> None:
        """Read what has been revoked since the last time; raise `Interrupted` in an outage."""
        now = self._clock()
        age = KEPT
        if self._refreshed_at is not None:
            age = min(abs(now - self._refreshed_at) + OVERLAP, KEPT)
        async with self._unit_of_work() as work:
            revoked = await work.sessions.revoked_within(age)
        until = now + KEPT
        for session_id in revoked:
            self._until.setdefault(session_id, until)
        self._until = {id_: end for id_, end in self._until.items() if end > now}
        self._refreshed_at = now
        self._stale_at = now + STALE_AFTER

    async def run(self) -> None:
        """Refresh each second until cancelled; an outage is reported and outlived."""
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - a refresher that dies would never be missed
                self._report(error)
            await asyncio.sleep(INTERVAL_S)
