"""The built TypeScript SDK, and the folder of somebody who installed its package."""

import json
import re
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

from scripts.build_typescript_sdk import SDK, Node

ROOT = Path(__file__).parents[2]
SERVICE_COMMAND = json.dumps([sys.executable, "-m", "wallet"])


@cache
def built() -> Node:
    """Build the SDK, its tests and its package, if they are not, and return what runs them."""
    command = [sys.executable, "-m", "scripts.build_typescript_sdk", "--tests", "--pack"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return Node()


def readme_blocks() -> list[str]:
    """Return the TypeScript of the SDK's README."""
    text = (SDK / "README.md").read_text()
    return re.findall(r"^```ts\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def install(consumer: Path) -> None:
    """Put the package and what it needs into a folder, as npm would."""
    modules = consumer / "node_modules"
    modules.mkdir(parents=True)
    [package] = SDK.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extractall(modules, filter="data")
    (modules / "package").rename(modules / "wallet-sdk")
    for name in ("openapi-fetch", "openapi-typescript-helpers"):
        (modules / name).symlink_to(SDK / "node_modules" / name)
    (consumer / "package.json").write_text('{"type": "module", "private": true}')


def run(
    node: Node, *arguments: str | Path, cwd: Path = SDK, timeout_s: float = 60, **given: str
) -> str:
    """Run Node.js and return what it printed; fail with it if it fails."""
    done = subprocess.run(
        [node.binary, *map(str, arguments)],
        cwd=cwd,
        env={**node.environment, **given},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-12_000:]}\n{done.stderr[-4_000:]}"
    return done.stdout
