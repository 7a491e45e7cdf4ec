"""The OpenAPI document: complete enough to generate clients from and to learn from."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wallet.bootstrap import openapi_document
from wallet.cli import app as command_line

COMMITTED = Path(__file__).parents[2] / "openapi.json"
JSON = ("application/json", "application/problem+json", "application/x-www-form-urlencoded")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    bodies = [("body", operation.get("requestBody", {}))]
    for place, holder in [*bodies, *operation["responses"].items()]:
        for media_type, content in holder.get("content", {}).items():
            if media_type in JSON:
                yield place, content


def has_example(document: dict[str, Any], content: dict[str, Any]) -> bool:
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    fields = schema.get("properties", {}).values()
    own = "examples" in content or "examples" in schema
    return own or (bool(fields) and all("examples" in field for field in fields))


def test_the_committed_document_is_the_services_own() -> None:
    printed = CliRunner().invoke(command_line, ["openapi"]).stdout
    assert printed == COMMITTED.read_text(), "run `make openapi`, and commit what it writes"


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    ids = []
    for place, operation in operations(document):
        assert operation["summary"], place
        assert operation["description"], place
        assert len(operation["tags"]) == 1, place
        assert re.fullmatch(r"[a-z]+([A-Z][a-zA-Z]*)+", operation["operationId"]), place
        ids.append(operation["operationId"])
    assert len(ids) == len(set(ids)) == 94


def test_tags_come_in_the_order_a_newcomer_reads(document: dict[str, Any]) -> None:
    named = [tag["name"] for tag in document["tags"]]
    used = {operation["tags"][0] for _, operation in operations(document)}
    assert named[:3] == ["People", "Sessions", "Credentials"]
    assert used == set(named)


def test_every_body_and_every_answer_has_an_example(document: dict[str, Any]) -> None:
    missing = [
        f"{place} {part}"
        for place, operation in operations(document)
        for part, content in contents(operation)
        if not has_example(document, content)
        # A key set is what RFC 7517 says, and the keys are this installation's own.
        and "jwks" not in place
    ]
    assert missing == []


def test_every_operation_documents_what_the_edge_may_answer(document: dict[str, Any]) -> None:
    for place, operation in operations(document):
        statuses = set(operation["responses"])
        assert {"408", "414", "431", "500"} <= statuses, place
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= statuses, place
        if operation.get("security"):
            assert {"401", "429", "503"} <= statuses, place


def test_money_is_an_integer_everywhere(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            if field in {"amount", "posted", "held", "available"}:
                assert described["type"] == "integer", f"{name}.{field}"


def test_the_authorize_button_has_a_password_grant_and_takes_a_token(
    document: dict[str, Any],
) -> None:
    kinds = {s["type"] for s in document["components"]["securitySchemes"].values()}
    assert kinds == {"http", "oauth2", "apiKey"}


def test_a_session_cookie_does_wherever_a_token_does_and_changes_take_a_csrf_token(
    document: dict[str, Any],
) -> None:
    schemes = document["components"]["securitySchemes"]
    assert (schemes["sessionCookie"]["in"], schemes["sessionCookie"]["name"]) == (
        "cookie", "__Host-wallet",
    )  # fmt: skip
    assert (schemes["csrfToken"]["in"], schemes["csrfToken"]["name"]) == ("header", "X-CSRF-Token")
    for place, operation in operations(document):
        if not operation.get("security"):
            continue
        changes = not place.startswith("GET ")
        way: dict[str, list[str]] = {"sessionCookie": []}
        if changes:
            way["csrfToken"] = []
        assert way in operation["security"], place
        codes = {
            code
            for status in ("400", "403")
            for code in operation["responses"][status]["content"]["application/problem+json"][
                "examples"
            ]
        }
        wanted = {"two-credentials", "cross-site-request"}
        assert wanted | ({"csrf-token-wrong"} if changes else set()) <= codes, place


def test_the_csrf_header_is_described_in_one_place(document: dict[str, Any]) -> None:
    for place, operation in operations(document):
        names = [parameter["name"].lower() for parameter in operation.get("parameters", [])]
        assert "x-csrf-token" not in names, place
