"""Packages of npm that are no part of the service, such as what looks over the document.

Each folder below ``tools/`` that has a ``package.json`` also has a lock. Node.js and npm are found
as by ``build_assets``.
"""

from __future__ import annotations

import os
from pathlib import Path

from scripts.build_assets import npm_of_path, npm_of_wheel, run


def install(folder: Path) -> None:
    """Install the locked packages of a folder, running no code of theirs, unless they are there."""
    marker = folder / "node_modules" / ".package-lock.json"
    lock = folder / "package-lock.json"
    if marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
        return
    run(
        [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        f"npm could not install the packages of {lock.parent.name}/package-lock.json.",
        cwd=folder,
        environment=searching(),
    )


def program(folder: Path, name: str) -> list[str]:
    """Return the command of a program that an installed package brings."""
    return ["node", str(folder / "node_modules" / ".bin" / name)]


def npm() -> list[str]:
    """Return the command of npm."""
    return npm_of_path() or npm_of_wheel()


def searching() -> dict[str, str]:
    """Return an environment in which `node` is found."""
    path = os.pathsep.join([str(Path(npm()[0]).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}
