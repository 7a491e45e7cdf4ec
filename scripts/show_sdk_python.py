"""Show the Python SDK at work: a month of a small shop against a service of its own.

`make show-sdk-python` runs it and writes what it says to docs/transcripts, where a test compares it
with what the SDK says then.
"""

import os
import subprocess
import sys

from scripts.build_python_sdk import ROOT, SDK
from scripts.own_service import service

EXAMPLE = SDK / "examples" / "small_shop.py"
TRANSCRIPT = ROOT / "docs" / "transcripts" / "small-shop-python.txt"


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
