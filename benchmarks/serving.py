"""Servers under measurement, each a process group of its own that surely ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.places import BenchmarkFailed, Database

START_TIMEOUT_S = 40.0
STOP_TIMEOUT_S = 20.0
_REFUSED = re.compile(r'"code":"([a-z-]+)"')
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers; `pid` leads its process group."""

    name: str
    port: int
    pid: int
    log: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def refusals(self) -> str:
        """Return what the log says of refused requests, most frequent first."""
        found = Counter(_REFUSED.findall(self.log.read_text(errors="replace")))
        return ", ".join(f"{count} x {words}" for words, count in found.most_common(5))


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def service(
    database: Database,
    directory: Path,
    *,
    signing_key: str,
    port: int,
    workers: int = 1,
    program: Sequence[str] = ("wallet",),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run the real service with its default settings but those given, logging to a file.

    `program` is the module that serves, with what it wants before `serve`.
    """
    environment = {
        "WALLET_DATABASE_URL": database.url,
        "WALLET_DATABASE_OWNER_URL": database.owner_url,
        "WALLET_DATA_DIRECTORY": str(directory / "service"),
        "WALLET_SIGNING_KEY": signing_key,
        **(settings or {}),
    }
    command = [sys.executable, "-m", *program, "serve"]
    command += ["--port", str(port), "--workers", str(workers)]
    with running("service", command, environment, directory, port, "/health/ready") as server:
        yield server


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    port: int,
    ready_path: str,
) -> Iterator[Server]:
    """Run a server from when it is ready until the block ends."""
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own programs and arguments, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Not in the checkout, where a developer's .env would be read.
            cwd=directory,
            env=_environment(environment),
            start_new_session=True,
        )
    try:
        server = Server(name, port, process.pid, log)
        _wait_until_ready(server, process, ready_path, log)
        yield server
    finally:
        _end(process)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return this environment without settings of the service, plus those given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WALLET_", "PROMETHEUS_"))}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, **given}


def _wait_until_ready(
    server: Server, process: "subprocess.Popen[bytes]", path: str, log: Path
) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(f"{server.url}{path}"):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-4000:]
            raise BenchmarkFailed(f"The {server.name} did not come up:\n{tail}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own http URL
            return bool(answer.status == 200)
    except OSError:
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and whatever it has started, politely at first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _kill_group(process.pid)
            process.wait(STOP_TIMEOUT_S)
    # Workers whose parent died before them are still in its group.
    _kill_group(process.pid)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
