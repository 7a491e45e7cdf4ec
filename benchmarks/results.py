"""What was measured, as one JSON file: every round, the medians, the machine, what was reached."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contenders import Measured
from benchmarks.load import wrk_path
from benchmarks.pgbench_runner import pgbench_path

Document = dict[str, Any]


def read(path: Path) -> Document:
    """Return what earlier runs left in the file."""
    return json.loads(path.read_text()) if path.exists() else {}


def merge(path: Path, part: str, content: object) -> Document:
    """Replace one part of the file, with the machine it was measured on; return the whole."""
    document = read(path)
    document[part] = content
    document["machine"] = machine()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    return document


def machine() -> Document:
    """Return the facts that figures depend on."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgres": _first_line([pgbench_path(), "--version"]).rpartition(" ")[2],
        "client": _first_line([wrk_path() or "", "-v"]) if wrk_path() else "asyncio (no wrk)",
        "counts": wrk_path() is not None,
    }


def summary(by_number: Mapping[int, Measured], references: Mapping[int, float]) -> Document:
    """Return the medians of a contender's rounds, and each round.

    `references` is the rate of what it is compared with, by number of round: ratios are taken
    within a round, so that they come from the same minutes.
    """
    ratios = [
        measured.per_second / references[number]
        for number, measured in by_number.items()
        if number in references
    ]
    rounds = list(by_number.values())
    rates = [measured.per_second for measured in rounds]
    middle = statistics.median(rates)
    return {
        "per_second": round(middle, 1),
        "spread": round((max(rates) - min(rates)) / middle, 3),
        "ratio": round(statistics.median(ratios), 3) if ratios else None,
        **{
            name: round(statistics.median(getattr(m.answers, name) for m in rounds))
            for name in ("p50_us", "p90_us", "p99_us", "max_us")
        },
        **{
            name: round(statistics.median(getattr(m, name) for m in rounds), 1)
            for name in ("server_us", "postgres_us", "client_us")
        },
        "rounds": [_round(measured) for measured in rounds],
    }


def _round(measured: Measured) -> Document:
    document = asdict(measured.answers)
    document |= {
        "per_second": round(measured.per_second, 1),
        "server_us": round(measured.server_us, 1),
        "postgres_us": round(measured.postgres_us, 1),
        "client_us": round(measured.client_us, 1),
    }
    return document


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 - our own programs and arguments, no shell
        command, capture_output=True, text=True, check=False, timeout=10
    )
    return (done.stdout or done.stderr).splitlines()[0].partition(" [")[0]
