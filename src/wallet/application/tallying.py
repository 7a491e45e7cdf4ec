"""Tallying: counts what was booked, minute by minute, beside the money path.

One process counts at a time, so many steps one after another; how far it has come is kept with what
it counted, in one transaction. A counter that is killed goes on where the last one was.
"""

import asyncio
from dataclasses import replace
from uuid import UUID

from wallet.application.ports import ReportError
from wallet.application.unit_of_work import Interrupted, UnitOfWorkFactory
from wallet.domain.tallies import MINUTE, STEP_MAX, TallyStep, caught_up, first_progress, next_step

INTERVAL_S = 5.0
NEXT_STEP_S = 0.1
LEASE_S = 15.0


class Tallying:
    """Counts step by step."""

    def __init__(
        self, *, unit_of_work: UnitOfWorkFactory, holder: UUID, report: ReportError
    ) -> None:
        self._unit_of_work = unit_of_work
        self._holder = holder
        self._report = report
        self._step_max = STEP_MAX

    async def count(self) -> TallyStep | None:
        """Do the next step; return None if there was none or another process counts.

        What takes too long for the database is tried again in halves, down to a minute.
        """
        try:
            step = await self._count()
        except Interrupted:
            minutes = self._step_max // MINUTE
            self._step_max = max(1, minutes // 2) * MINUTE
            raise
        if step is not None:
            self._step_max = min(STEP_MAX, 2 * self._step_max)
        return step

    async def _count(self) -> TallyStep | None:
        async with self._unit_of_work() as work:
            now = await work.tallies.now()
            if await work.tallies.progress() is None:
                first = first_progress(now, await work.tallies.first_booked_at())
                await work.tallies.begin(first)
            progress = await work.tallies.lease(self._holder, LEASE_S)
            if progress is not None:
                progress = caught_up(progress, now)
            step = None if progress is None else next_step(progress, now, self._step_max)
            if progress is not None and step is not None:
                if step.again:
                    await work.tallies.replace(step.since, step.until)
                    progress = replace(progress, recounted_to=step.until)
                else:
                    await work.tallies.add(step.since, step.until)
                    progress = replace(progress, counted_to=step.until)
                await work.tallies.advance(progress)
            await work.commit()
        return step

    async def run(self) -> None:
        """Count until cancelled; what fails is reported and tried again."""
        step: TallyStep | None = None
        while True:
            # Whole stretches that nobody has counted yet come one right after the other.
            behind = step is not None and step.until - step.since >= MINUTE
            await asyncio.sleep(NEXT_STEP_S if behind else INTERVAL_S)
            try:
                step = await self.count()
            except Exception as error:  # noqa: BLE001 - a counter that dies would never be missed
                step = None
                self._report(error)
