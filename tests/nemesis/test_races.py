"""Races over two workers: many requests at the same moment, on the same money."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from random import Random

import asyncpg
import pytest
import pytest_asyncio
from tests.api.people import PASSWORD
from tests.conftest import Cluster, Database
from tests.nemesis.audit import fresh_database, settled_and_sound
from tests.nemesis.bank import (
    Attempt,
    Customer,
    History,
    Operation,
    attempt,
    customers_of,
    insist,
    log_in,
    send_and_forget,
    sign_up_body,
)
from tests.nemesis.client import Answer, Connection
from tests.nemesis.service_process import ServiceProcess

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
FORGET_GUARDS = "WITH gone AS (DELETE FROM guards RETURNING 1) SELECT count(*) FROM gone"


@dataclass
class World:
    """Two workers on a database of their own, and everything that was asked of them."""

    service: ServiceProcess
    database: Database
    history: History = field(default_factory=History)

    async def customers(self, *names: str, amount: int) -> list[Customer]:
        return await customers_of(self.service.port, *names, amount=amount, history=self.history)

    async def balance(self, customer: Customer) -> int:
        connection = Connection(self.service.port)
        try:
            answer = await connection.request("GET", "/wallets/my-balance", token=customer.token)
        finally:
            connection.close()
        posted = answer.json()["posted"]
        assert isinstance(posted, int)
        return posted

    @asynccontextmanager
    async def connections(self, count: int) -> AsyncIterator[list[Connection]]:
        """Yield connections, every other one to the other worker."""
        each = await self.service.connections_to_each(count // 2)
        mixed = [c for pair in zip(*each, strict=True) for c in pair]
        try:
            yield mixed
        finally:
            for connection in mixed:
                connection.close()

    async def scalar(self, query: str) -> int:
        connection = await asyncpg.connect(self.database.superuser_url)
        try:
            found = await connection.fetchval(query)
        finally:
            await connection.close()
        assert isinstance(found, int)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    cluster: Cluster,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    directory: Path = tmp_path_factory.mktemp("races")
    async with (
        fresh_database(cluster, template) as database,
        ServiceProcess(
            directory, database_url=database.url, owner_url=database.owner_url
        ) as service,
    ):
        world = World(service, database)
        yield world
        # Once more here: with pytest-xdist the races may be spread over two of these worlds.
        await settled_and_sound(service.port, world.history, database.url, database.superuser_url)


async def test_of_200_parallel_spends_of_the_whole_balance_exactly_one_succeeds(
    world: World,
) -> None:
    spender, payee = await world.customers("spender", "spendee", amount=1_000)
    async with world.connections(40) as connections:
        second = (await log_in(connections[0], "spender")).json()["access_token"]
        other = Customer(spender.name, spender.id, spender.wallet_id, second, spender.refresh_token)
        tokens = cycle((spender, spender, other, other))
        spends = [
            world.history.add(Operation(f"spend-{n}", next(tokens), payee, 1_000))
            for n in range(200)
        ]

        async def send(number: int, connection: Connection) -> None:
            for spend in spends[number::40]:
                await attempt(spend, connection)

        await asyncio.gather(*(send(n, c) for n, c in enumerate(connections)))
    heard = Counter((a.status, a.word) for spend in spends for a in spend.attempts)
    # Both have 1,000 from their opening; the winner's money is never there twice.
    assert heard == {(201, ""): 1, (422, "insufficient-funds"): 199}
    assert await world.balance(spender) == 0
    assert await world.balance(payee) == 2_000


async def with_spending_key(
    world: World, owner: Customer, connection: Connection, budget: int
) -> tuple[Customer, str]:
    """Return a customer as a machine with a new spending key, and the key's id."""
    body = {
        "name": "Till",
        "scopes": ["transfers:write"],
        "spending": {"currency": "USD", "budget": budget},
    }
    made = await connection.request("POST", "/api-keys", body, token=owner.token)
    assert made.status == 201, made.body
    return replace(owner, token=made.json()["secret"]), made.json()["id"]


async def test_of_200_parallel_payments_with_a_spending_key_exactly_the_budget_is_spent(
    world: World,
) -> None:
    owner, payee = await world.customers("budgeted", "budgetee", amount=100_000)
    async with world.connections(40) as connections:
        machine, key_id = await with_spending_key(world, owner, connections[0], 1_000)
        spends = [
            world.history.add(Operation(f"budget-{n}", machine, payee, 30)) for n in range(200)
        ]

        async def send(number: int, connection: Connection) -> None:
            # Each key goes to both workers at about the same time: it is paid once.
            for spend in spends[number // 2 :: 20]:
                await attempt(spend, connection)

        await asyncio.gather(*(send(n, c) for n, c in enumerate(connections)))
        shown = await connections[0].request("GET", f"/api-keys/{key_id}", token=owner.token)
    accepted = [spend for spend in spends if spend.accepted]
    assert len(accepted) == 33
    assert {a.word for s in spends for a in s.attempts} == {"", "spending-budget-exceeded"}
    assert shown.json()["spending"]["spent"] == 990
    assert await world.balance(owner) == 100_000 - 990


async def test_a_revoked_key_is_dead_on_all_workers_within_two_seconds(world: World) -> None:
    owner, payee = await world.customers("revoker", "revokee", amount=1_000)
    async with world.connections(2) as (here, there):
        machine, key_id = await with_spending_key(world, owner, here, 1_000)
        for number, connection in enumerate((here, there)):
            paid = world.history.add(Operation(f"before-{number}", machine, payee, 1))
            await attempt(paid, connection)
            assert paid.accepted
        gone = await here.request("DELETE", f"/api-keys/{key_id}", token=owner.token)
        assert gone.status == 204
        # The other worker may not have heard of it yet, but the locked decision has.
        body = {"to_user_id": payee.id, "amount": 1}
        for connection in (here, there):
            answer = await connection.request(
                "POST", "/wallets/transfer", body, token=machine.token
            )
            assert (answer.status, answer.json()["code"]) == (401, "api-key-revoked")
        reading = await here.request(
            "POST", "/api-keys", {"name": "R", "scopes": ["wallets:read"]}, token=owner.token
        )
        secret, path = reading.json()["secret"], f"/api-keys/{reading.json()['id']}"
        for connection in (here, there):
            answer = await connection.request("GET", "/wallets/my-balance", token=secret)
            assert answer.status == 200
        await here.request("DELETE", path, token=owner.token)
        assert await _dies_within_s(here, secret) < 0.2
        assert await _dies_within_s(there, secret) <= 2.0


async def test_opposite_transfers_never_deadlock(world: World) -> None:
    pair = await world.customers("north", "south", amount=1_000_000)
    before = await world.scalar(DEADLOCKS)
    count = 3_000
    async with world.connections(40) as connections:

        async def send(number: int, connection: Connection) -> None:
            for n in range(number, count, 40):
                # Neighbours share a worker in pairs, so each worker has both directions.
                payer, payee = pair if (number // 2) % 2 else reversed(pair)
                operation = Operation(f"opposite-{n}", payer, payee, 1 + n % 7)
                await attempt(world.history.add(operation), connection)

        started_s = time.monotonic()
        await asyncio.gather(*(send(n, c) for n, c in enumerate(connections)))
        rate = count / (time.monotonic() - started_s)
    sent = [o for o in world.history.operations if o.key.startswith("opposite-")]
    assert Counter(a.status for o in sent for a in o.attempts) == {201: count}
    assert await world.balance(pair[0]) + await world.balance(pair[1]) == 2_000_000
    # Backends report their counts when they are idle for a while, and at the latest on leaving.
    await asyncio.sleep(1.1)
    assert await world.scalar(DEADLOCKS) - before == 0
    print(f"\n{count} opposite transfers over two workers, {rate:.0f} per second, 0 deadlocks")


async def test_one_key_sent_100_times_at_once_has_one_effect_and_one_answer(world: World) -> None:
    payer, payee = await world.customers("repeater", "repeated", amount=1_000)
    operation = world.history.add(Operation("again", payer, payee, 10))
    async with world.connections(100) as connections:
        await asyncio.gather(*(attempt(operation, c) for c in connections))
    assert len(operation.attempts) == 100
    assert {a.status for a in operation.attempts} == {201}
    assert len({a.body for a in operation.attempts}) == 1
    assert await world.balance(payer) == 990
    assert await world.balance(payee) == 1_010


async def test_one_key_for_many_different_bodies_at_once_goes_to_one_of_them(
    world: World,
) -> None:
    payer, payee = await world.customers("chooser", "chosen", amount=1_000)
    different = [Operation("contested", payer, payee, 1 + n) for n in range(40)]
    async with world.connections(40) as connections:
        await asyncio.gather(*(attempt(o, c) for o, c in zip(different, connections, strict=True)))
    winners = [o for o in different if o.accepted]
    losers = [o.attempts[0] for o in different if not o.accepted]
    assert len(winners) == 1
    assert {(a.status, a.word) for a in losers} == {(422, "idempotency-key-reused")}
    world.history.add(winners[0])
    assert await world.balance(payer) == 1_000 - winners[0].amount


async def test_spending_while_closing_the_account_leaves_nothing_behind(world: World) -> None:
    names = [f"leaver{n}" for n in range(6)]
    leavers = await world.customers(*names, amount=100)
    (payee,) = await world.customers("heir", amount=0)
    closed = 0
    async with world.connections(2) as (first, second):
        for number, leaver in enumerate(leavers):
            spend = Operation(f"last-{leaver.name}", leaver, payee, 100)
            body = {"password": PASSWORD}
            close = first.request("DELETE", "/users/me", body, token=leaver.token)
            pay = _later(0.02 * number, attempt(spend, second))
            answer, _ = await asyncio.gather(close, pay)
            spent = spend.attempts[0]
            closed += answer.status == 204
            if spent.is_definite:
                world.history.add(spend)
            # Whoever still had money could not close; whoever had none could no longer pay.
            assert answer.status in {204, 409, 422}, answer.body
            assert (spent.status, spent.word) in {
                (201, ""),
                (401, "session-revoked"),
                (422, "wallet-closed"),
            }
            if answer.status == 204:
                assert spend.accepted
    left = sum(100 for leaver in leavers if not _has_paid(world.history, leaver))
    assert await world.balance(payee) == 600 - left
    print(f"\n{closed} of 6 accounts were closed in the same moment as they paid")


async def test_cancelled_clients_get_one_definite_answer_when_they_come_back(
    world: World,
) -> None:
    payer, payee = await world.customers("impatient", "patient", amount=10_000)
    operations = [
        world.history.add(Operation(f"gone-{n}", payer, payee, 1 + n % 5)) for n in range(200)
    ]
    random = Random(7)
    async with world.connections(40) as connections:

        async def send_and_leave(number: int, connection: Connection) -> None:
            for operation in operations[number::40]:
                await connection.open()
                await send_and_forget(operation, connection)
                await asyncio.sleep(random.choice((0, 0.001, 0.003, 0.01)))
                connection.close()

        await asyncio.gather(*(send_and_leave(n, c) for n, c in enumerate(connections)))
    async with world.connections(20) as connections:
        replayed = await _outcomes(operations, connections[0])
        until_s = time.monotonic() + 20

        async def come_back(number: int, connection: Connection) -> None:
            for operation in operations[number::20]:
                await insist(operation, connection, until_s=until_s)
                await attempt(operation, connection)

        await asyncio.gather(*(come_back(n, c) for n, c in enumerate(connections)))
    assert {o.accepted for o in operations} == {True}
    assert {len({a.body for a in o.attempts[1:]}) for o in operations} == {1}
    total = sum(o.amount for o in operations)
    assert await world.balance(payer) == 10_000 - total
    assert await world.balance(payee) == 10_000 + total
    print(
        f"\n{replayed} of 200 cancelled transfers had been carried out before the client returned"
    )


async def test_signing_up_one_address_20_times_at_once_makes_one_person(world: World) -> None:
    async with world.connections(20) as connections:
        answers = await asyncio.gather(
            *(
                c.request("POST", "/users", sign_up_body(f"twin{n}", email="twins@example.com"))
                for n, c in enumerate(connections)
            )
        )
    heard = Counter((a.status, a.code) for a in answers)
    assert heard == {(201, None): 1, (409, "email-taken"): 19}
    assert await world.scalar("SELECT count(*) FROM users WHERE first_name LIKE 'Twin%'") == 1


async def test_a_refresh_token_used_twice_at_once_ends_the_session(world: World) -> None:
    (owner,) = await world.customers("holder", amount=0)
    async with world.connections(2) as connections:
        body = {"refresh_token": owner.refresh_token}
        answers = await asyncio.gather(
            *(c.request("POST", "/users/refresh", body) for c in connections)
        )
        assert sorted(a.status for a in answers) in ([200, 401], [401, 401])
        for answer in answers:
            if answer.status == 200:
                next_body = {"refresh_token": answer.json()["refresh_token"]}
                again = await connections[0].request("POST", "/users/refresh", next_body)
                assert again.status == 401
        for connection in connections:
            assert await _dies_within_s(connection, owner.token) <= 2.0


async def test_a_session_revoked_in_one_worker_is_dead_in_the_other_within_two_seconds(
    world: World,
) -> None:
    (owner,) = await world.customers("leaving", amount=0)
    async with world.connections(2) as (here, there):
        for connection in (here, there):
            answer = await connection.request("GET", "/wallets/my-balance", token=owner.token)
            assert answer.status == 200
        assert (await here.request("POST", "/users/logout", token=owner.token)).status == 204
        at_home = await here.request("GET", "/wallets/my-balance", token=owner.token)
        assert (at_home.status, at_home.code) == (401, "session-revoked")
        elsewhere_s = await _dies_within_s(there, owner.token)
    assert elsewhere_s <= 2.0
    print(f"\nthe other worker refused the session after {elsewhere_s:.2f} s")


async def test_the_log_in_guard_is_exact_over_both_workers(world: World, tmp_path: Path) -> None:
    limit = 15
    # Four log-ins each: the fifth at once on one account would meet the delay of that account.
    names = [f"guarded{n}" for n in range(10)]
    await world.customers(*names, amount=0)
    async with ServiceProcess(
        tmp_path,
        database_url=world.database.url,
        owner_url=world.database.owner_url,
        WALLET_LOG_IN_LIMIT=str(limit),
    ) as service:
        each = await service.connections_to_each(20)
        connections = [c for pair in zip(*each, strict=True) for c in pair]
        await world.scalar(
            "WITH gone AS (DELETE FROM guards RETURNING 1) SELECT count(*) FROM gone"
        )
        await _wait_for_early_in_the_minute()
        answers = await asyncio.gather(
            *(_log_in_or_close(c, names[n % 10]) for n, c in enumerate(connections))
        )
    heard = Counter((a.status, a.code) for a in answers)
    assert heard[(200, None)] == limit, heard
    assert heard.total() == 40
    assert set(heard) == {(200, None), (429, "too-many-requests")}


async def test_after_all_races_the_books_are_intact(world: World) -> None:
    found = await settled_and_sound(
        world.service.port, world.history, world.database.url, world.database.superuser_url
    )
    print(f"\nverified after the races: {found}")
    assert found.endswith(", 0 settled afterwards")
    assert "internal-error" not in world.service.log()


async def _later(delay_s: float, sent: Awaitable[Attempt]) -> Attempt:
    await asyncio.sleep(delay_s)
    return await sent


def _has_paid(history: History, customer: Customer) -> bool:
    return any(o.accepted and o.payer == customer and o.payee for o in history.operations)


async def _outcomes(operations: list[Operation], connection: Connection) -> int:
    """Count the keys that have come to something already."""
    count = 0
    for operation in operations:
        answer = await connection.request(
            "GET", f"/idempotency-keys/{operation.key}", token=operation.payer.token
        )
        count += answer.json()["status"] == "accepted"
    return count


async def _log_in_or_close(connection: Connection, name: str) -> Answer:
    try:
        return await log_in(connection, name)
    finally:
        connection.close()


async def _dies_within_s(connection: Connection, token: str) -> float:
    started_s = time.monotonic()
    while time.monotonic() - started_s < 5:
        answer = await connection.request("GET", "/wallets/my-balance", token=token)
        if answer.status == 401:
            return time.monotonic() - started_s
        await asyncio.sleep(0.02)
    return time.monotonic() - started_s


async def _wait_for_early_in_the_minute() -> None:
    """Guards count in whole minutes: one that turns meanwhile would allow twice as many."""
    second = time.time() % 60
    if second > 50:
        await asyncio.sleep(60.5 - second)
