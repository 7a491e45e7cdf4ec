"""Which sessions and API keys have ended lately: in memory, read from the database each second."""

import asyncio
from collections.abc import Iterable, Mapping
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
"""After this, no access token of a revoked session can still be valid, and no cache holds a key."""
CAUGHT_UP_MAX = timedelta(days=1)
"""How much is read after an outage; streams of API keys may have outlived all of it."""


class Revocations:
    """What one process knows of credentials that ended: at once its own, others' within seconds.

    A session ends when it is revoked. A secret of an API key is given an end when the key is
    revoked or rotated; secrets have ids of their own.
    """

    def __init__(
        self, *, unit_of_work: UnitOfWorkFactory, clock: Clock, report: ReportError
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._report = report
        self._until: dict[UUID, datetime] = {}
        self._ends: dict[UUID, datetime] = {}
        self._refreshed_at: datetime | None = None
        self._stale_at: datetime | None = None

    def add(self, session_ids: Iterable[UUID]) -> None:
        """Refuse these sessions from now on, without waiting for the next refresh."""
        until = self._clock() + KEPT
        for session_id in session_ids:
            self._until[session_id] = until

    def end(self, secrets: Mapping[UUID, datetime]) -> None:
        """Refuse these secrets of API keys from their ends on."""
        self._ends.update(secrets)

    def is_revoked(self, session_id: UUID) -> bool:
        """Tell whether a session is known to have been revoked, or a secret to have ended."""
        return session_id in self._until or self.has_ended(session_id, self._clock())

    def has_ended(self, secret_id: UUID, now: datetime) -> bool:
        """Tell whether a secret of an API key is known to have ended."""
        ends_at = self._ends.get(secret_id)
        return ends_at is not None and now >= ends_at

    def is_stale(self, now: datetime) -> bool:
        """Tell whether the database has not been heard of for 5 s, so that it must be asked."""
        return self._stale_at is None or now >= self._stale_at

    async def require_live(self, session_id: UUID, now: datetime) -> None:
        """Raise `SessionRevoked` if a session has been revoked.

        If the database has not been heard of for 5 s, it is asked; if it cannot be, what that
        raises is an outage and says nothing about the session.
        """
        if session_id in self._until:
            raise SessionRevoked
        if self.is_stale(now):
            async with self._unit_of_work() as work:
                live = await work.sessions.is_live(session_id, now)
            if not live:
                raise SessionRevoked

    async def refresh(self) -> None:
        """Read what has been revoked since the last time; raise `Interrupted` in an outage."""
        now = self._clock()
        age = KEPT
        if self._refreshed_at is not None:
            age = min(abs(now - self._refreshed_at) + OVERLAP, CAUGHT_UP_MAX)
        async with self._unit_of_work() as work:
            revoked = await work.sessions.revoked_within(age)
            ended = await work.api_keys.ended_within(age)
        until = now + KEPT
        for session_id in revoked:
            self._until.setdefault(session_id, until)
        self._until = {id_: end for id_, end in self._until.items() if end > now}
        for secret_id, ends_at in ended:
            # The first time that is heard of counts: an end without a time is one that has been.
            self._ends[secret_id] = ends_at or min(now, self._ends.get(secret_id, now))
        self._ends = {id_: end for id_, end in self._ends.items() if end > now - KEPT}
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
