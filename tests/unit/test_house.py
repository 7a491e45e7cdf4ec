"""The house itself: no room grows too full, and nothing of one machine is left in it."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_SIZE_MAX = 24 * 1024
NOT_OURS = {".venv", "node_modules", "build", "_generated", "_sync"}


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the repository, or those below it where git is not at hand."""
    found = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    return [path for path in found if not NOT_OURS & set(path.parts)]


def test_no_file_of_code_is_larger_than_24_kib() -> None:
    python = [f"{room}/*.py" for room in ("src/**", "tests/**", "scripts", "tools", "sdks/**")]
    files = tracked(*python, "migrations/*.sql")
    assert len(files) > 150
    large = {path.name: path.stat().st_size for path in files}
    assert {name: size for name, size in large.items() if size > FILE_SIZE_MAX} == {}


def test_every_migration_says_why_in_its_header() -> None:
    files = tracked("migrations/0*[!n].sql")
    forward = [path for path in files if not path.name.endswith(".down.sql")]
    assert len(forward) >= 5
    for path in forward:
        assert path.read_text().startswith("-- "), path.name


def test_every_decision_has_its_four_parts() -> None:
    files = tracked("docs/decisions/0*.md")
    assert len(files) >= 10
    for path in files:
        text = path.read_text()
        for part in ("Status:", "**Context.**", "**Decision.**", "**Alternatives.**"):
            assert part in text, f"{path.name} lacks {part}"


def test_the_locks_hold_hashes_and_no_addresses() -> None:
    for path in tracked("requirements*.lock"):
        text = path.read_text()
        assert not re.search(r"https?://|--index|--find-links", text), path.name
        for block in re.split(r"\n(?=\S)", text.strip()):
            assert block.startswith("#") or "--hash=sha256:" in block, block[:60]


def test_the_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "check", "check-slow", "assets", "lock", "help"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "run" in shown
