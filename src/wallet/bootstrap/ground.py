"""The ground that both halves of the application stand on: people, and their money."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from wallet.application.ports import ReportError
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.settings import Settings

Log = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Ground:
    """One process's settings, pools and log; `stack` takes down what is built, last first."""

    settings: Settings
    directory: Path
    pool: Pool
    reading_pool: Pool
    stack: AsyncExitStack
    log: Log
    report: ReportError

    def unit_of_work(self) -> PostgresUnitOfWork:
        """Return a new unit of work on the pool."""
        return PostgresUnitOfWork(self.pool)

    def reading(self) -> PostgresUnitOfWork:
        """Return a new unit of work that only reads."""
        return PostgresUnitOfWork(self.reading_pool, transaction=False)
