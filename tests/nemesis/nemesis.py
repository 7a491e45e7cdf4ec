"""The nemesis: a seeded hand that breaks one thing after the other, and heals it again."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random

import asyncpg
import psutil
from tests.conftest import END_OTHERS
from tests.nemesis.proxy import Fault, Proxy
from tests.nemesis.service_process import ServiceProcess

from wallet.infrastructure.embedded_postgres import EmbeddedPostgres

LOCK_HOT_ROWS = "SELECT 1 FROM accounts ORDER BY version DESC LIMIT 2 FOR UPDATE"
MAINTENANCE = (
    "VACUUM FULL accounts",
    "REINDEX TABLE instructions",
    "ALTER TABLE accounts ADD COLUMN nemesis integer",
    "ALTER TABLE accounts DROP COLUMN nemesis",
    "ANALYZE entries",
)


class Nemesis:
    """Every class of fault at least once in a random order, then at random until told to stop."""

    def __init__(
        self,
        random: Random,
        *,
        service: ServiceProcess,
        proxy: Proxy,
        postgres: EmbeddedPostgres,
        superuser_url: str,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._random = random
        self._service = service
        self._proxy = proxy
        self._postgres = postgres
        self._superuser_url = superuser_url
        self._faults: dict[str, Callable[[], Awaitable[None]]] = {
            "worker killed": self._kill_worker,
            "worker paused": self._pause_worker,
            "PostgreSQL killed": self._kill_postgres,
            "PostgreSQL paused": self._pause_postgres,
            "backends terminated": self._terminate_backends,
            "connections reset": self._reset,
            "black hole": self._black_hole,
            "delay": partial(self._slow_down, delay_s=0.04),
            "dribble": partial(self._slow_down, piece_size=60),
            "rolling restart": self._roll,
            "maintenance": self._maintain,
            "rows locked": self._lock_rows,
            **{str(fault): partial(self._arm, fault) for fault in Fault},
        }

    @property
    def classes(self) -> int:
        return len(self._faults)

    async def strike(self, duration_s: float) -> None:
        """Break things for a while; every class once, if there is time for that."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + duration_s
        waiting = self._random.sample(sorted(self._faults), len(self._faults))
        while loop.time() < end_s:
            names = [waiting.pop() if waiting else self._random.choice(sorted(self._faults))]
            if self._random.random() < 0.25:
                names.append(self._random.choice(sorted(self._faults)))
            self.counts.update(names)
            await asyncio.gather(*(self._faults[name]() for name in dict.fromkeys(names)))
            self._proxy.heal()
            await asyncio.sleep(self._random.uniform(0.1, 0.8))

    async def _kill_worker(self) -> None:
        workers = self._service.worker_pids()
        if workers:
            self._service.signal(signal.SIGKILL, self._random.choice(workers))
        await asyncio.sleep(1)

    async def _pause_worker(self) -> None:
        workers = self._service.worker_pids()
        if workers:
            victim = self._random.choice(workers)
            with _paused([victim]):
                await asyncio.sleep(self._random.uniform(0.3, 1.5))

    async def _kill_postgres(self) -> None:
        pid = self._postgres.postmaster_pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(1.5)

    async def _pause_postgres(self) -> None:
        pid = self._postgres.postmaster_pid
        if pid is None:
            return
        with contextlib.suppress(psutil.Error):
            postmaster = psutil.Process(pid)
            pids = [pid, *(child.pid for child in postmaster.children())]
            with _paused(pids):
                await asyncio.sleep(self._random.uniform(0.5, 2.5))

    async def _terminate_backends(self) -> None:
        await self._execute(END_OTHERS)

    async def _reset(self) -> None:
        for _ in range(3):
            self._proxy.reset_all()
            await asyncio.sleep(0.1)

    async def _black_hole(self) -> None:
        self._proxy.black_hole()
        await asyncio.sleep(self._random.uniform(0.5, 4))

    async def _slow_down(self, *, delay_s: float = 0.0, piece_size: int = 0) -> None:
        self._proxy.slow_down(delay_s=delay_s, piece_size=piece_size)
        await asyncio.sleep(self._random.uniform(0.5, 2))

    async def _arm(self, fault: Fault) -> None:
        self._proxy.arm(fault, self._random.randint(1, 10))
        await asyncio.sleep(0.5)

    async def _roll(self) -> None:
        self._service.signal(signal.SIGHUP)
        await asyncio.sleep(2.5)

    async def _maintain(self) -> None:
        for statement in MAINTENANCE:
            await self._execute(statement)

    async def _lock_rows(self) -> None:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(4):
                connection = await asyncpg.connect(self._superuser_url)
                try:
                    async with connection.transaction():
                        await connection.fetch(LOCK_HOT_ROWS)
                        await asyncio.sleep(self._random.uniform(0.5, 1.8))
                finally:
                    connection.terminate()

    async def _execute(self, statement: str) -> None:
        """Run a statement as the superuser; in the middle of other faults it may well fail."""
        with contextlib.suppress(
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError
        ):
            async with asyncio.timeout(4):
                connection = await asyncpg.connect(self._superuser_url)
                try:
                    await connection.execute("SET lock_timeout = '1s'")
                    await connection.execute(statement)
                finally:
                    connection.terminate()


@contextmanager
def _paused(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
