"""Work that nobody waits for, such as sending mail: bounded, supervised, and ended with care."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from wallet.application.ports import ReportError
from wallet.domain.errors import Overloaded

TASKS_MAX = 1_000


class Background:
    """A limited number of tasks; what they raise is reported and changes nothing else."""

    def __init__(self, report: ReportError, *, tasks_max: int = TASKS_MAX) -> None:
        self._report = report
        self._tasks_max = tasks_max
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on its own; raise `Overloaded` if too many run already."""
        if len(self._tasks) >= self._tasks_max:
            work.close()
            raise Overloaded
        task = asyncio.get_running_loop().create_task(self._supervise(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, timeout_s: float = 5.0) -> None:
        """Wait for what is running, and cancel what takes longer than `timeout_s`."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _supervise(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else hears of it
            self._report(error)
