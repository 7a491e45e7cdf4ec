"""`wallet serve` as a process of its own that can be killed and started again in its place."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from tests.conftest import reachable_directory
from tests.integration.serving import START_TIMEOUT_S, clean_environment, free_port, is_ready

SETTINGS = {
    "WALLET_THROUGHPUT_LIMIT": "1000000/10 seconds",
    "WALLET_SIGN_UP_LIMIT": "100000",
    "WALLET_LOG_IN_LIMIT": "100000",
    # Whoever forgets a key is refused.
    "WALLET_REQUIRE_IDEMPOTENCY_KEY": "1",
}


class LiveService:
    """The service on a port and a directory that stay the same over its deaths."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.port = free_port()
        self._environment = clean_environment(
            **{"WALLET_DATA_DIRECTORY": str(directory / "data"), **SETTINGS, **settings}
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "serve.log").read_text()

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with (self.directory / "serve.log").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wallet", "serve", "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._environment,
                start_new_session=True,
            )
        began_s = time.monotonic()
        while not is_ready(self.url):
            if self._process.poll() is not None or time.monotonic() - began_s > START_TIMEOUT_S:
                raise AssertionError(f"it did not come up:\n{self.log[-4000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the service with -9; its database is left to look after itself."""
        assert self._process is not None
        with suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children():
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        """End it gently, or else by force."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def verify(self) -> str:
        """Check all of its books, and return what `wallet verify` says."""
        return self.command("verify")

    def appoint(self, email: str, password: str) -> None:
        """Make an administrator, as an operator does."""
        name = ("--first-name", "Ada", "--last-name", "Operator")
        self.command("create-admin", "--email", email, *name, given=f"{password}\n")

    def command(self, *arguments: str, given: str = "") -> str:
        """Run `wallet` beside the service, and return what it says; fail if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "wallet", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.directory,
            env=self._environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def live_service(**settings: str) -> Iterator[LiveService]:
    """Run a service with a directory of its own until the block ends."""
    with reachable_directory() as directory:
        service = LiveService(directory, **settings)
        try:
            service.start()
            yield service
        finally:
            service.stop()
