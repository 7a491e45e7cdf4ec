"""Whose data anybody can reach: the matrix of ownership, the inventory, and what bodies may say.

Everything here is generated from the OpenAPI document and compared with lists that are written out,
so that a route which is added later fails until somebody has said whose it is.
"""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from jose import jws
from tests.api.people import PASSWORD, Person, sign_up, sign_up_with
from tests.conftest import Service

# Everything the service answers, by who may ask for it. PUBLIC needs nothing, OWN speaks only of
# the caller, NAMED names something by an id or a key, in path, query or body.
PUBLIC = {
    "POST /users": "signUp",
    "POST /users/login": "logIn",
    "POST /users/refresh": "refreshTokens",
    "POST /password-resets": "requestPasswordReset",
    "POST /password-resets/confirm": "resetPassword",
    "POST /oauth/token": "issueToken",
    "GET /.well-known/jwks.json": "listSigningKeys",
    "GET /health/live": "getLiveness",
    "GET /health/ready": "getReadiness",
    "GET /metrics": "getMetrics",
    "GET /problems/{code}": "getProblem",
}
OWN = {
    "POST /email-verifications": "verifyEmail",
    "GET /wallets/my-balance": "getBalance",
    "POST /wallets/topup": "createTopUp",
    "GET /wallets": "listWallets",
    "POST /wallets": "openWallet",
    "POST /users/logout": "logOut",
    "GET /users/me/sessions": "listSessions",
    "GET /users/me": "getProfile",
    "DELETE /users/me": "closeAccount",
    "PATCH /users/me": "updateProfile",
    "GET /users/me/export": "exportData",
    "POST /users/me/password": "changePassword",
    "POST /users/me/email-verification": "requestEmailVerification",
}
NAMED = {
    "POST /wallets/transfer": "createTransfer",
    "GET /transactions": "listTransactions",
    "GET /transactions/{id}": "getTransaction",
    "GET /idempotency-keys/{key}": "getIdempotencyKey",
    "DELETE /users/me/sessions/{session_id}": "revokeSession",
    "GET /recipients": "findRecipient",
}
INVENTORY = PUBLIC | OWN | NAMED
# Pages outside of the document.
PAGES = {
    "GET /",
    "GET /docs",
    "GET /redoc",
    "GET /docs/assets/{release}/{name}",
    "GET /openapi.json",
}
DEVELOPMENT_PAGES = PAGES | {"GET /dev/mail"}
NAMES_A_THING = re.compile(r"(^|_)(id|ids|key|cursor|handle|email)$")
# Names that are the caller's own wish or credential and lead to nobody else's data.
NAMES_NOTHING = {
    ("signUp", "email"),
    ("signUp", "handle"),
    ("updateProfile", "handle"),
    ("logIn", "email"),
    ("requestPasswordReset", "email"),
}


def routes_of(container: Any, prefix: str = "") -> Iterator[str]:
    """Yield `METHOD /path` of every route, those of included routers too."""
    for route in container.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes_of(inner, prefix)
            continue
        path = prefix + route.path.replace(":path}", "}")
        for method in sorted(route.methods - {"HEAD"}):
            yield f"{method} {path}"


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every operation of a document by `METHOD /path`."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def document_of(service: Service) -> dict[str, Any]:
    document: dict[str, Any] = service.app.openapi()
    return document


def body_schema(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of an operation's JSON body."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    schema: dict[str, Any] = document["components"]["schemas"][name]
    return schema


def example_of(operation_id: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a body that is valid as far as its shape goes."""
    examples = schema.get("examples") or [{"currency": "EUR"}]
    return dict(examples[0])


def plain(response: httpx.Response) -> dict[str, Any]:
    """Return a problem without what differs from request to request."""
    document: dict[str, Any] = response.json()
    document.pop("request_id", None)
    document.pop("instance", None)
    return document


# Inventory.


async def test_the_routes_of_the_application_are_those_of_the_list(service: Service) -> None:
    assert set(routes_of(service.app)) == set(INVENTORY) | DEVELOPMENT_PAGES


async def test_the_document_has_exactly_the_operations_of_the_list(service: Service) -> None:
    found = operations(document_of(service))
    assert {place: operation["operationId"] for place, operation in found.items()} == INVENTORY


async def test_the_document_says_truly_which_operations_need_a_token(service: Service) -> None:
    found = operations(document_of(service))
    needing = {place for place, operation in found.items() if operation.get("security")}
    assert needing == set(OWN) | set(NAMED)


async def test_every_operation_that_names_a_thing_is_in_the_matrix(service: Service) -> None:
    document = document_of(service)
    naming = set()
    for place, operation in operations(document).items():
        names = {q["name"] for q in operation.get("parameters", []) if q["in"] != "header"}
        names |= set((body_schema(document, operation) or {}).get("properties", {}))
        operation_id = operation["operationId"]
        if any(NAMES_A_THING.search(n) and (operation_id, n) not in NAMES_NOTHING for n in names):
            naming.add(place)
    assert naming == set(NAMED)


# Ownership: B with A's ids, with random ones, and with those of things that are gone.


@dataclass
class Belongings:
    """What Alice owns, and Eve would like to."""

    transfer_id: str
    top_up_id: str
    session_id: str
    ended_session_id: str
    wallet_id: str
    user_id: str
    cursor: str


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
    return Belongings(
        transfer_id=paid.json()["id"],
        top_up_id=top_up.json()["id"],
        session_id=current,
        ended_session_id=ended,
        wallet_id=alice.wallet_id,
        user_id=alice.id,
        cursor=page["next_cursor"],
    )


Ask = Callable[[Person, str], Awaitable[httpx.Response]]


async def ask_transaction(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/transactions/{id_}")


async def ask_key(person: Person, id_: str) -> httpx.Response:
    return await person.get(f"/idempotency-keys/{id_}")


async def ask_session(person: Person, id_: str) -> httpx.Response:
    return await person.client.delete(f"/users/me/sessions/{id_}", headers=person.headers)


MATRIX: dict[str, tuple[Ask, int, tuple[str, ...]]] = {
    "getTransaction": (
        ask_transaction,
        404,
        ("transfer_id", "top_up_id", "session_id", "wallet_id", "user_id"),
    ),
    "getIdempotencyKey": (
        ask_key,
        200,
        ("transfer_id", "top_up_id", "session_id", "wallet_id", "user_id"),
    ),
    "revokeSession": (
        ask_session,
        404,
        ("session_id", "ended_session_id", "transfer_id", "wallet_id", "user_id"),
    ),
}


async def test_every_operation_with_an_id_in_its_path_is_attacked(service: Service) -> None:
    found = operations(document_of(service))
    personal = {place for place in found if "{" in place and place not in PUBLIC}
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
    assert answer.json() == {"items": [], "next_cursor": None}


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


# Function level: no token, and tokens that claim more than they may.


async def call(
    client: httpx.AsyncClient, document: dict[str, Any], place: str, headers: dict[str, str]
) -> httpx.Response:
    """Call an operation with the body of its example and an id that leads nowhere."""
    operation = operations(document)[place]
    method, _, path = place.partition(" ")
    path = re.sub(r"\{[a-z_]+\}", str(uuid4()), path)
    schema = body_schema(document, operation)
    content = None if schema is None else example_of(operation["operationId"], schema)
    return await client.request(method, path, json=content, headers=headers)


async def test_without_a_token_nobody_gets_anything(
    client: httpx.AsyncClient, service: Service
) -> None:
    document = document_of(service)
    for place in (*OWN, *NAMED):
        answer = await call(client, document, place, {})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), place
        assert answer.headers["www-authenticate"] == "Bearer", place


def segments(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a token."""
    header, body, _ = token.split(".")
    found = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, body)]
    return found[0], found[1]


def forged_tokens(service: Service, person: Person) -> dict[str, str]:
    """Return tokens of a person that claim a role, signed by nobody and by our own key."""
    header, claims = segments(person.access_token)
    wanted = claims | {"role": "admin", "roles": ["admin"], "is_admin": True, "scope": "admin"}
    unsigned = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, wanted)
    ]
    key: Any = service.app.state.tokens._keys.current.private
    headers = {"kid": header["kid"], "typ": header["typ"]}
    return {
        "signature of another token": ".".join([*unsigned, person.access_token.split(".")[2]]),
        "no signature": ".".join([*unsigned, ""]),
        "our own signature": jws.sign(wanted, key, headers=headers, algorithm="ES256"),
    }


async def test_a_token_that_claims_a_role_is_refused_everywhere(
    client: httpx.AsyncClient, service: Service
) -> None:
    eve = await sign_up(client, "eve")
    document = document_of(service)
    for name, token in forged_tokens(service, eve).items():
        for place in (*OWN, *NAMED):
            headers = {"authorization": f"Bearer {token}"}
            answer = await call(client, document, place, headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid"), (
                name, place,
            )  # fmt: skip


# Mass assignment.

UNWANTED: dict[str, object] = {
    "id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "owner": "eve",
    "owner_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "wallet_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "from_wallet_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "role": "admin",
    "is_admin": True,
    "is_shop_owner": True,
    "balance": 10**9,
    "posted": 10**9,
    "floor": -(10**9),
    "frozen": 0,
    "status": "completed",
    "version": 1,
    "email_verified": True,
    "email_verified_at": "2026-11-22T12:00:00Z",
    "password_hash": "x",
    "created_at": "2026-11-22T12:00:00Z",
    "booked_at": "2026-11-22T12:00:00Z",
    "default_currency": "EUR",
    "fee": 0,
    "source": "sandbox",
    "__proto__": {"role": "admin"},
    "constructor": {"role": "admin"},
}
BODIES = {
    "createTransfer", "createTopUp", "openWallet", "logIn", "refreshTokens", "signUp",
    "closeAccount", "updateProfile", "changePassword", "verifyEmail", "requestPasswordReset",
    "resetPassword",
}  # fmt: skip


async def test_every_body_refuses_every_field_that_it_does_not_ask_for(
    client: httpx.AsyncClient, service: Service
) -> None:
    eve = await sign_up(client, "eve")
    document = document_of(service)
    tried = set()
    for place, operation in operations(document).items():
        schema = body_schema(document, operation)
        if schema is None:
            continue
        tried.add(operation["operationId"])
        assert schema["additionalProperties"] is False
        method, _, path = place.partition(" ")
        extra = {name: value for name, value in UNWANTED.items() if name != "frozen"}
        for name in ("role", "__proto__"):
            body = example_of(operation["operationId"], schema) | {name: UNWANTED[name]}
            answer = await client.request(method, path, json=body, headers=eve.headers)
            assert answer.status_code == 422, (place, name)
            assert {"field": name, "code": "extra-forbidden"}.items() <= (
                answer.json()["errors"][0].items()
            )
        # All of them at once, and the answer names each (up to twenty) rather than one.
        body = example_of(operation["operationId"], schema) | extra
        answer = await client.request(method, path, json=body, headers=eve.headers)
        assert answer.status_code == 422, place
        named = [error["field"] for error in answer.json()["errors"]]
        assert named == list(extra)[:20], place
    assert tried == BODIES
    profile = (await eve.get("/users/me")).json()
    assert (profile["email_verified"], profile["default_currency"]) == (False, "USD")
    assert (await eve.get("/wallets/my-balance")).json()["posted"] == 0


async def test_every_query_that_takes_parameters_refuses_others(client: httpx.AsyncClient) -> None:
    eve = await sign_up(client, "eve")
    for path in (
        "/wallets/my-balance?owner_id=0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
        "/wallets/my-balance?wallet_id=0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
        "/transactions?user_id=0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
        "/transactions?sort=booked_at;DROP TABLE entries",
        "/recipients?handle=eve&role=admin",
    ):
        answer = await eve.get(path)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed"), path


async def test_metadata_is_the_payers_own_and_changes_nothing_else(
    client: httpx.AsyncClient,
) -> None:
    eve = await sign_up_with(client, "eve", 1_000)
    await sign_up(client, "bob")
    metadata = {"amount": "0", "__proto__": "x", "status": "pending", "role": "admin"}
    body = {"to_handle": "bob", "amount": 10, "metadata": metadata}
    answer = (await eve.post("/wallets/transfer", body)).json()
    assert answer["metadata"] == metadata
    assert (answer["amount"], answer["status"], answer["balance"]["posted"]) == (
        10, "completed", 990,
    )  # fmt: skip


# Over-exposure: what no answer may hold.

FORBIDDEN_NAMES = re.compile(r"password|hash|secret|salt|digest|fingerprint|private|role|floor")
TOKENS_ARE_THE_ANSWER = {"logIn", "refreshTokens", "issueToken"}


def names_in(value: object) -> Iterator[str]:
    """Yield every name of every object in a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


async def mailed_token(client: httpx.AsyncClient, email: str, subject: str) -> str:
    """Return the token of the newest mail with this subject."""
    for _ in range(100):
        answer = await client.get("/dev/mail", params={"recipient": email})
        for mail in answer.json()["items"]:
            if subject in mail["subject"]:
                token = re.search(r"^[A-Za-z0-9_-]{43}$", mail["text"], re.MULTILINE)
                assert token is not None
                return token[0]
        await asyncio.sleep(0.02)
    raise AssertionError("no such mail")


async def every_answer(client: httpx.AsyncClient) -> dict[str, httpx.Response]:
    """Use every operation once as it is meant to be used; return the answers by operation."""
    new = "eleven paper boats by noon"
    alice = await sign_up(client, "alice")
    said: dict[str, httpx.Response] = {}
    sign_up_body = {
        "first_name": "Bob", "last_name": "Tester", "email": "bob@example.com",
        "password": PASSWORD, "handle": "bob",
    }  # fmt: skip
    said["signUp"] = await client.post("/users", json=sign_up_body)
    log_in = {"email": alice.email, "password": PASSWORD}
    said["logIn"] = await client.post("/users/login", json=log_in)
    refresh = {"refresh_token": said["logIn"].json()["refresh_token"]}
    said["refreshTokens"] = await client.post("/users/refresh", json=refresh)
    form = {"grant_type": "password", "username": alice.email, "password": PASSWORD}
    said["issueToken"] = await client.post("/oauth/token", data=form)
    said["createTopUp"] = await alice.top_up(500, key="top-up")
    body = {"to_handle": "bob", "amount": 500, "note": "n", "metadata": {"a": "b"}}
    said["createTransfer"] = await alice.post("/wallets/transfer", body, "pay")
    said["openWallet"] = await alice.post("/wallets", {"currency": "EUR"})
    paid = said["createTransfer"].json()["id"]
    for operation_id, path in {
        "getBalance": "/wallets/my-balance",
        "listWallets": "/wallets",
        "listTransactions": "/transactions",
        "getTransaction": f"/transactions/{paid}",
        "getIdempotencyKey": "/idempotency-keys/pay",
        "listSessions": "/users/me/sessions",
        "getProfile": "/users/me",
        "exportData": "/users/me/export",
        "findRecipient": "/recipients?handle=bob",
        "listSigningKeys": "/.well-known/jwks.json",
        "getLiveness": "/health/live",
        "getReadiness": "/health/ready",
        "getMetrics": "/metrics",
        "getProblem": "/problems/insufficient-funds",
    }.items():
        said[operation_id] = await alice.get(path)
    said["updateProfile"] = await client.patch(
        "/users/me", json={"first_name": "Alys"}, headers=alice.headers
    )
    said["requestEmailVerification"] = await alice.post("/users/me/email-verification", {})
    token = await mailed_token(client, alice.email, "Confirm")
    said["verifyEmail"] = await client.post(
        "/email-verifications", json={"token": token}, headers=alice.headers
    )
    reset = {"email": alice.email}
    said["requestPasswordReset"] = await client.post("/password-resets", json=reset)
    sessions = said["listSessions"].json()["items"]
    other = next(s["id"] for s in sessions if not s["current"])
    path = f"/users/me/sessions/{other}"
    said["revokeSession"] = await client.delete(path, headers=alice.headers)
    change = {"current_password": PASSWORD, "new_password": new}
    said["changePassword"] = await alice.post("/users/me/password", change)
    said["logOut"] = await client.post("/users/logout", headers=alice.headers)
    await client.post("/password-resets", json={"email": "bob@example.com"})
    token = await mailed_token(client, "bob@example.com", "password")
    body = {"token": token, "new_password": new}
    said["resetPassword"] = await client.post("/password-resets/confirm", json=body)
    carol = await sign_up(client, "carol")
    said["closeAccount"] = await client.request(
        "DELETE", "/users/me", json={"password": PASSWORD}, headers=carol.headers
    )
    return said


async def test_no_answer_of_any_operation_holds_a_secret(
    client: httpx.AsyncClient, service: Service
) -> None:
    said = await every_answer(client)
    assert set(said) == set(INVENTORY.values())
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        rows = await connection.fetch(
            "SELECT password_hash AS word FROM users WHERE password_hash IS NOT NULL "
            "UNION ALL SELECT encode(salt, 'hex') FROM details "
            "UNION ALL SELECT encode(digest, 'hex') FROM refresh_tokens "
            "UNION ALL SELECT encode(digest, 'hex') FROM mail_tokens"
        )
    finally:
        await connection.close()
    words = [row["word"] for row in rows]
    assert len(words) > 8
    for operation_id, answer in said.items():
        assert answer.is_success, (operation_id, answer.text)
        for secret in (PASSWORD, "argon2", *words):
            assert secret not in answer.text, operation_id
        if answer.headers.get("content-type") != "application/json":
            continue
        found = {name for name in names_in(answer.json()) if FORBIDDEN_NAMES.search(name)}
        assert found == set(), operation_id
        held = {name for name in names_in(answer.json()) if "token" in name}
        assert bool(held - {"token_type"}) == (operation_id in TOKENS_ARE_THE_ANSWER), operation_id


async def test_no_schema_of_an_answer_names_a_secret(service: Service) -> None:
    schemas = document_of(service)["components"]["schemas"]
    answers = {name: schema for name, schema in schemas.items() if not name.endswith("Body")}
    assert {"ProfileAnswer", "Transaction", "RecipientAnswer"} <= set(answers)
    for name, schema in answers.items():
        found = [field for field in schema["properties"] if FORBIDDEN_NAMES.search(field)]
        assert found == [], name
    for name, schema in schemas.items():
        for field, property_ in schema["properties"].items():
            if "password" in field or (field.endswith("refresh_token") and name.endswith("Body")):
                assert property_["writeOnly"] is True, (name, field)
