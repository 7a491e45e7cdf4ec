"""POST /transfers/batch: many transfers in one request, each alone or all together."""

import asyncio
from typing import Any

import asyncpg
import httpx
from tests.api.people import Person, balance_of, sign_up, sign_up_with
from tests.conftest import Service

from wallet.api.routes.transfer_batches import BODY_SIZE_MAX
from wallet.application.verification import verify
from wallet.infrastructure.postgres.verification import snapshot

PATH = "/transfers/batch"


async def send(
    payer: Person, *transfers: dict[str, Any], key: str | None = None, atomic: bool | None = None
) -> httpx.Response:
    body: dict[str, Any] = {"transfers": list(transfers)}
    if atomic is not None:
        body["atomic"] = atomic
    return await payer.post(PATH, body, key)


def statuses(answer: httpx.Response) -> list[str]:
    return [
        result["refusal"]["code"] if result["refusal"] else result["status"]
        for result in answer.json()["results"]
    ]


async def assert_intact(service: Service) -> None:
    async with snapshot(service.database.url) as books:
        report = await verify(books)
    assert report.intact, report.violations


async def test_each_transfer_of_a_batch_stands_alone_and_is_answered_at_its_index(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up_with(client, "alice", 10_000)
    bob, carol = await sign_up(client, "bob"), await sign_up(client, "carol")
    answer = await send(
        alice,
        {"to_handle": "bob", "amount": 6_000, "note": "November", "reference": "R-1"},
        {"to_user_id": carol.id, "amount": 5_000},
        {"to_handle": "nobody_at_all", "amount": 1},
        {"to_handle": "carol", "amount": 4_000, "metadata": {"b": "2", "a": "1"}},
        {"to_user_id": alice.id, "amount": 1},
    )
    assert answer.status_code == 201, answer.text
    assert statuses(answer) == [
        "completed",
        "insufficient-funds",
        "recipient-unknown",
        "completed",
        "self-transfer",
    ]
    body = answer.json()
    assert (body["kind"], body["atomic"]) == ("transfer-batch", False)
    assert (body["accepted"], body["refused"]) == (2, 3)
    assert [result["index"] for result in body["results"]] == [0, 1, 2, 3, 4]
    first, second = body["results"][0]["transfer"], body["results"][1]["refusal"]
    assert (first["note"], first["reference"]) == ("November", "R-1")
    assert first["balance"]["posted"] == 4_000
    assert (second["available"], second["amount"]) == (4_000, 5_000)
    assert [await balance_of(p) for p in (alice, bob, carol)] == [0, 6_000, 4_000]
    line = (await bob.get(f"/transactions/{first['id']}")).json()
    assert (line["kind"], line["amount"], line["note"]) == ("transfer", 6_000, "November")
    await assert_intact(service)


async def test_an_atomic_batch_with_a_refused_transfer_moves_nothing_and_says_which(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    bob = await sign_up(client, "bob")
    transfers = ({"to_handle": "bob", "amount": 60}, {"to_handle": "bob", "amount": 50})
    answer = await send(alice, *transfers, key="pay", atomic=True)
    assert (answer.status_code, answer.json()["code"]) == (422, "batch-refused")
    assert answer.json()["refused"] == 1
    (refusal,) = answer.json()["refusals"]
    assert (refusal["index"], refusal["code"]) == (1, "insufficient-funds")
    assert (refusal["available"], refusal["amount"]) == (40, 50)
    assert [await balance_of(p) for p in (alice, bob)] == [100, 0]

    # With more money the key keeps its answer, and another key gets the batch through.
    await alice.top_up(10)
    again = await send(alice, *transfers, key="pay", atomic=True)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (422, "true")
    assert again.json()["refusals"] == answer.json()["refusals"]
    paid = await send(alice, *transfers, key="pay again", atomic=True)
    assert (paid.status_code, statuses(paid)) == (201, ["completed", "completed"])
    assert [await balance_of(p) for p in (alice, bob)] == [0, 110]
    await assert_intact(service)


async def test_a_repeated_batch_is_the_same_batch_and_the_same_answer(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    bob = await sign_up(client, "bob")
    transfers = (
        {"to_handle": "bob", "amount": 60, "note": "rent"},
        {"to_handle": "bob", "amount": 50},
        {"to_handle": "nobody_at_all", "amount": 5},
    )
    answers = await asyncio.gather(*(send(alice, *transfers, key="once") for _ in range(30)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1
    assert sum("idempotent-replayed" not in a.headers for a in answers) == 1
    assert await balance_of(bob) == 60
    outcome = (await alice.get("/idempotency-keys/once")).json()
    assert (outcome["status"], outcome["kind"]) == ("accepted", "transfer-batch")
    assert outcome["id"] == answers[0].json()["id"]

    # Of another length, in another order, as another kind: the key is for what it was used for.
    for other in (transfers[:2], (*transfers, transfers[1]), transfers[::-1]):
        reused = await send(alice, *other, key="once")
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency-key-reused")
    single = await alice.post("/wallets/transfer", transfers[0], "once")
    assert (single.status_code, single.json()["code"]) == (422, "idempotency-key-reused")
    await alice.top_up(100, key="money")
    mixed = await send(alice, transfers[0], key="money")
    assert (mixed.status_code, mixed.json()["code"]) == (422, "idempotency-key-reused")
    assert await balance_of(bob) == 60
    await assert_intact(service)


async def test_a_thousand_transfers_go_in_one_request_and_not_one_more(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    transfer = {"to_user_id": bob.id, "amount": 1, "note": "a" * 500}
    answer = await send(alice, *[transfer] * 1_000, atomic=True)
    assert (answer.status_code, answer.json()["accepted"]) == (201, 1_000)
    assert [await balance_of(p) for p in (alice, bob)] == [0, 1_000]
    for count in (0, 1_001):
        refused = await send(alice, *[transfer] * count)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation-failed")
        assert refused.json()["errors"][0]["field"] == "transfers"
    await assert_intact(service)


async def test_a_bad_field_is_named_with_its_index_and_nothing_is_done(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    bob = await sign_up(client, "bob")
    good = {"to_handle": "bob", "amount": 1}
    for bad, field in (
        ({"to_handle": "bob", "amount": 1.0}, "transfers.1.amount"),
        ({"to_handle": "bob", "amount": 1, "dry_run": True}, "transfers.1.dry_run"),
        ({"to_handle": "bob", "amount": 1, "is_admin": True}, "transfers.1.is_admin"),
        ({"amount": 1}, "transfers.1"),
    ):
        answer = await send(alice, good, bad, key="k")
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
        assert answer.json()["errors"][0]["field"] == field
    odd = await send(alice, good, {**good, "currency": "XXQ"}, key="k")
    assert (odd.status_code, odd.json()["code"]) == (422, "unknown-currency")
    none = await send(alice, good, {**good, "currency": "EUR"}, key="k")
    assert (none.status_code, none.json()["code"], none.json()["index"]) == (
        404,
        "wallet-not-found",
        1,
    )
    assert [await balance_of(p) for p in (alice, bob)] == [100, 0]
    assert (await send(alice, good, key="k")).status_code == 201


async def test_several_currencies_go_in_one_batch(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice, bob = await sign_up_with(client, "alice", 100), await sign_up(client, "bob")
    for person in (alice, bob):
        assert (await person.post("/wallets", {"currency": "EUR"})).status_code == 201
    assert (await alice.post("/wallets", {"currency": "JPY"})).status_code == 201
    await alice.top_up(50, "EUR")
    await alice.top_up(70, "JPY")
    answer = await send(
        alice,
        {"to_handle": "bob", "amount": 10},
        {"to_handle": "bob", "amount": 20, "currency": "EUR"},
        {"to_user_id": bob.id, "amount": 30, "currency": "JPY"},
    )
    assert statuses(answer) == ["completed", "completed", "recipient-has-no-wallet"]
    assert [await balance_of(bob, code) for code in ("USD", "EUR")] == [10, 20]
    await assert_intact(service)


async def test_unknown_recipients_of_a_batch_are_counted_like_others(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    bob = await sign_up(client, "bob")
    unknown = [{"to_handle": f"nobody_{n}", "amount": 1} for n in range(40)]
    tripped = await send(alice, {"to_handle": "bob", "amount": 1}, *unknown, key="probe")
    assert (tripped.status_code, tripped.json()["code"]) == (429, "too-many-requests")
    assert await balance_of(bob) == 0
    assert (await send(alice, {"to_handle": "bob", "amount": 1})).status_code == 429
    # Whom one knows by id and who has a wallet can still be paid.
    assert (await send(alice, {"to_user_id": bob.id, "amount": 1})).status_code == 201


async def test_a_batch_that_went_through_is_answered_again_though_the_guard_has_tripped(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    await sign_up(client, "bob")
    batch = ({"to_handle": "bob", "amount": 1}, {"to_handle": "nobody_here", "amount": 1})
    first = await send(alice, *batch, key="early")
    for number in range(30):
        await alice.post("/wallets/transfer", {"to_handle": f"nobody_{number}", "amount": 1})
    again = await send(alice, *batch, key="early")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"


async def test_only_verified_addresses_are_paid(client: httpx.AsyncClient) -> None:
    alice, bob = await sign_up_with(client, "alice", 100), await sign_up(client, "bob")
    by_mail = {"to_email": bob.email, "amount": 1}
    assert statuses(await send(alice, by_mail)) == ["recipient-unknown"]
    await bob.verify_email()
    assert statuses(await send(alice, by_mail)) == ["completed"]


async def test_ten_transfers_count_as_one_request(client: httpx.AsyncClient) -> None:
    alice, bob = await sign_up_with(client, "alice", 100), await sign_up(client, "bob")

    async def left() -> int:
        answer = await send(alice, *[{"to_user_id": bob.id, "amount": 1}] * 41)
        return int(answer.headers["ratelimit"].split("r=")[1].split(";")[0])

    assert await left() - await left() == 5


async def test_large_bodies_are_for_batches_alone_and_bounded(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    for path, size, status in (
        ("/wallets/transfer", 70_000, 413),
        (PATH, 70_000, 422),
        (PATH, BODY_SIZE_MAX + 1, 413),
    ):
        answer = await alice.post(path, {"transfers": "x" * size})
        assert answer.status_code == status, (path, size)


async def test_thirty_atomic_batches_at_once_spend_the_money_once(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    bob, carol = await sign_up(client, "bob"), await sign_up(client, "carol")
    both = [{"to_user_id": p.id, "amount": 50} for p in (bob, carol)]
    answers = await asyncio.gather(*(send(alice, *both, atomic=True) for _ in range(30)))
    assert sorted(a.status_code for a in answers) == [201] + [422] * 29
    assert [await balance_of(p) for p in (alice, bob, carol)] == [0, 50, 50]
    await assert_intact(service)


async def test_why_a_transfer_was_refused_is_forgotten_after_a_while_and_said_to_be(
    service: Service, client: httpx.AsyncClient
) -> None:
    alice, bob = await sign_up_with(client, "alice", 100), await sign_up(client, "bob")
    batch = ({"to_handle": "bob", "amount": 500}, {"to_handle": "bob", "amount": 1})
    assert statuses(await send(alice, *batch, key="old")) == ["insufficient-funds", "completed"]
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        await connection.execute("DELETE FROM instructions WHERE refusal_code IS NOT NULL")
    finally:
        await connection.close()
    again = await send(alice, *batch, key="old")
    assert statuses(again) == ["refusal-forgotten", "completed"]
    assert await balance_of(bob) == 1
