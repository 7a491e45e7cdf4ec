"""Spending keys over HTTP: what they may pay, what they are told, and what is left."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from tests.api.api_keys import EVERY_SCOPE, by_key, make_key, spender
from tests.api.people import Person, sign_up, sign_up_with
from tests.conftest import Database, Service

TRANSFER, BATCH = "/wallets/transfer", "/transfers/batch"


async def pay(
    person: Person, amount: int, to: str = "bob", key: str | None = None, **fields: Any
) -> httpx.Response:
    return await person.post(TRANSFER, {"to_handle": to, "amount": amount, **fields}, key)


async def make_spender(person: Person, **rule: Any) -> tuple[Person, dict[str, Any]]:
    spending = {"currency": "USD", **rule}
    key = await make_key(person, "transfers:write", spending=spending)
    return by_key(person, key), key


async def spending_of(person: Person, key: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await person.get(f"/api-keys/{key['id']}")).json()["spending"]
    return found


@pytest.fixture
async def ada(client: httpx.AsyncClient) -> Person:
    """Ada with 10,000, and Bob and Carol."""
    ada = await sign_up_with(client, "ada", 10_000)
    await sign_up(client, "bob")
    await sign_up(client, "carol")
    return ada


async def held(person: Person) -> int:
    posted: int = (await person.get("/wallets/my-balance")).json()["posted"]
    return posted


async def test_a_key_spends_its_budget_and_not_a_cent_more(ada: Person) -> None:
    till, key = await make_spender(ada, budget=1_000)
    assert (await pay(till, 600)).status_code == 201
    refused = await pay(till, 401)
    assert (refused.status_code, refused.json()["code"]) == (422, "spending-budget-exceeded")
    facts = {"currency": "USD", "budget": 1_000, "left": 400, "amount": 401, "resets_at": None}
    assert facts.items() <= refused.json().items()
    assert (await pay(till, 400)).status_code == 201
    assert (await pay(till, 1)).json()["left"] == 0
    assert await spending_of(ada, key) == {
        "wallet_id": ada.wallet_id,
        "currency": "USD",
        "budget": 1_000,
        "per_payment_max": None,
        "payees": None,
        "interval": None,
        "spent": 1_000,
        "left": 0,
        "display": "0.00 USD",
        "resets_at": None,
    }
    # The owner is not bound by it.
    assert (await pay(ada, 5_000)).status_code == 201


async def test_refused_payments_and_previews_spend_nothing(ada: Person) -> None:
    till, key = await make_spender(ada, budget=50_000)
    broke = await pay(till, 10_001)
    assert broke.json()["code"] == "insufficient-funds"
    preview = await pay(till, 100, dry_run=True)
    assert (preview.status_code, preview.json()["outcome"]) == (200, "accepted")
    refusal = (await pay(till, 50_001, dry_run=True)).json()["refusal"]
    assert (refusal["code"], refusal["left"]) == ("spending-budget-exceeded", 50_000)
    assert (await spending_of(ada, key))["spent"] == 0


async def test_the_cap_and_the_payees_of_a_key(ada: Person) -> None:
    bob = (await ada.get("/recipients?handle=bob")).json()["user_id"]
    till, key = await make_spender(ada, budget=1_000, per_payment_max=100, payees=[bob, "BOB"])
    assert key["spending"]["payees"] == [bob]
    large = await pay(till, 101)
    assert (large.status_code, large.json()["code"]) == (422, "spending-payment-too-large")
    assert (large.json()["per_payment_max"], large.json()["amount"]) == (100, 101)
    other = await pay(till, 1, to="carol")
    assert (other.status_code, other.json()["code"]) == (422, "payee-not-allowed")
    assert (await pay(till, 100)).status_code == 201
    assert (await spending_of(ada, key))["spent"] == 100


async def test_a_key_pays_from_its_own_wallet_only(ada: Person) -> None:
    await ada.post("/wallets", {"currency": "EUR"})
    await ada.top_up(500, "EUR")
    till, key = await make_spender(ada, budget=1_000, currency="EUR")
    # Without a currency the payer's default wallet is meant, as ever.
    for fields in ({}, {"currency": "USD"}):
        refused = await pay(till, 1, **fields)
        assert (refused.status_code, refused.json()["code"]) == (422, "spending-wallet-other")
    no_wallet = await pay(till, 1, currency="EUR")
    assert no_wallet.json()["code"] == "recipient-has-no-wallet"
    assert (await spending_of(ada, key))["spent"] == 0


async def test_a_repeated_idempotency_key_spends_once_and_a_refusal_stays(ada: Person) -> None:
    till, key = await make_spender(ada, budget=100)
    first = await pay(till, 60, key="a")
    again = await pay(till, 60, key="a")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    refused = await pay(till, 60, key="b")
    assert refused.json()["left"] == 40
    await pay(till, 40, key="c")
    repeated = await pay(till, 60, key="b")
    assert repeated.json()["left"] == 40
    assert repeated.headers["idempotent-replayed"] == "true"
    # The owner who repeats it with a token gets the first answer too: a key has one outcome.
    assert (await pay(ada, 60, key="b")).json()["code"] == "spending-budget-exceeded"
    assert (await spending_of(ada, key))["spent"] == 100


async def test_the_transfers_of_a_batch_count_one_by_one(ada: Person) -> None:
    till, key = await make_spender(ada, budget=100)
    transfers = [{"to_handle": "bob", "amount": amount} for amount in (60, 50, 40, 1)]
    answer = (await till.post(BATCH, {"transfers": transfers}, "batch")).json()
    assert [r["status"] for r in answer["results"]] == [
        "completed", "refused", "completed", "refused"
    ]  # fmt: skip
    assert [r["refusal"]["left"] for r in answer["results"] if r["refusal"]] == [40, 0]
    assert (await spending_of(ada, key))["spent"] == 100
    again = await till.post(BATCH, {"transfers": transfers}, "batch")
    assert again.json() == answer
    assert (await spending_of(ada, key))["spent"] == 100


async def test_an_atomic_batch_that_is_refused_spends_nothing(ada: Person) -> None:
    till, key = await make_spender(ada, budget=100)
    transfers = [{"to_handle": "bob", "amount": amount} for amount in (60, 41)]
    refused = await till.post(BATCH, {"transfers": transfers, "atomic": True})
    assert (refused.status_code, refused.json()["code"]) == (422, "batch-refused")
    assert refused.json()["refusals"][0]["code"] == "spending-budget-exceeded"
    assert (await spending_of(ada, key))["spent"] == 0
    transfers[1]["amount"] = 40
    done = await till.post(BATCH, {"transfers": transfers, "atomic": True})
    assert done.json()["accepted"] == 2
    assert (await spending_of(ada, key))["left"] == 0


async def test_a_batch_over_two_wallets_pays_from_that_of_the_key(ada: Person) -> None:
    await ada.post("/wallets", {"currency": "EUR"})
    till, _ = await make_spender(ada, budget=100)
    transfers = [
        {"to_handle": "bob", "amount": 1, "currency": "EUR"},
        {"to_handle": "bob", "amount": 2},
    ]
    results = (await till.post(BATCH, {"transfers": transfers})).json()["results"]
    assert [r["status"] for r in results] == ["refused", "completed"]


async def test_of_200_payments_at_once_exactly_the_budget_is_spent(ada: Person) -> None:
    till, key = await make_spender(ada, budget=1_000)
    singles = [pay(till, 10, key=f"s{n}") for n in range(150)]
    body = {"transfers": [{"to_handle": "bob", "amount": 10}] * 5}
    batches = [till.post(BATCH, body, f"b{n}") for n in range(10)]
    answers = await asyncio.gather(*singles, *batches)
    paid = sum(a.status_code == 201 for a in answers[:150])
    paid += sum(a.json()["accepted"] for a in answers[150:])
    assert paid == 100
    assert (await spending_of(ada, key))["spent"] == 1_000
    assert await held(ada) == 9_000


async def test_two_keys_of_one_wallet_have_budgets_of_their_own(ada: Person) -> None:
    first, one = await make_spender(ada, budget=100)
    second, two = await make_spender(ada, budget=200)
    answers = await asyncio.gather(*(pay(p, 50) for p in (first, second) * 6))
    assert sum(a.status_code == 201 for a in answers) == 6
    assert (await spending_of(ada, one))["spent"] == 100
    assert (await spending_of(ada, two))["spent"] == 200


async def test_a_budget_begins_anew_with_its_interval(ada: Person, service: Service) -> None:
    till, key = await make_spender(ada, budget=100, interval="month")
    assert (await pay(till, 100)).status_code == 201
    refused = (await pay(till, 1)).json()
    shown = await spending_of(ada, key)
    assert refused["resets_at"] == shown["resets_at"]
    assert shown["resets_at"].endswith("-01T00:00:00.000000Z")
    await _long_ago(service.database)
    assert (await spending_of(ada, key))["left"] == 100
    assert (await pay(till, 70)).status_code == 201
    assert (await spending_of(ada, key))["left"] == 30


async def _long_ago(database: Database) -> None:
    """Put what was spent into an interval that is over."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute("UPDATE spendings SET period_start = '2026-01-01Z'")
    finally:
        await connection.close()


async def test_once_a_key_is_revoked_nothing_more_is_paid_with_it(
    ada: Person, client: httpx.AsyncClient
) -> None:
    till, key = await make_spender(ada, budget=10_000)
    paying = [asyncio.ensure_future(pay(till, 1)) for _ in range(60)]
    await asyncio.sleep(0.02)
    gone = await client.delete(f"/api-keys/{key['id']}", headers=ada.headers)
    assert gone.status_code == 204
    spent = 10_000 - await held(ada)
    answers = await asyncio.gather(*paying)
    assert await held(ada) == 10_000 - spent
    assert sum(a.status_code == 201 for a in answers) == spent
    codes = {a.json()["code"] for a in answers if a.status_code != 201}
    # On a busy machine some get no connection in time, which says nothing of the key.
    assert codes - {"database-unavailable", "deadline-exceeded"} <= {"api-key-revoked"}


RULES: list[tuple[dict[str, Any], str]] = [
    ({"budget": 0}, "validation-failed"),
    ({"budget": -1}, "validation-failed"),
    ({"budget": 10**15 + 1}, "validation-failed"),
    ({"budget": 1.5}, "validation-failed"),
    ({"budget": "100"}, "validation-failed"),
    ({"budget": True}, "validation-failed"),
    ({"budget": 1, "per_payment_max": 0}, "validation-failed"),
    ({"budget": 1, "interval": "year"}, "validation-failed"),
    ({"budget": 1, "payees": []}, "validation-failed"),
    ({"budget": 1, "payees": ["bob"] * 101}, "validation-failed"),
    ({"budget": 1, "payees": ["b\x00b"]}, "validation-failed"),
    ({"budget": 1, "payees": ["nobody_here"]}, "recipient-not-found"),
    ({"budget": 1, "payees": ["bob", "x" * 36]}, "recipient-not-found"),
    ({"budget": 1, "currency": "EUR"}, "wallet-not-found"),
    ({"budget": 1, "currency": "XXQ"}, "unknown-currency"),
    ({"budget": 1, "spent": -5}, "validation-failed"),
    ({}, "validation-failed"),
]


async def test_rules_that_make_no_sense_are_refused(ada: Person) -> None:
    for rule, code in RULES:
        spending = {"currency": "USD", **rule}
        body = {"name": "Till", "scopes": ["transfers:write"], "spending": spending}
        answer = await ada.post("/api-keys", body)
        assert answer.json()["code"] == code, (rule, answer.text)
    assert (await ada.get("/api-keys")).json()["items"] == []


async def test_a_spending_key_only_pays_and_reads(ada: Person) -> None:
    for scopes in (["wallets:read"], ["transfers:write", "topups:write"]):
        spending = {"currency": "USD", "budget": 1}
        body = {"name": "Till", "scopes": scopes, "spending": spending}
        answer = await ada.post("/api-keys", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "api-key-scopes-invalid")


async def test_a_spending_key_may_read_what_its_scopes_say(ada: Person) -> None:
    reading = [scope for scope in EVERY_SCOPE if scope.endswith(":read")]
    spending = {"currency": "USD", "budget": 100}
    key = await make_key(ada, "transfers:write", *reading, spending=spending)
    till = by_key(ada, key)
    assert await held(till) == 10_000
    assert (await till.top_up(1)).json()["scope"] == "topups:write"


async def test_a_key_of_a_hundred_payees_pays_the_last(
    client: httpx.AsyncClient, service: Service
) -> None:
    ada = await sign_up_with(client, "ada", 1_000)
    bob = await sign_up(client, "bob")
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        rows = await connection.fetch(
            "INSERT INTO users (id, first_name, last_name, default_currency, created_at) "
            "SELECT gen_random_uuid(), 'A', 'B', 'USD', now() FROM generate_series(1, 99) "
            "RETURNING id"
        )
    finally:
        await connection.close()
    till = await spender(ada, 100, payees=[*(str(row["id"]) for row in rows), bob.id])
    assert (await pay(till, 100)).status_code == 201
