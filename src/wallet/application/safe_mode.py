"""Safe mode in each process: a flag in memory that is read from the database each second."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from wallet.application.ports import Clock, NewId, ReportError
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.events import Event
from wallet.domain.journal import NOBODY
from wallet.domain.ledger import Instruction, Result
from wallet.domain.safe_mode import SafeModeEntered, SafeModeOn

INTERVAL_S = 1.0
RETRY_AFTER_S = 60.0

Alarm = Callable[[SafeModeEntered | None], object]
"""Told when this process learns that safe mode was entered, or (None) left."""


class Mover(Protocol):
    """What carries out single instructions."""

    def carry_out(self, instruction: Instruction) -> Coroutine[Any, Any, Result]:
        """Return the instruction's result."""
        ...


class SafeMode:
    """Whether the service is in safe mode, as far as this process knows."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        new_id: NewId,
        report: ReportError,
        alarm: Alarm = lambda entered: None,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._new_id = new_id
        self._report = report
        self._alarm = alarm
        self.current: SafeModeEntered | None = None

    async def refresh(self) -> None:
        """Read what holds now; raise `Interrupted` in an outage, which changes nothing."""
        async with self._unit_of_work() as work:
            found = await work.safe_modes.current()
        before, self.current = self.current, found
        if (before is None) != (found is None):
            self._alarm(found)

    async def enter(self, reason: str) -> None:
        """Enter it, if the service is not in it already."""
        entered = SafeModeEntered(self._new_id(), self._clock(), reason)
        async with self._unit_of_work() as work:
            if await work.safe_modes.enter(entered):
                await work.events.add(self._event("safe-mode.entered", reason=reason))
                await work.commit()
        await self.refresh()

    async def leave(self, by: str, reason: str) -> bool:
        """Leave it, as an operator; return whether the service had been in it."""
        async with self._unit_of_work() as work:
            left = await work.safe_modes.leave(self._clock(), by, reason)
            if left:
                await work.events.add(self._event("safe-mode.left", by=by, reason=reason))
                await work.commit()
        await self.refresh()
        return left

    async def run(self) -> None:
        """Refresh each second until cancelled; an outage is reported and outlived."""
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - a refresher that dies would never be missed
                self._report(error)
            await asyncio.sleep(INTERVAL_S)

    def guard(self, mover: Mover) -> "GuardedMover":
        """Return what moves money unless the service is in safe mode."""
        return GuardedMover(self, mover)

    def _event(self, kind: str, **facts: str) -> Event:
        # It happens to nobody in particular.
        return Event(self._new_id(), NOBODY, kind, facts, self._clock())


class GuardedMover:
    """Refuses to move money in safe mode; otherwise it costs one look at a field."""

    def __init__(self, safe_mode: SafeMode, mover: Mover) -> None:
        self._safe_mode = safe_mode
        self._mover = mover

    def carry_out(self, instruction: Instruction) -> Coroutine[Any, Any, Result]:
        """Return the instruction's result; raise `SafeModeOn` at once if nothing may move."""
        if self._safe_mode.current is not None:
            raise SafeModeOn(retry_after_s=RETRY_AFTER_S)
        return self._mover.carry_out(instruction)
