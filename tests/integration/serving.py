"""`wallet serve` as a process of its own, for tests that need the real thing."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

START_TIMEOUT_S = 40.0
PORTS = (20_000, 32_000)
"""Below those that Linux (from 32768) and macOS (from 49152) give away."""


def free_port() -> int:
    """Return a port that nobody listens on, and that no system gives to whoever asks for any.

    What is started here listens on it some seconds later; a port that was had for the asking
    might be given away again until then.
    """
    while True:
        port = SystemRandom().randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def clean_environment(**given: str) -> dict[str, str]:
    """Return this process's environment without settings of the service, plus those given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WALLET_", "PROMETHEUS_"))}
    return {**kept, **given}


@dataclass
class Serving:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    started_s: float
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def stop(self, sent: signal.Signals = signal.SIGTERM, timeout_s: float = 20.0) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(sent)
        return self.process.wait(timeout_s)


def is_ready(url: str) -> bool:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(  # noqa: S310
            f"{url}/health/ready", timeout=2, context=anybody
        ) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def serving(
    directory: Path,
    *arguments: str,
    command: tuple[str, ...] = (sys.executable, "-m", "wallet"),
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    scheme: str = "http",
) -> Iterator[Serving]:
    """Run `wallet serve` until the block ends; the log is kept in `directory`."""
    port = free_port()
    log = directory / f"serve-{port}.log"
    began_s = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=cwd or directory,
            env=clean_environment(**(environment or {})),
            start_new_session=True,
        )
    try:
        url = f"{scheme}://127.0.0.1:{port}"
        while not is_ready(url):
            if process.poll() is not None or time.monotonic() - began_s > START_TIMEOUT_S:
                raise AssertionError(f"it did not come up:\n{log.read_text()[-4000:]}")
            time.sleep(0.02)
        yield Serving(process, port, log, time.monotonic() - began_s, scheme)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
