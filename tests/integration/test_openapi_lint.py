"""The committed document under redocly's strict rules."""

import json
from pathlib import Path

import pytest
from scripts.lint_openapi import ROOT, TOOLS, linted
from scripts.node_tools import install

pytestmark = pytest.mark.slow


def test_the_document_is_clean_with_no_rule_switched_off(tmp_path: Path) -> None:
    install(TOOLS)
    assert (TOOLS / "redocly.yaml").read_text() == "extends: [recommended-strict]\n"
    done = linted(ROOT / "openapi.json")
    assert done.returncode == 0, done.stdout + done.stderr
    broken = json.loads((ROOT / "openapi.json").read_text())
    broken["paths"]["/wallets"]["get"].pop("operationId")
    broken["components"]["schemas"]["Balance"]["examples"] = [{"posted": "many"}]
    (tmp_path / "openapi.json").write_text(json.dumps(broken))
    said = linted(tmp_path / "openapi.json")
    assert said.returncode == 1
    assert "operation-operationId" in said.stderr + said.stdout
    assert "no-invalid-schema-examples" in said.stderr + said.stdout
