"""The problems that the document shows are answers of the service: all are brought about again.

`make examples` writes one of each to `src/wallet/api/problem_examples.json`, with stand-ins for
what varies; each must come again, with the same fields and types.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.api.problem_story_outages import every_problem
from tests.api.stand_ins import StandIns
from tests.api.test_examples import shape
from tests.conftest import Database

from wallet.bootstrap import openapi_document

COMMITTED = Path(__file__).parents[2] / "src" / "wallet" / "api" / "problem_examples.json"
RECORDING = "WALLET_RECORD_EXAMPLES" in os.environ
# What no request brings about, and why.
UNRECORDED = {
    "email-invalid": "the field of the body refuses such an address first: validation-failed",
}


def recorded(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the problems by code, as they are committed."""
    stand_ins, now = StandIns(), datetime.now(UTC)
    return {code: stand_ins.of(body, code, now) for code, body in sorted(found.items())}


async def test_every_problem_that_the_document_shows_is_answered_again(
    database: Database, tmp_path: Path
) -> None:
    said = await every_problem(database, tmp_path)
    assert said.wrong == []
    now = recorded(said.found)
    if RECORDING:
        COMMITTED.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")
    committed = json.loads(COMMITTED.read_text())
    assert committed.keys() == now.keys(), "run `make examples`"
    for code, body in committed.items():
        assert set(shape(body)) == set(shape(now[code])), code


@pytest.mark.skipif(RECORDING, reason="the routes have read what was recorded before")
def test_every_code_of_the_document_is_shown_by_a_recorded_problem() -> None:
    document = openapi_document()
    committed = json.loads(COMMITTED.read_text())
    shown: set[str] = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/problem+json", {})
                for code, example in content.get("examples", {}).items():
                    assert example == {"$ref": f"#/components/examples/{code}"}
                    value = document["components"]["examples"][code]["value"]
                    assert (value["code"], value["status"]) == (code, int(status))
                    assert code in UNRECORDED or value == committed[code]
                    shown.add(code)
    assert shown == committed.keys() | UNRECORDED.keys()
    assert not committed.keys() & UNRECORDED.keys()
    assert document["components"]["examples"].keys() == shown
