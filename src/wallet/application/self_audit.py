"""The self-audit: reads all accounts again and again, slice by slice, and stops the money if wrong.

A slice is read in one snapshot, so what is committed meanwhile is either whole in it or not at
all. One process audits at a time, so many entries a second, and none while money waits.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from wallet.application.ports import Clock, ReportError
from wallet.application.safe_mode import SafeMode
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.audits import Progress, Slices, slice_violations
from wallet.domain.invariants import Violation

INTERVAL_S = 1.0
LEASE_S = 10.0
VIOLATIONS_TOLD_MAX = 5


class SelfAudit:
    """Audits slice by slice; how far it has come survives the process."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        slices: Slices,
        safe_mode: SafeMode,
        holder: UUID,
        clock: Clock,
        report: ReportError,
        entries_per_second: int,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._slices = slices
        self._safe_mode = safe_mode
        self._holder = holder
        self._clock = clock
        self._report = report
        self._entries_max = entries_per_second
        self._busy = busy

    async def audit(self) -> Progress | None:
        """Audit one slice; return how far that came, or None if another process audits."""
        async with self._unit_of_work() as work:
            progress = await work.audits.lease(self._holder, LEASE_S)
            if progress is None:
                return None
            if progress.began_at is None:
                progress = replace(progress, began_at=self._clock())
            accounts, ended = await self._slices.read(progress, self._entries_max)
            violations = slice_violations(accounts)
            entries = progress.entries + sum(len(account.entries) for account in accounts)
            if ended:
                progress = Progress(completed_at=self._clock())
            elif accounts:
                last = accounts[-1]
                version = last.before.version if last.before is not None else 0
                progress = replace(
                    progress,
                    account_id=last.account.id,
                    version=version + len(last.entries),
                    entries=entries,
                )
            await work.audits.advance(progress)
            await work.commit()
        if violations:
            await self._safe_mode.enter(_told(violations))
        return progress

    async def run(self) -> None:
        """Audit a slice each second until cancelled; what fails is reported and tried again."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            if self._busy():
                continue
            try:
                await self.audit()
            except Exception as error:  # noqa: BLE001 - an audit that dies would never be missed
                self._report(error)


def _told(violations: list[Violation]) -> str:
    told = "; ".join(map(str, violations[:VIOLATIONS_TOLD_MAX]))
    more = len(violations) - VIOLATIONS_TOLD_MAX
    return f"{told}; and {more} more" if more > 0 else told
