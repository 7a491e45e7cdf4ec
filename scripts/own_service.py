"""A service of a script's own, on an empty database, gone afterwards."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 40.0


@contextmanager
def service() -> Iterator[str]:
    """Run a service that is gone afterwards, and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WALLET_")}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        # PostgreSQL may run as another user, who has to reach its data.
        Path(directory).chmod(0o755)
        settings = {"WALLET_DATA_DIRECTORY": f"{directory}/data"}
        command = [sys.executable, "-m", "wallet", "serve", "--port", str(port)]
        with Path(directory, "log").open("wb") as log:
            process = subprocess.Popen(
                command, env=kept | settings, stdout=log, stderr=log, cwd=directory
            )
        try:
            _wait(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=2):  # noqa: S310 - ours
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The service did not come up.")
