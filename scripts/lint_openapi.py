"""Look over ``openapi.json`` with redocly's strict rules, none of them switched off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.build_assets import BuildError
from scripts.node_tools import install, program, searching

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools" / "openapi"
RUN_TIMEOUT_S = 120


def main() -> int:
    """Print what is found, and answer the exit status: 0 if that is nothing."""
    try:
        install(TOOLS)
    except BuildError as error:
        print(f"lint_openapi: {error}", file=sys.stderr)
        return 1
    done = linted(ROOT / "openapi.json")
    print(done.stdout + done.stderr)
    return done.returncode


def linted(document: Path) -> subprocess.CompletedProcess[str]:
    """Return what redocly says of a document."""
    command = [*program(TOOLS, "redocly"), "lint", "--config", str(TOOLS / "redocly.yaml")]
    return subprocess.run(
        [*command, str(document)],
        cwd=ROOT,
        env={**searching(), "REDOCLY_TELEMETRY": "off"},
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
