"""How fast this machine is at the moment: shared ones drift, and figures should say how much."""

import os
import statistics
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

HASHES = 100_000
OBJECTS = 200_000
SYNCS = 50


class _Link:
    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


def probe(directory: Path) -> dict[str, Any]:
    """Return what a hash costs, which needs no memory, a step through many objects, and a sync."""
    links = [_Link(number) for number in range(OBJECTS)]
    Random(1).shuffle(links)  # noqa: S311 - no secret
    data = bytes(200)
    return {
        "hash_ns": _nanoseconds(lambda: [sha256(data) for _ in range(HASHES)], HASHES),
        "memory_ns": _nanoseconds(lambda: [link.value for link in links], OBJECTS),
        "sync_us": _sync_us(directory),
    }


def _sync_us(directory: Path) -> int:
    """Return the median microseconds in which the disk takes one page for good."""
    times_ns = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(SYNCS):
            file.write(bytes(8192))
            file.flush()
            began_ns = time.perf_counter_ns()
            os.fsync(file.fileno())
            times_ns.append(time.perf_counter_ns() - began_ns)
    return round(statistics.median(times_ns) / 1000)


def _nanoseconds(work: Any, steps: int) -> int:
    began_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - began_ns) // steps
