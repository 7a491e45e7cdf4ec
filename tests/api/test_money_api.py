"""Money over HTTP: the whole application on a real database."""

from typing import Any

import httpx
import pytest
from tests.api.people import Person, balance_of, sign_up, sign_up_with
from tests.conftest import Service


async def test_two_people_sign_up_and_one_pays_the_other(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 10_000)
    bob = await sign_up(client, "bob")
    answer = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 2_500})
    assert answer.status_code == 201
    assert answer.json()["balance"]["posted"] == 7_500
    assert answer.json()["display"] == "25.00 USD"
    assert answer.json()["to_user_id"] == bob.id
    assert await balance_of(alice) == 7_500
    assert await balance_of(bob) == 2_500


async def test_a_repeated_key_is_answered_with_the_same_bytes(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 10_000)
    await sign_up(client, "bob")
    body = {
        "to_handle": "bob",
        "amount": 100,
        "note": "Ünïcode",
        "reference": "r-1",
        "metadata": {"zebra": "1", "a": "2", "mm": "3"},
    }
    first = await alice.post("/wallets/transfer", body, key="k")
    again = await alice.post("/wallets/transfer", body, key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["idempotency-key"] == "k"
    assert await balance_of(alice) == 9_900


async def test_a_repeated_refusal_is_answered_the_same(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    await sign_up(client, "bob")
    body = {"to_handle": "bob", "amount": 100}
    first = await alice.post("/wallets/transfer", body, key="k")
    await alice.top_up(1_000)
    again = await alice.post("/wallets/transfer", body, key="k")
    volatile = ("request_id",)
    assert first.status_code == again.status_code == 422
    assert first.json()["code"] == "insufficient-funds"
    assert first.json()["available"] == 0
    assert {k: v for k, v in first.json().items() if k not in volatile} == {
        k: v for k, v in again.json().items() if k not in volatile
    }
    assert again.headers["idempotent-replayed"] == "true"
    assert await balance_of(alice) == 1_000


async def test_a_key_used_for_something_else_is_refused(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 10_000)
    await sign_up(client, "bob")
    await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 100}, key="k")
    other = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 101}, key="k")
    top_up = await alice.post("/wallets/topup", {"amount": 100}, key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (top_up.status_code, top_up.json()["code"]) == (422, "idempotency-key-reused")


async def test_without_a_key_the_answer_says_that_one_was_made(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 10_000)
    await sign_up(client, "bob")
    first = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 100}, key=None)
    second = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 100}, key=None)
    assert first.headers["idempotency-key-generated"] == "true"
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert await balance_of(alice) == 9_800


@pytest.mark.parametrize(
    "key", ["", "x" * 256, "tab\there", "ümlaut".encode("latin-1").decode("latin-1")]
)
async def test_a_malformed_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    alice = await sign_up(client, "alice")
    headers = {**alice.headers, "idempotency-key": key.encode("latin-1")}
    answer = await client.post("/wallets/topup", json={"amount": 1}, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-invalid")


@pytest.mark.parametrize(
    "amount",
    [
        "0", "-1", "1.0", "1.5", "1e3", "1e400", "NaN", "true", '"12"', '" 12 "', '"1_000"',
        "9007199254740993000", "9223372036854775808", "1" + "0" * 26, "null", "[]", "{}",
        '"١٢"', "1000000000000001",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/wallets/topup", "/wallets/transfer"])
async def test_an_amount_that_is_no_amount_is_refused(
    service: Service, path: str, amount: str
) -> None:
    async with service.client() as client:
        alice = await sign_up(client, "alice")
        body = '{"amount": %s, "to_handle": "bob"}' if "transfer" in path else '{"amount": %s}'
        answer = await client.post(
            path,
            content=body % amount,
            headers={**alice.headers, "content-type": "application/json"},
        )
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["code"] in {"validation-failed", "malformed-json"}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "extra", ["is_admin", "balance", "owner", "owner_id", "status", "version", "id", "role"]
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/wallets/topup", {"amount": 1}),
        ("/wallets/transfer", {"amount": 1, "to_handle": "bob"}),
        ("/wallets", {"currency": "EUR"}),
    ],
)
async def test_a_field_that_nobody_asked_for_is_refused(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], extra: str
) -> None:
    alice = await sign_up(client, "alice")
    answer = await alice.post(path, {**body, extra: True})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert [e["field"] for e in answer.json()["errors"]] == [extra]


async def test_a_preview_shows_the_result_and_stores_nothing(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    body = {"to_handle": "bob", "amount": 400, "dry_run": True}
    accepted = await alice.post("/wallets/transfer", body)
    refused = await alice.post("/wallets/transfer", {**body, "amount": 1_001})
    unknown = await alice.post("/wallets/transfer", {**body, "to_handle": "nobody"})
    assert accepted.status_code == 200
    assert accepted.json()["outcome"] == "accepted"
    assert accepted.json()["transfer"]["balance"]["posted"] == 600
    assert refused.status_code == 200
    assert refused.json()["refusal"]["code"] == "insufficient-funds"
    assert refused.json()["refusal"]["available"] == 1_000
    assert unknown.status_code == 404
    assert await balance_of(alice) == 1_000
    assert len((await bob.get("/transactions")).json()["items"]) == 0


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"to_handle": "bob", "to_email": "bob@example.com"},
        {"to_user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a", "to_handle": "bob"},
    ],
)
async def test_exactly_one_recipient_is_needed(
    client: httpx.AsyncClient, named: dict[str, str]
) -> None:
    alice = await sign_up(client, "alice")
    answer = await alice.post("/wallets/transfer", {**named, "amount": 1})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")


@pytest.mark.parametrize(
    "named",
    [
        {"to_user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"},
        {"to_handle": "nobody_here"},
        {"to_email": "nobody@example.com"},
    ],
)
async def test_an_unknown_recipient_is_404_and_the_key_stays_free(
    client: httpx.AsyncClient, named: dict[str, str]
) -> None:
    alice = await sign_up_with(client, "alice", 500)
    answer = await alice.post("/wallets/transfer", {**named, "amount": 1}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (404, "recipient-not-found")
    found = await alice.get("/idempotency-keys/k")
    assert found.json()["status"] == "unknown"


async def test_an_unverified_address_cannot_be_paid(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 500)
    bob = await sign_up(client, "bob")
    body = {"to_email": "BOB@example.com", "amount": 5}
    unverified = await alice.post("/wallets/transfer", body)
    await bob.verify_email()
    verified = await alice.post("/wallets/transfer", body)
    assert unverified.status_code == 404
    assert verified.status_code == 201
    assert await balance_of(bob) == 5


async def test_a_retry_is_answered_even_if_the_recipient_has_gone(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 500)
    bob = await sign_up(client, "bob")
    body = {"to_handle": "bob", "amount": 5}
    first = await alice.post("/wallets/transfer", body, key="k")
    await bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 5})
    closed = await bob.client.request(
        "DELETE", "/users/me", json={"password": bob.password}, headers=bob.headers
    )
    assert closed.status_code == 204, closed.text
    again = await alice.post("/wallets/transfer", body, key="k")
    fresh = await alice.post("/wallets/transfer", body, key="other")
    assert again.content == first.content
    assert fresh.status_code == 404


async def test_oneself_cannot_be_paid(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 500)
    for named in ({"to_handle": "alice"}, {"to_user_id": alice.id}):
        answer = await alice.post("/wallets/transfer", {**named, "amount": 1})
        assert (answer.status_code, answer.json()["code"]) == (422, "self-transfer")


async def test_a_recipient_without_a_wallet_in_the_currency_is_refused(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    bob = await sign_up(client, "bob")
    opened = await alice.post("/wallets", {"currency": "JPY"})
    assert opened.status_code == 201
    await alice.top_up(500, "JPY")
    body = {"to_handle": "bob", "amount": 5, "currency": "JPY"}
    refused = await alice.post("/wallets/transfer", body)
    await bob.post("/wallets", {"currency": "JPY"})
    paid = await alice.post("/wallets/transfer", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "recipient-has-no-wallet")
    assert paid.status_code == 201
    assert paid.json()["display"] == "5 JPY"


async def test_a_wallet_is_opened_once_per_currency(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    first = await alice.post("/wallets", {"currency": "EUR"})
    again = await alice.post("/wallets", {"currency": "EUR"})
    unknown = await alice.post("/wallets", {"currency": "ZZZ"})
    listed = (await alice.get("/wallets")).json()
    assert first.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "wallet-already-open")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown-currency")
    assert [w["currency"] for w in listed["items"]] == ["EUR", "USD"]
    assert listed["next_cursor"] is None


@pytest.mark.parametrize(
    ("amount", "status", "code", "reason"),
    [
        (90_001, 422, "top-up-declined", "insufficient-source-funds"),
        (290_002, 422, "top-up-declined", "source-blocked"),
    ],
)
async def test_a_declined_top_up_says_why_every_time(
    client: httpx.AsyncClient, amount: int, status: int, code: str, reason: str
) -> None:
    alice = await sign_up(client, "alice")
    first = await alice.post("/wallets/topup", {"amount": amount}, key="k")
    again = await alice.post("/wallets/topup", {"amount": amount}, key="k")
    for answer in (first, again):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["reason"] == reason
    known = (await alice.get("/idempotency-keys/k")).json()
    assert (known["status"], known["refusal"]["reason"]) == ("refused", reason)
    assert await balance_of(alice) == 0


@pytest.mark.parametrize("amount", [90_003, 90_004])
async def test_a_top_up_that_is_not_decided_stays_pending(
    client: httpx.AsyncClient, amount: int
) -> None:
    alice = await sign_up(client, "alice")
    first = await alice.post("/wallets/topup", {"amount": amount}, key="k")
    again = await alice.post("/wallets/topup", {"amount": amount}, key="k")
    assert first.status_code == again.status_code == 202
    assert first.json()["status"] == "pending"
    assert first.json()["balance"] is None
    assert again.content == first.content
    assert (await alice.get("/idempotency-keys/k")).json()["status"] == "pending"
    closing = await client.request(
        "DELETE", "/users/me", json={"password": alice.password}, headers=alice.headers
    )
    assert (closing.status_code, closing.json()["code"]) == (409, "wallet-not-empty")


async def test_a_top_up_repeated_is_credited_once_and_found_in_the_history(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    first = await alice.post("/wallets/topup", {"amount": 700}, key="k")
    again = await alice.post("/wallets/topup", {"amount": 700}, key="k")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    line = (await alice.get(f"/transactions/{first.json()['id']}")).json()
    assert (line["kind"], line["direction"], line["amount"]) == ("top-up", "in", 700)
    known = (await alice.get("/idempotency-keys/k")).json()
    assert known["status"] == "accepted"
    assert known["resource"] == f"/transactions/{first.json()['id']}"
    assert await balance_of(alice) == 700


async def _pay(payer: Person, handle: str, amount: int, **more: Any) -> str:
    answer = await payer.post("/wallets/transfer", {"to_handle": handle, "amount": amount, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_each_movement_is_one_line_for_each_side(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    ids = [await _pay(alice, "bob", n, note=f"n{n}") for n in (1, 2, 3)]
    out = (await alice.get("/transactions")).json()["items"]
    into = (await bob.get("/transactions")).json()["items"]
    assert [line["id"] for line in into] == ids[::-1]
    assert [line["id"] for line in out][:3] == ids[::-1]
    assert [line["direction"] for line in into] == ["in", "in", "in"]
    assert [line["note"] for line in into] == ["n3", "n2", "n1"]
    assert into[0]["counterparty"] == {
        "user_id": alice.id,
        "handle": "alice",
        "first_name": "Alice",
        "initial": "T",
    }
    assert out[0]["balance"]["posted"] == 994
    assert into[0]["balance"]["posted"] == 6


async def test_the_history_is_paged_without_gaps_while_money_moves(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 100_000)
    await sign_up(client, "bob")
    await alice.post("/wallets", {"currency": "EUR"})
    for n in range(1, 121):
        await _pay(alice, "bob", n) if n % 3 else await alice.top_up(n, "EUR")
    seen: list[str] = []
    cursor = None
    while True:
        query = "?limit=7" + (f"&cursor={cursor}" if cursor else "")
        page = (await alice.get(f"/transactions{query}")).json()
        seen += [line["id"] for line in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        if len(seen) < 50:
            await _pay(alice, "bob", 1)
    assert len(seen) == len(set(seen)) == 121


@pytest.mark.parametrize("limit", ["0", "201", "1000000000", "-1", "x", "1.5", ""])
async def test_a_limit_out_of_range_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    alice = await sign_up(client, "alice")
    answer = await alice.get(f"/transactions?limit={limit}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "a" * 100, "bm90IGEgY3Vyc29y"])
async def test_a_cursor_that_was_not_made_here_is_refused(
    client: httpx.AsyncClient, cursor: str
) -> None:
    alice = await sign_up(client, "alice")
    answer = await alice.get(f"/transactions?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid")


async def test_an_unknown_query_parameter_is_refused(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    for path in ("/transactions?sort=amount", "/wallets/my-balance?user_id=1"):
        answer = await alice.get(path)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed"), path


async def test_nobody_sees_what_is_not_theirs(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    await sign_up(client, "bob")
    eve = await sign_up(client, "eve")
    id_ = await _pay(alice, "bob", 10)
    theirs = await eve.get(f"/transactions/{id_}")
    missing = await eve.get("/transactions/0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a")
    assert theirs.status_code == missing.status_code == 404
    assert theirs.json()["code"] == missing.json()["code"] == "transaction-not-found"
    page = (await alice.get("/transactions?limit=1")).json()
    stolen = await eve.get(f"/transactions?cursor={page['next_cursor']}")
    assert (stolen.json()["items"], stolen.json()["next_cursor"]) == ([], None)
    assert (await eve.get("/idempotency-keys/topup-alice")).json()["status"] == "unknown"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("note", "x" * 501),
        ("note", "nul\x00"),
        ("reference", "x" * 101),
        ("metadata", {f"k{n}": "v" for n in range(51)}),
        ("metadata", {"k": "v" * 501}),
        ("metadata", {"": "v"}),
        ("metadata", {"k": 1}),
        ("metadata", {"k": "\x00"}),
        ("currency", "usd"),
        ("currency", "US"),
        ("dry_run", "yes"),
        ("dry_run", 1),
        ("to_user_id", "not-a-uuid"),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    await sign_up(client, "bob")
    body: dict[str, object] = {"amount": 1, "to_handle": "bob"}
    if field == "to_user_id":
        del body["to_handle"]
    answer = await alice.post("/wallets/transfer", {**body, field: value})
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "validation-failed"
    assert await balance_of(alice) == 100


async def test_a_lone_surrogate_is_no_text(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 100)
    await sign_up(client, "bob")
    answer = await client.post(
        "/wallets/transfer",
        content=b'{"amount": 1, "to_handle": "bob", "note": "\\ud800"}',
        headers={**alice.headers, "content-type": "application/json"},
    )
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/wallets/my-balance"),
        ("GET", "/wallets"),
        ("POST", "/wallets"),
        ("POST", "/wallets/topup"),
        ("POST", "/wallets/transfer"),
        ("GET", "/transactions"),
        ("GET", "/transactions/0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"),
        ("GET", "/idempotency-keys/k"),
    ],
)
async def test_money_needs_a_token(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_balance_limit_is_a_refusal_and_no_crash(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    for _ in range(9):
        assert (await alice.top_up(10**15)).status_code == 201
    answer = await alice.top_up(1)
    assert (answer.status_code, answer.json()["code"]) == (422, "balance-limit-exceeded")
    assert await balance_of(alice) == 9 * 10**15


async def test_of_duplicate_members_the_last_counts_and_is_what_the_key_covers(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    await sign_up(client, "bob")
    headers = {**alice.headers, "content-type": "application/json", "idempotency-key": "k"}
    raw = b'{"amount": 1, "amount": 2, "to_handle": "bob"}'
    first = await client.post("/wallets/transfer", content=raw, headers=headers)
    again = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 2}, key="k")
    assert first.json()["amount"] == 2
    assert again.content == first.content
