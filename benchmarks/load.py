"""Load over HTTP: wrk where it is installed, else a client of our own that does not count."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.payers import Payers
from benchmarks.places import BenchmarkFailed
from benchmarks.serving import Server

SCRIPTS = Path(__file__).with_name("wrk")
WRK_GRACE_S = 30


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for: which script, for how long, over how many connections.

    `path` is what `reads` reads; `hot` lets everybody pay the merchant.
    """

    script: str
    seconds: float
    connections: int
    seed: int = 1
    hot: bool = False
    path: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back. `refused` counts statuses from 400 on, `broken` what had no answer at all.

    `counts` is False if the client was not wrk, whose own processor time is small.
    """

    requests: int
    seconds: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    refused: int
    broken: int
    client_s: float
    counts: bool = True

    @property
    def per_second(self) -> float:
        """How many requests were answered each second."""
        return self.requests / self.seconds


def wrk_path() -> str | None:
    """Return where wrk is, or None."""
    return shutil.which("wrk")


def warm_up(server: Server, payers: Payers, load: Load) -> Answers:
    """Send a load with other keys than will be measured.

    A server that has just started may refuse some; what is measured afterwards may not.
    """
    return _sent(server, payers, replace(load, seed=load.seed + 1000))


def send(server: Server, payers: Payers, load: Load) -> Answers:
    """Send a load and return what came back; raise `BenchmarkFailed` if anything went wrong."""
    answers = _sent(server, payers, load)
    if answers.refused or answers.broken or not answers.requests:
        raise BenchmarkFailed(
            f"{server.name}: of {answers.requests} requests {answers.refused} were refused "
            f"and {answers.broken} had no answer. Its log: {server.refusals()}"
        )
    return answers


def _sent(server: Server, payers: Payers, load: Load) -> Answers:
    output = payers.tokens.with_name("answers.json")
    environment = {
        "BENCHMARK_SCRIPTS": str(SCRIPTS),
        "BENCHMARK_TOKENS": str(payers.tokens),
        "BENCHMARK_PAYEES": str(payers.merchant if load.hot else payers.payees),
        "BENCHMARK_PATH": load.path,
        "BENCHMARK_SEED": str(load.seed),
        "BENCHMARK_OUTPUT": str(output),
    }
    before_s = children_s()
    counts = _run(server, load, environment)
    document = json.loads(output.read_text())
    return _answers(document, client_s=children_s() - before_s, counts=counts)


def _run(server: Server, load: Load, environment: Mapping[str, str]) -> bool:
    wrk = wrk_path()
    if wrk is None:
        command = [sys.executable, "-m", "benchmarks.client", server.url, load.script]
        command += [str(load.seconds), str(load.connections)]
    else:
        command = [wrk, "-t1", f"-c{load.connections}", f"-d{_whole(load.seconds)}s"]
        command += ["--timeout", "10s", "-s", str(SCRIPTS / f"{load.script}.lua"), server.url]
    done = subprocess.run(  # noqa: S603 - our own programs and arguments, no shell
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=load.seconds + WRK_GRACE_S,
    )
    if done.returncode:
        raise BenchmarkFailed(f"{command[0]} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return wrk is not None


def _whole(seconds: float) -> int:
    return max(1, round(seconds))


def _answers(document: Mapping[str, float], *, client_s: float, counts: bool) -> Answers:
    return Answers(
        requests=int(document["requests"]),
        seconds=document["duration_us"] / 1e6,
        p50_us=document["p50_us"],
        p90_us=document["p90_us"],
        p99_us=document["p99_us"],
        max_us=document["max_us"],
        refused=int(document["refused"]),
        broken=int(document["broken"]),
        client_s=client_s,
        counts=counts,
    )


def children_s() -> float:
    """Return the processor time of all programs that were run and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
