"""Planted changes of the document, and whether they break clients."""

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from scripts import compare_openapi
from scripts.compare_openapi import additions, breaks

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "openapi.json").read_text())
Change = Callable[[dict[str, Any]], object]


def operation(document: dict[str, Any], method: str, path: str) -> Any:
    return document["paths"][path][method]


def parameters(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operation(document, "get", "/transactions")["parameters"]
    return found


def schema(document: dict[str, Any], name: str) -> Any:
    return document["components"]["schemas"][name]


def transfer(document: dict[str, Any]) -> Any:
    return operation(document, "post", "/wallets/transfer")


def maybe_null(document: dict[str, Any], name: str, field: str, **more: Any) -> None:
    """Let a field be null as well, which is wider, and change it otherwise."""
    fields = schema(document, name)["properties"]
    fields[field] = {"anyOf": [{**fields[field], **more}, {"type": "null"}]}


def operation_of_webhook(document: dict[str, Any]) -> Any:
    return document["webhooks"]["transfer.sent"]["post"]


def body_of_webhook(document: dict[str, Any]) -> Any:
    content = operation_of_webhook(document)["requestBody"]["content"]["application/json"]
    return schema(document, content["schema"]["$ref"].rsplit("/", 1)[1])


def changed(change: Change) -> dict[str, Any]:
    document = deepcopy(DOCUMENT)
    change(document)
    return document


BREAKING: dict[str, Change] = {
    "GET /wallets is gone": lambda d: d["paths"]["/wallets"].pop("get"),
    "GET /wallets is called allWallets, no longer listWallets": lambda d: operation(
        d, "get", "/wallets"
    ).update(operationId="allWallets"),
    "POST /wallets: 201 is gone": lambda d: operation(d, "post", "/wallets")["responses"].pop(
        "201"
    ),
    "POST /wallets/topup: body.reason is required now": lambda d: schema(d, "TopUpBody").update(
        required=["amount", "reason"]
    ),
    "POST /wallets/topup: body.currency is taken no longer": lambda d: schema(d, "TopUpBody")[
        "properties"
    ].pop("currency"),
    "POST /wallets/topup: body.amount has a tighter maximum: 5": lambda d: schema(d, "TopUpBody")[
        "properties"
    ]["amount"].update(maximum=5),
    "POST /wallets/topup: body.amount takes no integer any more": lambda d: schema(d, "TopUpBody")[
        "properties"
    ]["amount"].update(type="string"),
    "GET /wallets/my-balance: 200.held is gone": lambda d: schema(d, "Balance")["properties"].pop(
        "held"
    ),
    "GET /wallets/my-balance: 200.version may be missing now": lambda d: schema(d, "Balance")[
        "required"
    ].remove("version"),
    "GET /wallets/my-balance: 200.posted may be null now": lambda d: schema(d, "Balance")[
        "properties"
    ]["posted"].update(type=["integer", "null"]),
    "GET /transactions: query colour is new and required": lambda d: operation(
        d, "get", "/transactions"
    )["parameters"].append(
        {"in": "query", "name": "colour", "required": True, "schema": {"type": "string"}}
    ),
    "GET /transactions: query q is taken no longer": lambda d: operation(
        d, "get", "/transactions"
    ).update(parameters=[p for p in parameters(d) if p["name"] != "q"]),
    "POST /wallets/transfer: 422 is gone": lambda d: transfer(d)["responses"].pop("422"),
    "POST /wallets/transfer: 422 has no insufficient-funds any more": lambda d: transfer(d)[
        "responses"
    ]["422"]["content"]["application/problem+json"]["examples"].pop("insufficient-funds"),
    "POST /wallets/transfer: 201 has no header Idempotency-Key any more": lambda d: transfer(d)[
        "responses"
    ]["201"]["headers"].pop("Idempotency-Key"),
    "POST /users: credentials are wanted now": lambda d: operation(d, "post", "/users").update(
        security=transfer(d)["security"]
    ),
    "POST /wallets/topup: body.amount has a tighter maximum: 6": lambda d: maybe_null(
        d, "TopUpBody", "amount", maximum=6
    ),
    "GET /wallets/my-balance: 200.wallet_id has another format": lambda d: schema(d, "Balance")[
        "properties"
    ]["wallet_id"].update(format="hostname"),
    "POST /wallets/transfer: 201.metadata.* may be integer now": lambda d: schema(
        d, "TransferAnswer"
    )["properties"]["metadata"].update(additionalProperties={"type": "integer"}),
    "POST /api-keys/{id}/rotate: a body is required now": lambda d: operation(
        d, "post", "/api-keys/{id}/rotate"
    )["requestBody"].update(required=True),
    "webhook transfer.sent is gone": lambda d: d["webhooks"].pop("transfer.sent"),
    "webhook transfer.sent: header webhook-id is gone": lambda d: operation_of_webhook(d).update(
        parameters=[p for p in operation_of_webhook(d)["parameters"] if p["name"] != "webhook-id"]
    ),
    "webhook transfer.sent: body.id is gone": lambda d: body_of_webhook(d)["properties"].pop("id"),
}


@pytest.mark.parametrize("said", BREAKING)
def test_a_change_that_breaks_clients_is_named(said: str) -> None:
    assert said in list(breaks(DOCUMENT, changed(BREAKING[said])))


HARMLESS: dict[str, Change] = {
    "nothing": lambda _: None,
    "an optional field of a body": lambda d: schema(d, "TopUpBody")["properties"].update(
        colour={"type": "string"}
    ),
    "a field of an answer": lambda d: schema(d, "Balance")["properties"].update(
        colour={"type": "string"}
    ),
    "an optional parameter": lambda d: operation(d, "get", "/transactions")["parameters"].append(
        {"in": "query", "name": "colour", "schema": {"type": "string"}}
    ),
    "another problem": lambda d: operation(d, "get", "/wallets")["responses"].update(
        {"418": {"description": "A teapot"}}
    ),
    "a wider bound": lambda d: schema(d, "TopUpBody")["properties"]["amount"].update(
        maximum=10**16
    ),
    "no credentials any more": lambda d: transfer(d).update(security=[]),
    "a field of a body that may be null": lambda d: maybe_null(d, "TopUpBody", "amount"),
    "other words": lambda d: operation(d, "get", "/wallets").update(summary="Wallets"),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_a_change_that_breaks_nobody_is_not_told(change: str) -> None:
    assert list(breaks(DOCUMENT, changed(HARMLESS[change]))) == []


def test_new_operations_are_told() -> None:
    def add(document: dict[str, Any]) -> None:
        document["paths"]["/colours"] = {"get": operation(document, "get", "/wallets")}

    assert list(additions(DOCUMENT, changed(add))) == ["GET /colours"]


def test_new_webhooks_are_told() -> None:
    def add(document: dict[str, Any]) -> None:
        document["webhooks"]["colour.mixed"] = {"post": operation_of_webhook(document)}

    assert list(additions(DOCUMENT, changed(add))) == ["POST colour.mixed"]


def test_the_exit_status_tells_a_break_from_an_addition_and_from_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *author, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def status(document: dict[str, Any], base: str) -> int:
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        monkeypatch.setattr(sys, "argv", ["compare_openapi", base])
        return compare_openapi.main()

    monkeypatch.setattr(compare_openapi, "ROOT", tmp_path)
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    git("init", "-q")
    git("add", "openapi.json")
    git("commit", "-q", "-m", "base")
    assert status(DOCUMENT, "HEAD") == 0
    assert status(changed(BREAKING["GET /wallets is gone"]), "HEAD") == 1
    assert status(DOCUMENT, "nowhere") == 2
