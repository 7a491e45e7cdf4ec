"""`wallet serve` as a process of its own, with several workers, to be killed in every way."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from tests.integration.serving import free_port
from tests.nemesis.client import Connection, first_ready_s

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
HIGH_LIMITS = {
    "WALLET_THROUGHPUT_LIMIT": "1000000/10 seconds",
    "WALLET_SIGN_UP_LIMIT": "100000",
    "WALLET_LOG_IN_LIMIT": "100000",
    "WALLET_RECIPIENT_MISS_LIMIT": "100000",
}
FOREIGN = ("WALLET_", "COVERAGE_", "COV_CORE_", "PROMETHEUS_")


class ServiceProcess:
    """The service with its own environment, directory, port and log; ends with the `async with`."""

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str | None = None,
        owner_url: str | None = None,
        workers: int = 2,
        **settings: str,
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.workers = workers
        self._log = directory / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._ever: dict[int, psutil.Process] = {}
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)},
            **HIGH_LIMITS,
            "WALLET_DATA_DIRECTORY": str(directory / "data"),
            "WALLET_LOG_LEVEL": "info",
            **settings,
        }
        if database_url is not None:
            # What a killed parent leaves behind is then left in here.
            self._environment["TMPDIR"] = str(directory)
            self._environment["WALLET_DATABASE_URL"] = database_url
            self._environment["WALLET_DATABASE_OWNER_URL"] = owner_url or database_url

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> float:
        """Start and wait until every worker serves; return how long that took, in seconds."""
        started_s = time.monotonic()
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "wallet", "serve", "--workers", str(self.workers)]
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it takes a millisecond
                [*command, "--port", str(self.port)],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while time.monotonic() - started_s < START_TIMEOUT_S and self.exit_code is None:
            with contextlib.suppress(TimeoutError):
                await first_ready_s(self.port, timeout_s=1)
                await self.wait_for_workers()
                return time.monotonic() - started_s
        raise AssertionError("the service did not come up: " + self.log()[-3000:])

    def log(self) -> str:
        """Return everything the processes have written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def worker_pids(self) -> list[int]:
        """Return the processes that serve, oldest first."""
        found = []
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pid).children():
                with contextlib.suppress(psutil.Error):
                    if "spawn_main" in " ".join(child.cmdline()):
                        self._ever[child.pid] = child
                        found.append(child.pid)
        return found

    def connections_of(self, pid: int) -> set[int]:
        """Return the local ports of the clients whose connections this worker has accepted."""
        with contextlib.suppress(psutil.Error):
            return {
                c.raddr.port
                for c in psutil.Process(pid).net_connections("tcp4")
                if c.raddr and c.laddr.port == self.port
            }
        return set()

    async def wait_for_workers(self, *, without: frozenset[int] = frozenset()) -> list[int]:
        """Wait until all workers but those `without` have accepted a connection."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            pids = [pid for pid in self.worker_pids() if pid not in without]
            if len(pids) == self.workers and await self._all_serve(pids):
                return pids
            await asyncio.sleep(0.05)
        raise AssertionError("the workers did not come up: " + self.log()[-3000:])

    async def _all_serve(self, pids: list[int]) -> bool:
        spread = await self.spread_connections(8)
        for connections in spread.values():
            for connection in connections:
                connection.close()
        return set(pids) <= spread.keys()

    async def spread_connections(self, count: int) -> dict[int, list[Connection]]:
        """Open connections at once and return them by the worker that has accepted each."""
        connections = [Connection(self.port) for _ in range(count)]
        await asyncio.gather(
            *(c.request("GET", "/health/live", timeout_s=5) for c in connections),
            return_exceptions=True,
        )
        spread: dict[int, list[Connection]] = {}
        for pid in self.worker_pids():
            ports = self.connections_of(pid)
            mine = [c for c in connections if c.is_open and c.local_port in ports]
            if mine:
                spread[pid] = mine
        kept = {id(c) for mine in spread.values() for c in mine}
        for connection in connections:
            if id(connection) not in kept:
                connection.close()
        return spread

    async def connections_to_each(self, count: int) -> list[list[Connection]]:
        """Return `count` connections to each worker."""
        found: dict[int, list[Connection]] = {}
        for _ in range(50):
            for pid, connections in (await self.spread_connections(4 * count)).items():
                mine = found.setdefault(pid, [])
                mine += connections
                for surplus in mine[count:]:
                    surplus.close()
                del mine[count:]
            complete = [mine for mine in found.values() if len(mine) == count]
            if len(complete) == self.workers:
                return complete
        raise AssertionError("one worker accepts all connections")

    def signal(self, number: signal.Signals, pid: int | None = None) -> None:
        """Send a signal to the parent, or to a worker."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid if pid is None else pid, number)

    async def ended(self, timeout_s: float) -> float:
        """Wait until parent and workers are gone; return how long that took."""
        started_s = time.monotonic()
        self.worker_pids()
        while time.monotonic() - started_s < timeout_s:
            if self._is_over():
                return time.monotonic() - started_s
            await asyncio.sleep(0.02)
        raise TimeoutError(f"still there after {timeout_s} s: {self.log()[-3000:]}")

    @property
    def exit_code(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def _is_over(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return False
        return not any(_lives(child) for child in self._ever.values())

    async def stop(self) -> None:
        """End everything, gently at first."""
        if self._process is None:
            return
        self.worker_pids()
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await self.ended(STOP_TIMEOUT_S)
        if self._process.poll() is None:
            self._process.kill()
        for child in self._ever.values():
            if _lives(child):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        self._process.wait()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
