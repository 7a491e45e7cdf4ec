"""The overview: read from tallies, a few small queries, at most once a second per process."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from wallet.application.unit_of_work import Interrupted, UnitOfWork, UnitOfWorkFactory
from wallet.domain.overview import (
    HOURS_SHOWN,
    MINUTES_SHOWN,
    Integrity,
    Latency,
    Overview,
    Period,
    Spans,
    balances_of,
    series,
    summed,
    with_people,
)
from wallet.domain.tallies import HOUR, LAG, MINUTE, TallyProgress, first_progress, floor_to

KEPT_S = 1.0
TRIES_MAX = 3
BEHIND_AFTER = LAG + MINUTE
"""Counting that is further behind than this is told, and not made up for at each look."""


class Overviews:
    """Makes overviews."""

    def __init__(
        self,
        *,
        reading: UnitOfWorkFactory,
        latency: Callable[[], Latency],
        clock_s: Callable[[], float] = monotonic,
    ) -> None:
        self._reading = reading
        self._latency = latency
        self._clock_s = clock_s
        self._lock = asyncio.Lock()
        self._made: tuple[float, Overview] | None = None
        self._people: dict[datetime, tuple[int, int]] = {}

    async def read(self) -> Overview:
        """Return an overview that is a second old at most; whoever asks meanwhile waits for it."""
        async with self._lock:
            now_s = self._clock_s()
            if self._made is None or now_s - self._made[0] >= KEPT_S:
                async with self._reading() as work:
                    self._made = (now_s, await self._overview(work))
            return self._made[1]

    async def integrity(self) -> Integrity:
        """Return whether the books are what they should be, as it is known now."""
        async with self._reading() as work:
            return await _integrity(work)

    async def _overview(self, work: UnitOfWork) -> Overview:
        for _ in range(TRIES_MAX):
            made = await self._once(work)
            if made is not None:
                return made
        raise Interrupted

    async def _once(self, work: UnitOfWork) -> Overview | None:
        """Return an overview, or None if something was counted while it was read."""
        now = await work.tallies.now()
        progress = await work.tallies.progress()
        if progress is None:
            progress = first_progress(now, await work.tallies.first_booked_at())
        spans = Spans(now)
        behind = now - progress.counted_to > BEHIND_AFTER
        young = [] if behind else await work.tallies.uncounted(progress.counted_to)
        hours = [*await work.tallies.by_hour(spans.first_hour), *young]
        minutes = [*await work.tallies.by_minute(spans.first_minute, now), *young]
        hour_ago = floor_to(spans.a_day_ago, HOUR)
        part = await work.tallies.by_minute(hour_ago, spans.a_day_ago)
        if (await work.tallies.progress() or progress) != progress:
            return None
        whole = [tally for tally in hours if tally.since < hour_ago]
        since = max(progress.counted_to, now - BEHIND_AFTER)
        people = await self._people_by_hour(work, spans, progress, since)
        return Overview(
            made_at=now,
            counted_to=progress.counted_to if behind else now,
            today=Period(
                spans.today,
                now,
                summed(hours, spans.today, now + HOUR),
                await work.tallies.sign_ups(spans.today, now + MINUTE),
                await work.tallies.active_people(spans.today, since),
            ),
            yesterday=Period(
                spans.yesterday,
                spans.today,
                summed(hours, spans.yesterday, spans.today),
                await work.tallies.sign_ups(spans.yesterday, spans.today),
                await work.tallies.active_people(spans.yesterday, since),
            ),
            yesterday_by_now=Period(
                spans.yesterday,
                spans.a_day_ago,
                summed([*whole, *part], spans.yesterday, spans.a_day_ago),
                await work.tallies.sign_ups(spans.yesterday, spans.a_day_ago),
                None,
            ),
            minutes=series(minutes, spans.first_minute, MINUTE, MINUTES_SHOWN),
            hours=with_people(series(hours, spans.first_hour, HOUR, HOURS_SHOWN), people),
            balances=balances_of(await work.tallies.system_balances()),
            latency=self._latency(),
            integrity=await _integrity(work),
        )

    async def _people_by_hour(
        self, work: UnitOfWork, spans: Spans, progress: TallyProgress, uncounted_since: datetime
    ) -> dict[datetime, tuple[int, int]]:
        """Return who signed up and who moved money by hour; what is over is asked for once."""
        # What is known begins later after the database's clock was set back: all is asked again.
        begins = spans.first_hour in self._people
        known = {hour: n for hour, n in self._people.items() if begins and hour >= spans.first_hour}
        since = max(known, default=spans.first_hour - HOUR) + HOUR
        sign_ups = await work.tallies.sign_ups_by_hour(since)
        active = await work.tallies.active_by_hour(since, uncounted_since)
        people = known | {
            hour: (sign_ups.get(hour, 0), active.get(hour, 0))
            for hour in spans.hours
            if hour >= since
        }
        over = floor_to(progress.recounted_to, HOUR)
        self._people = {hour: n for hour, n in people.items() if hour < over}
        return people


async def _integrity(work: UnitOfWork) -> Integrity:
    head = await work.log.head()
    return Integrity(
        safe_mode=await work.safe_modes.current(),
        audit=await work.audits.progress(),
        last_checkpoint=await work.log.latest(),
        sealed_entries=0 if head is None else head.size,
    )
