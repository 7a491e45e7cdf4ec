"""Statements become files on a thread of their own, one at a time, while others are answered."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from wallet.application.statements import StatementFormat
from wallet.domain.errors import Overloaded
from wallet.domain.statements import Statement

WAITING_MAX = 8


class ThreadedStatementWriter:
    """Writes statements on one thread; whoever comes when too many wait is told to come back."""

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="statements")
        self._waiting_max = waiting_max
        self._waiting = 0

    async def write(self, statement: Statement, form: StatementFormat) -> bytes:
        """Return the file; raise `Overloaded` if too many are waiting already."""
        if self._waiting >= self._waiting_max:
            raise Overloaded
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, _write, statement, form)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the thread end once it has written what it is writing."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _write(statement: Statement, form: StatementFormat) -> bytes:
    # What lays out pages takes megabytes: only a process that is asked for one loads it.
    from wallet.infrastructure.statements import camt053_of, csv_of, pdf_of

    writers = {
        StatementFormat.CSV: csv_of,
        StatementFormat.CAMT_053: camt053_of,
        StatementFormat.PDF: pdf_of,
    }
    return writers[form](statement)
