"""The answers that the document shows are answers of the service: everything is asked again.

`make examples` writes what was answered to `src/wallet/api/examples.json`; what differs from run to
run is replaced by stand-ins (`stand_ins.py`). Here the same is asked again, and each answer must
have the fields and types of the one that is shown.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from tests.api.stand_ins import StandIns
from tests.api.test_security_answers import every_answer
from tests.conftest import Service

from wallet.bootstrap import openapi_document

COMMITTED = Path(__file__).parents[2] / "src" / "wallet" / "api" / "examples.json"
# What a field holds is up to people, or is a place for any of several things.
OPEN_FIELDS = {"facts", "metadata", "request_headers", "answer_headers", "before", "after"} | {
    "audit",  # how far that has come is up to the moment
}
# Of a hundred points of a plot one is enough to see what they are.
SERIES = {"minutes", "hours"}


def recorded(said: dict[str, httpx.Response]) -> dict[str, Any]:
    """Return the answers in JSON by operation and status, as they are committed."""
    stand_ins, found = StandIns(), dict[str, Any]()
    for operation_id, answer in said.items():
        if answer.headers.get("content-type") == "application/json":
            shown = answer.json()
            for series in SERIES.intersection(shown):
                # The one that says most: the present minute may be a moment old.
                shown[series] = [max(shown[series], key=lambda point: len(str(point)))]
            value = stand_ins.of(shown, operation_id, datetime.now(UTC))
            found[operation_id] = {str(answer.status_code): value}
    return dict(sorted(found.items()))


def shape(value: Any, at: str = "") -> Iterator[str]:
    """Yield every field with its type; of a list, what all its items have together."""
    if isinstance(value, dict):
        yield f"{at} object"
        for name, inner in value.items():
            if name not in OPEN_FIELDS:
                yield from shape(inner, f"{at}.{name}")
    elif isinstance(value, list):
        yield f"{at} list"
        for inner in value:
            yield from shape(inner, f"{at}[]")
    else:
        yield f"{at} {type(value).__name__}"


async def test_what_the_document_shows_is_what_the_service_answers(
    client: httpx.AsyncClient, service: Service
) -> None:
    now = recorded(await every_answer(client, service))
    if os.environ.get("WALLET_RECORD_EXAMPLES"):
        COMMITTED.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")
    committed = json.loads(COMMITTED.read_text())
    assert committed.keys() == now.keys(), "run `make examples`"
    for operation_id, answers in committed.items():
        assert answers.keys() == now[operation_id].keys(), operation_id
        for status, value in answers.items():
            assert set(shape(value)) == set(shape(now[operation_id][status])), operation_id


def test_every_answer_in_json_is_shown_by_a_recorded_one() -> None:
    shown = 0
    for methods in openapi_document()["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json")
                if not status.startswith("2") or content is None:
                    continue
                if (operation["operationId"], status) in UNRECORDED:
                    continue
                committed = json.loads(COMMITTED.read_text())
                assert content["example"] == committed[operation["operationId"]][status]
                shown += 1
    assert shown > 40


UNRECORDED = {
    ("createTransfer", "200"),  # A preview; its schema has an example of its own.
    ("createTopUp", "202"),  # A source that has not decided yet.
}
