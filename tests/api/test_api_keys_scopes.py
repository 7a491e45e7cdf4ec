"""What an API key reaches: each scope against each route, generated from the one table."""

from typing import Any

import httpx
import pytest
from tests.api.api_keys import EVERY_SCOPE, machine, make_key
from tests.api.people import sign_up
from tests.api.security_objects import (
    BY_COOKIE,
    NAMED,
    OWN,
    STAFF,
    call,
    document_of,
    operations,
)
from tests.conftest import Service

from wallet.api.key_scopes import CLOSED, SCOPES
from wallet.bootstrap import openapi_document
from wallet.domain.api_keys import Scope

NEEDING = OWN | BY_COOKIE | NAMED | STAFF
# A stream never ends; the one that may be opened is tested over a socket.
ENDLESS = "streamEvents"


def test_every_operation_that_needs_somebody_has_a_scope_or_is_closed_to_keys() -> None:
    assert set(SCOPES) | CLOSED == set(NEEDING.values())
    assert not set(SCOPES) & CLOSED


def test_every_scope_opens_something() -> None:
    assert set(SCOPES.values()) == set(Scope)


def test_what_no_key_may_ever_do() -> None:
    assert {
        "changePassword", "listSessions", "revokeSession", "logOut", "updateProfile",
        "closeAccount", "exportData", "verifyEmail", "requestEmailVerification",
        "createApiKey", "listApiKeys", "getApiKey", "rotateApiKey", "revokeApiKey",
        "getBrowserSession", "endBrowserSession", "issueLiveTicket", "getSecondFactor",
        "beginSecondFactor", "confirmSecondFactor", "replaceRecoveryCodes", "disableSecondFactor",
        *STAFF.values(),
    } == CLOSED  # fmt: skip


def test_only_scopes_named_read_open_what_only_reads() -> None:
    document = openapi_document()
    methods = {
        operation["operationId"]: place.partition(" ")[0]
        for place, operation in operations(document).items()
    }
    for operation_id, scope in SCOPES.items():
        assert scope.reads == (methods[operation_id] == "GET"), operation_id


def test_the_document_says_which_scope_each_operation_needs() -> None:
    document = openapi_document()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["apiKey"]["type"], schemes["apiKey"]["scheme"]) == ("http", "bearer")
    for scope in EVERY_SCOPE:
        assert f"`{scope}`" in schemes["apiKey"]["description"]
    for place, operation in operations(document).items():
        if place not in NEEDING:
            assert "x-api-key-scope" not in operation
            continue
        refused = operation["responses"]["403"]["content"]["application/problem+json"]
        named = {name for wanted in operation["security"] for name in wanted}
        known = SCOPES.get(operation["operationId"])
        if known is None:
            assert "apiKey" not in named, place
            assert "session-required" in refused["examples"]
            assert operation["description"].endswith("API keys cannot do this.")
        else:
            assert {"apiKey": [known.value]} in operation["security"], place
            assert operation["x-api-key-scope"] == known.value
            assert "insufficient-scope" in refused["examples"]
            assert operation["description"].endswith(f"API keys need the scope `{known.value}`.")


@pytest.mark.parametrize("scope", EVERY_SCOPE)
async def test_a_key_of_one_scope_reaches_what_that_scope_opens_and_nothing_else(
    client: httpx.AsyncClient, service: Service, scope: str
) -> None:
    document = document_of(service)
    key = await machine(await sign_up(client, "ada"), scope)
    for place, operation_id in NEEDING.items():
        needed = SCOPES.get(operation_id)
        if needed is not None and needed.value == scope and operation_id == ENDLESS:
            continue
        answer = await call(client, document, place, key.headers)
        told: dict[str, Any] = answer.json() if answer.content else {}
        if needed is None:
            assert (answer.status_code, told["code"]) == (403, "session-required"), place
        elif needed.value == scope:
            assert answer.status_code not in {401, 403}, (place, answer.text)
        else:
            assert (answer.status_code, told["code"]) == (403, "insufficient-scope"), place
            assert told["scope"] == needed.value
            assert answer.headers["www-authenticate"] == (
                f'Bearer error="insufficient_scope", scope="{needed.value}"'
            )


async def test_no_key_reaches_what_is_closed_to_keys_whatever_its_scopes(
    client: httpx.AsyncClient, service: Service
) -> None:
    document = document_of(service)
    ada = await sign_up(client, "ada")
    key = await machine(ada, *EVERY_SCOPE)
    for place, operation_id in NEEDING.items():
        if operation_id in CLOSED:
            answer = await call(client, document, place, key.headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "session-required"), place
    assert (await ada.get("/users/me")).status_code == 200
    assert len((await ada.get("/api-keys")).json()["items"]) == 1


async def test_a_hot_route_refuses_a_key_like_an_ordinary_one(client: httpx.AsyncClient) -> None:
    key = await machine(await sign_up(client, "ada"), "profile:read")
    body = {"to_handle": "ada", "amount": 1}
    # A query parameter takes the request off the hot path.
    for path in ("/wallets/transfer", "/wallets/transfer?x=1"):
        answer = await key.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope"), path


async def test_scopes_that_do_not_exist_are_refused(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    wrong: tuple[object, ...] = (
        [],
        ["admin"],
        ["wallets:read", "*"],
        ["WALLETS:READ"],
        [1],
        "wallets:read",
        None,
    )
    for scopes in wrong:
        answer = await ada.post("/api-keys", {"name": "Till", "scopes": scopes})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed"), scopes


async def test_a_key_cannot_make_a_key(client: httpx.AsyncClient) -> None:
    ada = await sign_up(client, "ada")
    key = await make_key(ada, *EVERY_SCOPE)
    headers = {"authorization": f"Bearer {key['secret']}"}
    body = {"name": "More", "scopes": ["wallets:read"]}
    answer = await client.post("/api-keys", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "session-required")
