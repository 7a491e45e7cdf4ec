"""Processor time of process trees: a server with its workers, PostgreSQL with its backends."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds of processor time of two trees, up to a moment or between two."""

    server_s: float
    postgres_s: float

    @classmethod
    def now(cls, server_pid: int | None, postmaster_pid: int) -> Self:
        """Read what both have used so far; without a server its part is zero."""
        return cls(0.0 if server_pid is None else tree_s(server_pid), tree_s(postmaster_pid))

    def since(self, before: "ProcessorTime") -> "ProcessorTime":
        """Return what was used between two readings."""
        return ProcessorTime(self.server_s - before.server_s, self.postgres_s - before.postgres_s)


def tree_s(pid: int) -> float:
    """Return the seconds of a process, its descendants, and those of them that have ended."""
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process that serves."""
    return int(psutil.Process(pid).memory_info().rss)
