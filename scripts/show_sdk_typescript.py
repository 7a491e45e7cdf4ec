"""Show the TypeScript SDK at work: a month of a small shop against a service of its own.

`make show-sdk-typescript` runs it and writes what it says to docs/transcripts, where a test
compares it with what the SDK says then.
"""

import subprocess
import sys

from scripts.build_typescript_sdk import ROOT, SDK, Node
from scripts.own_service import service

TRANSCRIPT = ROOT / "docs" / "transcripts" / "small-shop-typescript.txt"


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
