"""Defects of the small service that this one replaces: each of them once lost somebody money."""

import asyncio

import httpx
from tests.api.people import PASSWORD, balance_of, sign_up, sign_up_with
from tests.conftest import Service

from wallet.infrastructure.postgres.pool import Pool


async def test_passwords_are_not_kept_in_clear_text_and_not_echoed(
    service: Service, client: httpx.AsyncClient, postgres_pool: Pool
) -> None:
    body = {
        "first_name": "Alice",
        "last_name": "Tester",
        "email": "alice@example.com",
        "password": PASSWORD,
    }
    answer = await client.post("/users", json=body)
    kept = await postgres_pool.fetchval("SELECT password_hash FROM users")
    assert PASSWORD not in answer.text
    assert "password" not in answer.text
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in service.log_text()


async def test_tokens_expire_after_a_quarter_of_an_hour_at_most(client: httpx.AsyncClient) -> None:
    await sign_up(client, "alice")
    answer = await client.post(
        "/users/login", json={"email": "alice@example.com", "password": PASSWORD}
    )
    assert answer.json()["token_type"].lower() == "bearer"
    assert 0 < answer.json()["expires_in"] <= 900


async def test_no_error_leaves_as_200(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    await sign_up(client, "bob")
    statuses = {
        "no token": (await client.get("/wallets/my-balance")).status_code,
        "no such page": (await client.get("/nowhere")).status_code,
        "no funds": (
            await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 1})
        ).status_code,
        "nobody there": (
            await alice.post("/wallets/transfer", {"to_handle": "nobody", "amount": 1})
        ).status_code,
        "nonsense": (await alice.post("/wallets/topup", {"amount": "much"})).status_code,
        "wrong password": (
            await client.post("/users/login", json={"email": alice.email, "password": "wrong"})
        ).status_code,
    }
    assert statuses == {
        "no token": 401,
        "no such page": 404,
        "no funds": 422,
        "nobody there": 404,
        "nonsense": 422,
        "wrong password": 401,
    }


async def test_opposite_transfers_do_not_deadlock(
    client: httpx.AsyncClient, postgres_pool: Pool
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up_with(client, "bob", 1_000)
    before = await _deadlocks(postgres_pool)
    answers = await asyncio.gather(
        *(alice.post("/wallets/transfer", {"to_user_id": bob.id, "amount": 1}) for _ in range(100)),
        *(bob.post("/wallets/transfer", {"to_user_id": alice.id, "amount": 1}) for _ in range(100)),
    )
    assert {answer.status_code for answer in answers} == {201}
    assert await balance_of(alice) == await balance_of(bob) == 1_000
    assert await _deadlocks(postgres_pool) == before


async def _deadlocks(pool: Pool) -> int:
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    found: int = await pool.fetchval(query)
    return found


async def test_a_payment_sent_twice_with_its_key_is_one_payment(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    body = {"to_user_id": bob.id, "amount": 10}
    answers = await asyncio.gather(
        *(alice.post("/wallets/transfer", body, key="once") for _ in range(50))
    )
    assert {answer.content for answer in answers} == {answers[0].content}
    assert await balance_of(bob) == 10


async def test_a_transfer_is_shown_once_to_each_side(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    paid = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 10})
    for person in (alice, bob):
        lines = (await person.get("/transactions")).json()["items"]
        assert [line["id"] for line in lines].count(paid.json()["id"]) == 1


async def test_a_history_does_not_end_after_100_lines(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    await sign_up(client, "bob")
    body = {"to_handle": "bob", "amount": 1}
    for _ in range(13):
        paid = await asyncio.gather(*(alice.post("/wallets/transfer", body) for _ in range(10)))
        assert [answer.text for answer in paid if answer.status_code != 201] == []
    seen: list[str] = []
    path = "/transactions?limit=60"
    while path:
        page = (await alice.get(path)).json()
        seen += [line["id"] for line in page["items"]]
        cursor = page["next_cursor"]
        path = f"/transactions?limit=60&cursor={cursor}" if cursor else ""
    assert len(seen) == len(set(seen)) == 131


async def test_an_unknown_recipient_and_a_lack_of_funds_are_no_crashes(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    await sign_up(client, "bob")
    unknown = await alice.post("/wallets/transfer", {"to_handle": "nobody", "amount": 1})
    poor = await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 1})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "recipient-not-found")
    assert (poor.status_code, poor.json()["code"]) == (422, "insufficient-funds")


async def test_nobody_makes_themselves_a_shop_owner(
    client: httpx.AsyncClient, postgres_pool: Pool
) -> None:
    body = {
        "first_name": "Eve",
        "last_name": "Tester",
        "email": "eve@example.com",
        "password": PASSWORD,
    }
    for field in ("role", "is_admin", "is_shop_owner", "shop_owner", "balance"):
        answer = await client.post("/users", json={**body, field: "admin"})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    eve = await sign_up(client, "eve")
    changed = await client.patch("/users/me", json={"role": "admin"}, headers=eve.headers)
    assert changed.status_code == 422
    assert await postgres_pool.fetchval("SELECT array_agg(DISTINCT role) FROM users") == ["user"]


async def test_deleting_a_person_deletes_no_money(
    client: httpx.AsyncClient, postgres_pool: Pool
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    body = {"password": PASSWORD}
    refused = await client.request("DELETE", "/users/me", json=body, headers=alice.headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "wallet-not-empty")
    await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 1_000})
    closed = await client.request("DELETE", "/users/me", json=body, headers=alice.headers)
    assert closed.status_code == 204
    assert await balance_of(bob) == 1_000
    assert await postgres_pool.fetchval("SELECT count(*) FROM entries") == 4
    assert await postgres_pool.fetchval("SELECT sum(posted) FROM accounts") == 0
