"""The benchmark runs, from the first row to the audit; what it measures is no test's business."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def benchmark(*arguments: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WALLET_", "PROMETHEUS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_a_round_of_the_most_important_contenders_is_measured_and_audited(tmp_path: Path) -> None:
    results = tmp_path / "performance.json"
    said = benchmark(
        *("run", "--seconds", "1", "--rounds", "1", "--warm-up", "1"),
        *("--json", str(results), "--svg", str(tmp_path / "plot.svg")),
        *("--markdown", str(tmp_path / "none.md")),
        *("--only", "pgf", "service_1w_64c", "batches_1w", "balance"),
    )
    contenders = json.loads(results.read_text())["run"]["contenders"]
    assert set(contenders) == {"pgf", "service_1w_64c", "batches_1w", "balance"}
    assert all(found["per_second"] > 0 for found in contenders.values())
    assert "service_1w_64c" in said
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")


def test_the_profile_names_the_layers(tmp_path: Path) -> None:
    results = tmp_path / "performance.json"
    said = benchmark(
        *("profile", "--seconds", "1", "--warm-up", "1"),
        *("--json", str(results), "--svg", str(tmp_path / "plot.svg")),
        *("--markdown", str(tmp_path / "none.md")),
    )
    assert re.search(r"edge", said)
    assert json.loads(results.read_text())["profile"]
