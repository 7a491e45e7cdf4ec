"""Show the Python SDK at work: a month of a small shop against a service of its own.

`make show-sdk-python` runs it and writes what it says to docs/transcripts, where a test compares it
with what the SDK says then.
"""

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

from scripts.build_python_sdk import ROOT, SDK

EXAMPLE = SDK / "examples" / "small_shop.py"
TRANSCRIPT = ROOT / "docs" / "transcripts" / "small-shop-python.txt"
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


def month_of_a_shop(url: str) -> str:
    """Run the example and return what it says; raise SystemExit if its books do not balance."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)],
        env={**os.environ, "WALLET_URL": url, "PYTHONPATH": str(SDK / "src")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"The books of the shop do not balance.\n{done.stdout}{done.stderr}")
    return done.stdout.strip() + "\n"


def main() -> None:
    """Let the shop work for a month, and write down what it says."""
    with service() as url:
        said = month_of_a_shop(url)
    print(said, end="")
    TRANSCRIPT.parent.mkdir(exist_ok=True)
    TRANSCRIPT.write_text(said, encoding="utf-8")


if __name__ == "__main__":
    main()
