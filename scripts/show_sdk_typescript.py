"""Show the TypeScript SDK at work: a month of a small shop against a service of its own.

`make show-sdk-typescript` runs it and writes what it says to docs/transcripts, where a test
compares it with what the SDK says then.
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

from scripts.build_typescript_sdk import ROOT, SDK, Node

TRANSCRIPT = ROOT / "docs" / "transcripts" / "small-shop-typescript.txt"
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


def main() -> None:
    """Build the SDK, let the shop work for a month, and write down what it says."""
    build = [sys.executable, "-m", "scripts.build_typescript_sdk", "--tests"]
    subprocess.run(build, cwd=ROOT, check=True)
    node = Node()
    with service() as url:
        done = subprocess.run(
            [node.binary, str(SDK / "build" / "examples" / "small-shop.js")],
            env={**node.environment, "WALLET_URL": url},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    print(done.stdout, done.stderr)
    if done.returncode != 0:
        raise SystemExit("The books of the shop do not balance.")
    TRANSCRIPT.parent.mkdir(exist_ok=True)
    TRANSCRIPT.write_text(done.stdout.strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
