"""What answers show and bodies may say: secrets and mass assignment."""

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from jose import jws
from tests.api.browsers import PATH, SAME_ORIGIN, code_now, open_page
from tests.api.people import PASSWORD, Person, sign_up, sign_up_with
from tests.api.receipts import receipt_of
from tests.api.security_objects import (
    BY_COOKIE,
    INVENTORY,
    NAMED,
    OWN,
    STAFF,
    body_schema,
    call,
    document_of,
    example_of,
    operations,
)
from tests.api.staff_people import do, quick_person
from tests.conftest import Service

from wallet.domain.users import Role


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
    key: Any = service.app.state.use_cases.log_in._tokens._keys.current.private
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
        for place in (*OWN, *BY_COOKIE, *NAMED, *STAFF):
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
    "createTransfer", "createTransferBatch", "createTopUp", "openWallet", "logIn", "refreshTokens",
    "signUp", "closeAccount", "updateProfile", "changePassword", "verifyEmail",
    "requestPasswordReset", "resetPassword", "beginBrowserSession", "beginSecondFactor",
    "confirmSecondFactor", "replaceRecoveryCodes", "disableSecondFactor",
    "createApiKey", "rotateApiKey",
    "createWebhookEndpoint", "updateWebhookEndpoint",
    "rotateWebhookSecret", "resendWebhooks", "checkWebhookSignature",
    "endSessions", "freezeWallet", "unfreezeWallet",
    "closeWallet", "setOverdraft", "refundTransfer", "requestAdjustment", "approveAdjustment",
    "rejectAdjustment",
}  # fmt: skip


async def test_every_body_refuses_every_field_that_it_does_not_ask_for(
    client: httpx.AsyncClient, service: Service
) -> None:
    eve = await sign_up(client, "eve")
    ada = await quick_person(client, service, "ada", Role.ADMIN)
    document = document_of(service)
    tried = set()
    for place, operation in operations(document).items():
        schema = body_schema(document, operation)
        if schema is None:
            continue
        tried.add(operation["operationId"])
        assert schema["additionalProperties"] is False
        method, _, path = re.sub(r"\{[a-z_]+\}", str(uuid4()), place).partition(" ")
        if path == "/session":
            headers = SAME_ORIGIN
        else:
            headers = ada.headers if place in STAFF else eve.headers
        asked = set(schema["properties"])
        extra = {n: value for n, value in UNWANTED.items() if n != "frozen" and n not in asked}
        for name in ("role", "__proto__"):
            body = example_of(operation["operationId"], schema) | {name: UNWANTED[name]}
            answer = await client.request(method, path, json=body, headers=headers)
            assert answer.status_code == 422, (place, name)
            assert {"field": name, "code": "extra-forbidden"}.items() <= (
                answer.json()["errors"][0].items()
            )
        # All of them at once, and the answer names each (up to twenty) rather than one.
        body = example_of(operation["operationId"], schema) | extra
        answer = await client.request(method, path, json=body, headers=headers)
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
        "/events?person_id=0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
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


# An answer without an end; what it holds is tested over a socket, with the live streams.
ENDLESS = {"streamEvents"}


PROVING = re.compile(r"root_hash|previous_hash|hash|hashes|details_digest|salt")
"""What proofs are made of. The salt is that of the holder's own note."""
PROOFS = {"getReceipt", "listCheckpoints", "getLatestCheckpoint", "getCheckpoint"} | {
    "getConsistencyProof"
}
PROOF_SCHEMAS = {"CheckpointAnswer", "ConsistencyAnswer", "ReceiptEntry", "ReceiptDetails"} | {
    "Inclusion"
}


WITH_ROLES = {"StaffPerson", "WholePerson", "ActAnswer"}
"""What staff see of each other and of people."""
SECRETS_ARE_THE_ANSWER = {
    "createApiKey", "rotateApiKey", "createWebhookEndpoint", "rotateWebhookSecret",
}  # fmt: skip
"""Shown once, which is what they are for."""
SHOWING = {
    "EndpointWithSecret": {"secret"},
    "UserAppointedData": {"role"},  # what happened to oneself
}


TOKENS_ARE_THE_ANSWER = {"logIn", "refreshTokens", "issueToken"} | {
    "beginBrowserSession", "getBrowserSession",
}  # fmt: skip


# What an app takes in is shown once, and a page must know whether to show what staff see.
SHOWN = {
    "beginSecondFactor": {"secret"},
    "beginBrowserSession": {"role"},
    "getBrowserSession": {"role"},
}
SHOWN_BY_SCHEMA = {"EnrolmentAnswer": ["secret"], "SessionUser": ["role"]}


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


async def every_answer_to_staff(
    client: httpx.AsyncClient, service: Service, alice: Person, paid: str
) -> dict[str, httpx.Response]:
    """The same of what staff alone may ask for, about Alice."""
    ada = await quick_person(client, service, "ada", Role.ADMIN)
    max_ = await quick_person(client, service, "max", Role.ADMIN)
    empty = await quick_person(client, service, "empty")
    said: dict[str, httpx.Response] = {}
    wallet = f"/wallets/{alice.wallet_id}"
    said["freezeWallet"] = await do(ada, f"{wallet}/freeze", direction="send")
    said["unfreezeWallet"] = await do(ada, f"{wallet}/unfreeze")
    said["setOverdraft"] = await do(ada, f"{wallet}/overdraft", limit=1)
    said["closeWallet"] = await do(ada, f"/wallets/{empty.wallet_id}/close")
    said["refundTransfer"] = await do(ada, f"/transactions/{paid}/refund")
    for deciding, word in (("approveAdjustment", "approve"), ("rejectAdjustment", "reject")):
        asked = await do(ada, "/adjustments", wallet_id=alice.wallet_id, amount=5)
        said["requestAdjustment"] = asked
        said[deciding] = await do(max_, f"/adjustments/{asked.json()['id']}/{word}")
    await alice.post("/wallets/transfer", {"to_handle": "empty", "amount": 10**12})
    (refusal, *_) = (await ada.get("/admin/refusals")).json()["items"]
    (act, *_) = (await ada.get("/admin/audit-trail")).json()["items"]
    for operation_id, path in {
        "getOverview": "/overview",
        "getIntegrity": "/integrity",
        "searchEverything": "/search?q=alice",
        "listPeople": "/people",
        "getPerson": f"/people/{alice.id}",
        "listPersonTransactions": f"/people/{alice.id}/transactions",
        "getTimeline": f"/people/{alice.id}/timeline",
        "listStaffWallets": "/wallets",
        "getStaffWallet": wallet,
        "listStaffTransactions": "/transactions",
        "getStaffTransaction": f"/transactions/{paid}",
        "listRefusals": "/refusals",
        "getRefusal": f"/refusals/{refusal['id']}",
        "listAdjustments": "/adjustments",
        "getAdjustment": f"/adjustments/{asked.json()['id']}",
        "listActs": "/audit-trail",
        "getAct": f"/audit-trail/{act['id']}",
    }.items():
        said[operation_id] = await ada.get(f"/admin{path}")
    said["endSessions"] = await client.request(
        "DELETE",
        f"/admin/people/{empty.id}/sessions",
        json={"reason": "Because of ticket 4711."},
        headers=ada.headers,
    )
    return said


async def webhook_answers(alice: Person) -> dict[str, httpx.Response]:
    """Use every operation of webhooks once."""
    said: dict[str, httpx.Response] = {}
    body = {"url": "http://127.0.0.1:9099/hooks", "events": ["transfer.sent"]}
    said["createWebhookEndpoint"] = await alice.post("/webhook-endpoints", body)
    said["listWebhookEndpoints"] = await alice.get("/webhook-endpoints")
    path = f"/webhook-endpoints/{said['createWebhookEndpoint'].json()['id']}"
    said["getWebhookEndpoint"] = await alice.get(path)
    said["updateWebhookEndpoint"] = await alice.client.patch(
        path, json={"description": "d"}, headers=alice.headers
    )
    said["rotateWebhookSecret"] = await alice.post(f"{path}/rotate-secret", {"overlap_s": 60})
    said["testWebhookEndpoint"] = await alice.post(f"{path}/test", {})
    said["listWebhookDeliveries"] = await alice.get(f"{path}/deliveries")
    delivery = said["testWebhookEndpoint"].json()["id"]
    said["resendWebhookDelivery"] = await alice.post(f"{path}/deliveries/{delivery}/resend", {})
    since = {"since": datetime.now(UTC).isoformat()}
    said["resendWebhooks"] = await alice.post(f"{path}/resend", since)
    signed = {"webhook_id": "a", "webhook_timestamp": "1", "webhook_signature": "", "body": ""}
    said["checkWebhookSignature"] = await alice.post(f"{path}/signature-check", signed)
    said["deleteWebhookEndpoint"] = await alice.client.delete(path, headers=alice.headers)
    return said


async def every_answer(client: httpx.AsyncClient, service: Service) -> dict[str, httpx.Response]:
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
    body = {"to_handle": "bob", "amount": 499, "note": "n", "metadata": {"a": "b"}}
    said["createTransfer"] = await alice.post("/wallets/transfer", body, "pay")
    batch = {"transfers": [{"to_handle": "bob", "amount": 1}], "atomic": True}
    said["createTransferBatch"] = await alice.post("/transfers/batch", batch, "batch")
    said["openWallet"] = await alice.post("/wallets", {"currency": "EUR"})
    paid = said["createTransfer"].json()["id"]
    receipt = await receipt_of(alice, paid)
    for operation_id, path in {
        "getBalance": "/wallets/my-balance",
        "listWallets": "/wallets",
        "listTransactions": "/transactions",
        "getTransaction": f"/transactions/{paid}",
        "getBalanceAt": f"/wallets/{alice.wallet_id}/balance?at=2026-11-24",
        "getStatement": f"/wallets/{alice.wallet_id}/statement?month={datetime.now(UTC):%Y-%m}",
        "getInsights": f"/wallets/{alice.wallet_id}/insights",
        "getIdempotencyKey": "/idempotency-keys/pay",
        "listSessions": "/users/me/sessions",
        "getProfile": "/users/me",
        "exportData": "/users/me/export",
        "findRecipient": "/recipients?handle=bob",
        "listSigningKeys": "/.well-known/jwks.json",
        "getLiveness": "/health/live",
        "getReadiness": "/health/ready",
        "getMetrics": "/metrics",
        "listCheckpoints": "/proofs/checkpoints",
        "getLatestCheckpoint": "/proofs/checkpoints/latest",
        "getCheckpoint": f"/proofs/checkpoints/{receipt['checkpoint']['tree_size']}",
        "getReceipt": f"/transactions/{paid}/receipt",
        "getConsistencyProof": "/proofs/consistency?first=1&second=1",
        "listProofKeys": "/proofs/keys",
        "getProblem": "/problems/insufficient-funds",
        "listEvents": "/events",
        "getEvent": f"/events/{alice.wallet_id}:1",
    }.items():
        said[operation_id] = await alice.get(path)
    wanted = {"name": "Till", "scopes": ["transfers:write"]}
    rule = {"currency": "USD", "budget": 100, "payees": ["bob"], "interval": "day"}
    said["createApiKey"] = await alice.post("/api-keys", wanted | {"spending": rule})
    path = f"/api-keys/{said['createApiKey'].json()['id']}"
    said["rotateApiKey"] = await alice.post(f"{path}/rotate", {"overlap_seconds": 60})
    said["getApiKey"] = await alice.get(path)
    said["listApiKeys"] = await alice.get("/api-keys")
    said["revokeApiKey"] = await client.delete(path, headers=alice.headers)
    said |= await webhook_answers(alice)
    said |= await every_answer_to_staff(client, service, alice, paid)
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
    said |= await second_factor_answers(client)
    carol = await sign_up(client, "carol")
    said["closeAccount"] = await client.request(
        "DELETE", "/users/me", json={"password": PASSWORD}, headers=carol.headers
    )
    return said


async def second_factor_answers(client: httpx.AsyncClient) -> dict[str, httpx.Response]:
    """Do the same with a second factor, and with a browser."""
    dora = await sign_up(client, "dora")
    said: dict[str, httpx.Response] = {}
    said["beginSecondFactor"] = await dora.post(PATH, {"password": PASSWORD})
    secret = said["beginSecondFactor"].json()["secret"]
    code = {"otp": code_now(secret)}
    said["confirmSecondFactor"] = await dora.post(f"{PATH}/confirm", code)
    first = said["confirmSecondFactor"].json()["recovery_codes"][0]
    proof = {"password": PASSWORD, "otp": first}
    said["replaceRecoveryCodes"] = await dora.post(f"{PATH}/recovery-codes", proof)
    proof["otp"] = said["replaceRecoveryCodes"].json()["recovery_codes"][0]
    said["getSecondFactor"] = await dora.get(PATH)
    said["disableSecondFactor"] = await client.request(
        "DELETE", PATH, json=proof, headers=dora.headers
    )
    page, said["beginBrowserSession"] = await open_page(client, dora.email)
    said["getBrowserSession"] = await page.get("/session")
    said["issueLiveTicket"] = await page.post("/live/tickets")
    said["endBrowserSession"] = await page.request("DELETE", "/session")
    return said


async def test_no_answer_of_any_operation_holds_a_secret(
    client: httpx.AsyncClient, service: Service
) -> None:
    said = await every_answer(client, service)
    assert set(said) == set(INVENTORY.values()) - ENDLESS
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        rows = await connection.fetch(
            "SELECT password_hash AS word FROM users WHERE password_hash IS NOT NULL "
            "UNION ALL SELECT encode(digest, 'hex') FROM refresh_tokens "
            "UNION ALL SELECT encode(digest, 'hex') FROM mail_tokens "
            "UNION ALL SELECT encode(digest, 'hex') FROM session_cookies "
            "UNION ALL SELECT encode(digest, 'hex') FROM recovery_codes "
            "UNION ALL SELECT encode(digest, 'hex') FROM api_key_secrets "
            "UNION ALL SELECT encode(secret, 'hex') FROM webhook_endpoints"
        )
        salted = await connection.fetch("SELECT encode(salt, 'hex') AS word FROM details")
    finally:
        await connection.close()
    words, salts = [row["word"] for row in rows], [row["word"] for row in salted]
    assert len(words) > 6
    assert salts
    for operation_id, answer in said.items():
        assert answer.is_success, (operation_id, answer.text)
        # A receipt shows the salt of its own note, without which nobody could check the note.
        for secret in (
            PASSWORD,
            "argon2",
            *words,
            *(() if operation_id == "getReceipt" else salts),
        ):
            assert secret not in answer.text, operation_id
        if answer.headers.get("content-type") != "application/json":
            continue
        found = {name for name in names_in(answer.json()) if FORBIDDEN_NAMES.search(name)}
        if operation_id in PROOFS:
            found = {name for name in found if not PROVING.fullmatch(name)}
        if operation_id in STAFF.values():
            found -= {"role"}
        shown = {"secret"} if operation_id in SECRETS_ARE_THE_ANSWER else set()
        assert found == shown | SHOWN.get(operation_id, set()), operation_id
        held = {name for name in names_in(answer.json()) if "token" in name}
        assert bool(held - {"token_type"}) == (operation_id in TOKENS_ARE_THE_ANSWER), operation_id


async def test_no_schema_of_an_answer_names_a_secret(service: Service) -> None:
    schemas = document_of(service)["components"]["schemas"]
    answers = {name: schema for name, schema in schemas.items() if not name.endswith("Body")}
    assert {"ProfileAnswer", "Transaction", "RecipientAnswer"} <= set(answers)
    for name, schema in answers.items():
        # Enumerations have no fields.
        found = [field for field in schema.get("properties", ()) if FORBIDDEN_NAMES.search(field)]
        found = [field for field in found if field not in SHOWING.get(name, ())]
        if name in PROOF_SCHEMAS:
            found = [field for field in found if not PROVING.fullmatch(field)]
        if name in WITH_ROLES:
            found.remove("role")
        known = ["secret"] if name == "NewApiKeyAnswer" else SHOWN_BY_SCHEMA.get(name, [])
        assert found == known, name
    for name, schema in schemas.items():
        for field, property_ in schema.get("properties", {}).items():
            if "password" in field or (field.endswith("refresh_token") and name.endswith("Body")):
                assert property_["writeOnly"] is True, (name, field)
