"""The verifier in one file: a receipt that was kept is verified without any service."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VERIFIER = Path(__file__).parents[2] / "tools/verify_receipt.py"
KEPT = Path(__file__).parent / "receipts"
WITHOUT_PACKAGES = ("-I", "-S")
PYTHONS = [(), WITHOUT_PACKAGES]


def document(name: str) -> Any:
    return json.loads((KEPT / f"{name}.json").read_text())


def verify(receipt: Path, *options: str, python: tuple[str, ...] = ()) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *python, str(VERIFIER), str(receipt), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def key() -> tuple[str, str]:
    return "--key", str(KEPT / "keys.json")


def history() -> tuple[str, ...]:
    return "--checkpoint", str(KEPT / "kept.json"), "--consistency", str(KEPT / "consistency.json")


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path to every text, number and null of a document."""
    if isinstance(value, dict):
        return [place for name in value for place in places(value[name], (*path, name))]
    if isinstance(value, list):
        return [place for n, one in enumerate(value) for place in places(one, (*path, n))]
    return [path]


def forged(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64,}", value):
        return ("0" if value[0] != "0" else "1") + value[1:]
    return f"{value}x" if isinstance(value, str) else "x"


@pytest.mark.parametrize("python", PYTHONS)
def test_a_receipt_that_was_kept_is_genuine_for_ever(python: tuple[str, ...]) -> None:
    status, said = verify(KEPT / "receipt.json", *key(), *history(), python=python)
    assert (status, said.splitlines()[-1]) == (0, "GENUINE"), said
    assert "INV-7" in said
    assert "the log of 6 entries begins with that of 4" in said


def test_whatever_single_thing_is_changed_the_twin_is_refused(tmp_path: Path) -> None:
    receipt = document("receipt")
    found = places(receipt)
    assert len(found) > 40
    for path in found:
        twin = document("receipt")
        place = twin
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = forged(place[path[-1]])
        (tmp_path / "twin.json").write_text(json.dumps(twin))
        status, said = verify(tmp_path / "twin.json", *key())
        assert status == 1, f"{path}: {said}"
        assert said.startswith("REFUSED: "), f"{path}: {said}"


@pytest.mark.parametrize("name", ["number", "tree_size", "root_hash", "made_at_us", "log_id"])
def test_a_checkpoint_that_was_not_signed_so_is_refused(name: str, tmp_path: Path) -> None:
    kept = document("kept")
    kept[name] = forged(kept[name]) if name != "log_id" else kept[name].replace("7", "8")
    (tmp_path / "kept.json").write_text(json.dumps(kept))
    status, said = verify(
        KEPT / "receipt.json", *key(), "--checkpoint", str(tmp_path / "kept.json"), *history()[2:]
    )
    assert status == 1
    assert "the checkpoint that you kept is not by the key" in said


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "{}", '{"format": 1, "format": 2}', "[" * 100_000, "1e999"],
)
def test_what_is_no_receipt_is_refused_without_a_crash(text: str, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(text)
    status, said = verify(tmp_path / "receipt.json", *key())
    assert status == 1
    assert said.startswith("REFUSED: ")


def test_a_missing_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    status, said = verify(tmp_path / "none.json", *key())
    assert status == 1
    assert "cannot be read" in said


def test_the_verifier_imports_nothing_but_python_and_one_signature_library() -> None:
    names = set()
    for node in ast.walk(ast.parse(VERIFIER.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            names.add(node.module.partition(".")[0])
    assert names - set(sys.stdlib_module_names) == {"cryptography"}
