"""Whose data anybody can reach: the matrix of ownership, the inventory, and what bodies may say.

Everything here is generated from the OpenAPI document and compared with lists that are written out,
so that a route which is added later fails until somebody has said whose it is."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from tests.api.people import PASSWORD, Person, sign_up, sign_up_with
from tests.api.security_objects import (
    BY_COOKIE,
    INVENTORY,
    NAMED,
    OWN,
    PUBLIC,
    STAFF,
    body_schema,
    call,
    document_of,
    operations,
)
from tests.conftest import Service

# Pages outside of the document.
PAGES = {
    "GET /",
    "GET /docs",
    "GET /redoc",
    "GET /verify",
    "GET /app",
    "GET /app/{below}",
    "GET /console",
    "GET /console/{below}",
    "GET /pages/assets/{name}",
    "GET /docs/assets/{release}/{name}",
    "GET /openapi.json",
}


DEVELOPMENT_PAGES = PAGES | {"GET /dev/mail"}


SOCKETS = {"SOCKET /live"}


NAMES_A_THING = re.compile(r"(^|_)(id|ids|key|cursor|handle|email|transfers)$")


# Names that are the caller's own wish or credential and lead to nobody else's data.
NAMES_NOTHING = {
    ("signUp", "email"),
    ("signUp", "handle"),
    ("updateProfile", "handle"),
    ("logIn", "email"),
    ("beginBrowserSession", "email"),
    ("requestPasswordReset", "email"),
    ("listCheckpoints", "cursor"),
}


def routes_of(container: Any, prefix: str = "") -> Iterator[str]:
    """Yield `METHOD /path` of every route, those of included routers too."""
    for route in container.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes_of(inner, prefix)
            continue
        path = prefix + route.path.replace(":path}", "}")
        # A WebSocket has no method; what it may be asked is tested with the live streams.
        for method in sorted(getattr(route, "methods", {"SOCKET"}) - {"HEAD"}):
            yield f"{method} {path}"


def plain(response: httpx.Response) -> dict[str, Any]:
    """Return a problem without what differs from request to request."""
    document: dict[str, Any] = response.json()
    document.pop("request_id", None)
    document.pop("instance", None)
    return document


# Inventory.


async def test_the_routes_of_the_application_are_those_of_the_list(service: Service) -> None:
    assert set(routes_of(service.app)) == set(INVENTORY) | DEVELOPMENT_PAGES | SOCKETS


async def test_the_document_has_exactly_the_operations_of_the_list(service: Service) -> None:
    found = operations(document_of(service))
    assert {place: operation["operationId"] for place, operation in found.items()} == INVENTORY


async def test_the_document_says_truly_which_operations_need_a_token(service: Service) -> None:
    found = operations(document_of(service))
    needing = {place for place, operation in found.items() if operation.get("security")}
    assert needing == set(OWN) | set(BY_COOKIE) | set(NAMED) | set(STAFF)


async def test_every_operation_that_names_a_thing_is_in_the_matrix(service: Service) -> None:
    document = document_of(service)
    naming = set()
    for place, operation in operations(document).items():
        names = {q["name"] for q in operation.get("parameters", []) if q["in"] != "header"}
        names |= set((body_schema(document, operation) or {}).get("properties", {}))
        operation_id = operation["operationId"]
        if any(NAMES_A_THING.search(n) and (operation_id, n) not in NAMES_NOTHING for n in names):
            naming.add(place)
    # Whatever staff name is theirs to see; to everybody else nothing under /admin is there.
    assert naming - set(STAFF) == set(NAMED)


# Ownership: B with A's ids, with random ones, and with those of things that are gone.


@dataclass
class Belongings:
    """What Alice owns, and Eve would like to."""

    transfer_id: str
    top_up_id: str
    session_id: str
    ended_session_id: str
    api_key_id: str
    revoked_key_id: str
    wallet_id: str
    user_id: str
    cursor: str
    endpoint_id: str
    removed_endpoint_id: str
    delivery_id: str
    event_id: str


async def belongings_of(alice: Person) -> Belongings:
    top_up = await alice.top_up(500, key="alices-key")
    paid = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 10})
    log_in = {"email": alice.email, "password": PASSWORD}
    await alice.client.post("/users/login", json=log_in)
    sessions = (await alice.get("/users/me/sessions")).json()["items"]
    ended = next(s["id"] for s in sessions if not s["current"])
    path = f"/users/me/sessions/{ended}"
    gone = await alice.client.delete(path, headers=alice.headers)
    assert gone.status_code == 204
    current = next(s["id"] for s in sessions if s["current"])
    page = (await alice.get("/transactions?limit=1")).json()
    wanted = {"name": "Till", "scopes": ["wallets:read"]}
    keys = [(await alice.post("/api-keys", wanted)).json()["id"] for _ in range(2)]
    gone = await alice.client.delete(f"/api-keys/{keys[1]}", headers=alice.headers)
    assert gone.status_code == 204
    ours, removed = [
        (await alice.post("/webhook-endpoints", {"url": "http://127.0.0.1:9099/"})).json()["id"]
        for _ in range(2)
    ]
    path = f"/webhook-endpoints/{removed}"
    gone = await alice.client.delete(path, headers=alice.headers)
    assert gone.status_code == 204
    tested = await alice.post(f"/webhook-endpoints/{ours}/test", {})
    return Belongings(
        transfer_id=paid.json()["id"],
        top_up_id=top_up.json()["id"],
        session_id=current,
        ended_session_id=ended,
        api_key_id=keys[0],
        revoked_key_id=keys[1],
        wallet_id=alice.wallet_id,
        user_id=alice.id,
        cursor=page["next_cursor"],
        endpoint_id=ours,
        removed_endpoint_id=removed,
        delivery_id=tested.json()["id"],
        event_id=f"{alice.wallet_id}:1",
    )


Ask = Callable[[Person, str], Awaitable[httpx.Response]]


async def ask_transaction(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/transactions/{id_}")


async def ask_receipt(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/transactions/{id_}/receipt")


async def ask_key(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/idempotency-keys/{id_}")


async def ask_session(person: Person, id_: str) -> httpx.Response:
    return await person.client.delete(f"/users/me/sessions/{id_}", headers=person.headers)


async def ask_balance(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/wallets/{id_}/balance?at=2026-11-24")


async def ask_statement(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/wallets/{id_}/statement?month=2026-11")


async def ask_insights(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/wallets/{id_}/insights")


async def ask_api_key(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/api-keys/{id_}")


async def ask_rotation(person: Person, id_: str) -> httpx.Response:
    return await person.post(f"/api-keys/{id_}/rotate", {})


async def ask_revocation(person: Person, id_: str) -> httpx.Response:
    return await person.client.delete(f"/api-keys/{id_}", headers=person.headers)


KEY_IDS = ("api_key_id", "revoked_key_id", "session_id", "wallet_id", "user_id")


def ask_endpoint(
    method: str, rest: str = "", body: dict[str, Any] | None = None
) -> Callable[[Person, str], Awaitable[httpx.Response]]:
    async def ask(person: Person, id_: str) -> httpx.Response:
        path = f"/webhook-endpoints/{id_}{rest}"
        return await person.client.request(method, path, json=body, headers=person.headers)

    return ask


async def ask_delivery(person: Person, id_: str) -> httpx.Response:
    """Ask for somebody's delivery through an endpoint of one's own."""
    endpoints = (await person.get("/webhook-endpoints")).json()["items"]
    if not endpoints:
        body = {"url": "http://127.0.0.1:9099/"}
        endpoints = [(await person.post("/webhook-endpoints", body)).json()]
    path = f"/webhook-endpoints/{endpoints[0]['id']}/deliveries/{id_}/resend"
    return await person.post(path, {})


async def ask_event(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/events/{id_ if ':' in id_ else id_ + ':1'}")


ENDPOINT_IDS = ("endpoint_id", "removed_endpoint_id", "delivery_id", "user_id", "wallet_id")
SIGNED = {"webhook_id": "a", "webhook_timestamp": "1", "webhook_signature": "v1,x", "body": "{}"}
WALLET_IDS = ("wallet_id", "transfer_id", "top_up_id", "session_id", "user_id")
MATRIX: dict[str, tuple[Ask, int, tuple[str, ...]]] = {
    "getTransaction": (
        ask_transaction,
        404,
        ("transfer_id", "top_up_id", "session_id", "wallet_id", "user_id"),
    ),
    "getReceipt": (
        ask_receipt,
        404,
        ("transfer_id", "top_up_id", "session_id", "wallet_id", "user_id"),
    ),
    "getIdempotencyKey": (
        ask_key,
        200,
        ("transfer_id", "top_up_id", "session_id", "wallet_id", "user_id"),
    ),
    "getApiKey": (ask_api_key, 404, KEY_IDS),
    "rotateApiKey": (ask_rotation, 404, KEY_IDS),
    "revokeApiKey": (ask_revocation, 404, KEY_IDS),
    "getBalanceAt": (ask_balance, 404, WALLET_IDS),
    "getStatement": (ask_statement, 404, WALLET_IDS),
    "getInsights": (ask_insights, 404, WALLET_IDS),
    "revokeSession": (
        ask_session,
        404,
        ("session_id", "ended_session_id", "transfer_id", "wallet_id", "user_id"),
    ),
    "getEvent": (ask_event, 404, ("event_id", "wallet_id", "user_id", "transfer_id")),
    "getWebhookEndpoint": (ask_endpoint("GET"), 404, ENDPOINT_IDS),
    "updateWebhookEndpoint": (ask_endpoint("PATCH", body={"enabled": False}), 404, ENDPOINT_IDS),
    "deleteWebhookEndpoint": (ask_endpoint("DELETE"), 404, ENDPOINT_IDS),
    "rotateWebhookSecret": (ask_endpoint("POST", "/rotate-secret", {}), 404, ENDPOINT_IDS),
    "resendWebhooks": (
        ask_endpoint("POST", "/resend", {"since": datetime.now(UTC).isoformat()}),
        404,
        ENDPOINT_IDS,
    ),
    "checkWebhookSignature": (
        ask_endpoint("POST", "/signature-check", SIGNED),
        404,
        ENDPOINT_IDS,
    ),
    "testWebhookEndpoint": (ask_endpoint("POST", "/test"), 404, ENDPOINT_IDS),
    "listWebhookDeliveries": (ask_endpoint("GET", "/deliveries"), 404, ENDPOINT_IDS),
    "resendWebhookDelivery": (ask_delivery, 404, ("delivery_id", "endpoint_id", "user_id")),
}


async def test_every_operation_with_an_id_in_its_path_is_attacked(service: Service) -> None:
    found = operations(document_of(service))
    beyond = {*PUBLIC, *STAFF}  # Those of staff are attacked in test_staff_roles.py.
    personal = {place for place in found if "{" in place and place not in beyond}
    assert {INVENTORY[place] for place in personal} == set(MATRIX)


@pytest.mark.parametrize("operation_id", MATRIX)
async def test_what_belongs_to_somebody_else_is_answered_like_what_is_missing(
    client: httpx.AsyncClient, operation_id: str
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    await sign_up(client, "bob")
    eve = await sign_up(client, "eve")
    theirs = await belongings_of(alice)
    ask, status, names = MATRIX[operation_id]
    missing = await ask(eve, str(uuid4()))
    assert missing.status_code == status
    for name in names:
        answer = await ask(eve, getattr(theirs, name))
        assert answer.status_code == status, name
        assert plain(answer) == plain(missing), name
        assert answer.headers.keys() == missing.headers.keys()
    assert (await alice.get("/users/me")).status_code == 200


async def test_somebody_elses_key_is_not_known(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    eve = await sign_up_with(client, "eve", 1_000)
    assert (await alice.get("/idempotency-keys/topup-alice")).json()["status"] == "accepted"
    assert (await eve.get("/idempotency-keys/topup-alice")).json()["status"] == "unknown"


async def test_the_same_key_of_two_people_is_two_keys(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    eve = await sign_up(client, "eve")
    first = await alice.top_up(700, key="shared")
    second = await eve.top_up(300, key="shared")
    assert (first.status_code, second.status_code) == (201, 201)
    assert "idempotent-replayed" not in second.headers
    assert second.json()["wallet_id"] == eve.wallet_id
    assert second.json()["balance"]["posted"] == 300


async def test_the_same_key_of_one_person_in_two_sessions_is_one_key(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    first = await alice.top_up(700, key="once")
    log_in = {"email": alice.email, "password": PASSWORD}
    alice.access_token = (await client.post("/users/login", json=log_in)).json()["access_token"]
    second = await alice.top_up(700, key="once")
    assert second.headers["idempotent-replayed"] == "true"
    assert second.content == first.content
    assert (await alice.get("/wallets/my-balance")).json()["posted"] == 700


async def test_a_cursor_of_somebody_else_shows_nothing(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    await sign_up(client, "bob")
    eve = await sign_up_with(client, "eve", 1_000)
    theirs = await belongings_of(alice)
    answer = await eve.get(f"/transactions?cursor={theirs.cursor}")
    assert (answer.json()["items"], answer.json()["next_cursor"]) == ([], None)


async def test_the_payee_learns_nothing_of_the_payers_wallet(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 98_765)
    bob = await sign_up(client, "bob")
    paid = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 10})
    line = await bob.get(f"/transactions/{paid.json()['id']}")
    assert line.json()["wallet_id"] == bob.wallet_id
    assert line.json()["balance"]["posted"] == 10
    assert set(line.json()["counterparty"]) == {"user_id", "handle", "first_name", "initial"}
    for secret in (alice.wallet_id, "98755", "987.55", "alice@example.com", "Tester"):
        assert secret not in line.text


async def test_a_refusal_because_of_the_payee_tells_nothing_but_that(
    client: httpx.AsyncClient, service: Service
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    owner = await asyncpg.connect(service.database.superuser_url)
    try:
        await owner.execute("UPDATE accounts SET frozen = 2 WHERE id = $1::uuid", bob.wallet_id)
    finally:
        await owner.close()
    body = {"to_handle": "bob", "amount": 10}
    refused = await alice.post("/wallets/transfer", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "wallet-frozen")
    assert refused.json().keys() == {
        "type", "title", "status", "detail", "instance", "code", "request_id", "direction"
    }  # fmt: skip
    preview = await alice.post("/wallets/transfer", body | {"dry_run": True})
    assert preview.json()["refusal"].keys() == {"code", "title", "direction"}
    for text in (refused.text, preview.text):
        assert bob.wallet_id not in text


async def test_without_a_token_nobody_gets_anything(
    client: httpx.AsyncClient, service: Service
) -> None:
    document = document_of(service)
    for place in (*OWN, *BY_COOKIE, *NAMED, *STAFF):
        answer = await call(client, document, place, {})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), place
        assert answer.headers["www-authenticate"] == "Bearer", place
