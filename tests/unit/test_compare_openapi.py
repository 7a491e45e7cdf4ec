"""Planted changes of the document, and whether they break clients."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
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
    "other words": lambda d: operation(d, "get", "/wallets").update(summary="Wallets"),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_a_change_that_breaks_nobody_is_not_told(change: str) -> None:
    assert list(breaks(DOCUMENT, changed(HARMLESS[change]))) == []


def test_new_operations_are_told() -> None:
    def add(document: dict[str, Any]) -> None:
        document["paths"]["/colours"] = {"get": operation(document, "get", "/wallets")}

    assert list(additions(DOCUMENT, changed(add))) == ["GET /colours"]
