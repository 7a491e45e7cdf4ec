"""What PostgreSQL alone must promise: roles, constraints, time, outages."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

import asyncpg
import pytest
from tests.contracts.books import Books, Shared, _on_postgres, save_payment, settled
from tests.stories.world import person, wallet

from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.domain.accounts import Account, Purpose
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.ledger import Header, Instruction
from wallet.domain.money import Currency
from wallet.domain.transfers import CreateTransfer
from wallet.infrastructure.identifiers import new_id
from wallet.infrastructure.postgres.pool import (
    JANITOR,
    VERIFIER,
    Connection,
    Deadlines,
    create_pool,
)
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

# PostgreSQL only: who may do what.

DENIED = [
    f"{statement} {table}{rest}"
    for table, column in [("entries", "version"), ("instructions", "amount"), ("batches", "id")]
    for statement, rest in [
        ("UPDATE", f" SET {column} = {column}"),
        ("DELETE FROM", ""),
        ("TRUNCATE", ""),
    ]
] + [
    "DELETE FROM accounts",
    "DELETE FROM wallets",
    "DELETE FROM details",
    "DELETE FROM fundings",
    "TRUNCATE accounts",
    "UPDATE accounts SET owner_id = owner_id",
    "UPDATE accounts SET currency = currency",
    "UPDATE wallets SET account_id = account_id",
    "UPDATE fundings SET amount = amount",
    "UPDATE details SET instruction_id = instruction_id",
    "UPDATE schema_migrations SET sha256 = ''",
    "CREATE TABLE mine (id integer)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DROP TABLE entries",
    "ALTER TABLE entries ADD COLUMN mine integer",
    "ALTER TABLE accounts DROP CONSTRAINT accounts_available_not_below_floor",
    "CREATE INDEX mine ON entries (kind)",
    "SET ROLE wallet_owner",
    "SELECT prune_refused_instructions(1)",
]


@pytest.mark.parametrize("statement", DENIED)
async def test_the_application_may_not(statement: str, shared: Shared) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
        await shared.pool.execute(statement)
    assert caught.value.sqlstate == "42501"


@pytest.mark.parametrize("table", ["entries", "instructions", "batches"])
async def test_the_login_behind_all_roles_cannot_change_the_journal_either(
    table: str, superuser: Connection
) -> None:
    for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
        query = "SELECT has_table_privilege('wallet_service', $1, $2)"
        assert await superuser.fetchval(query, table, privilege) is False


@asynccontextmanager
async def acting_as(shared: Shared, role: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(shared.url, server_settings={"role": role})
    try:
        yield connection
    finally:
        await connection.close()


MONEY_TABLES = ["accounts", "wallets", "entries", "instructions", "details", "batches", "fundings"]


@pytest.mark.parametrize("table", MONEY_TABLES)
async def test_the_verifier_reads_and_cannot_write(table: str, shared: Shared) -> None:
    async with acting_as(shared, VERIFIER) as connection:
        await connection.fetch(f"TABLE {table} LIMIT 1")
        for verb, rest in [
            ("DELETE FROM", ""),
            ("INSERT INTO", "DEFAULT VALUES"),
            ("TRUNCATE", ""),
        ]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"{verb} {table} {rest}")


async def add_instruction(connection: Connection, **columns: object) -> None:
    """Write an instruction past the ledger; what is not given is made up."""
    row = {
        "id": uuid4(),
        "account_id": uuid4(),
        "kind": 1,
        "scope": "person:somebody",
        "key_digest": os.urandom(32),
        "fingerprint": bytes(32),
        "seal": bytes(32),
        "currency": "USD",
        "amount": 1,
        "booked_at": datetime.now(UTC),
        **columns,
    }
    text = json.dumps(row, default=lambda v: rf"\x{v.hex()}" if isinstance(v, bytes) else str(v))
    await connection.execute(
        "INSERT INTO instructions SELECT * FROM jsonb_populate_record(NULL::instructions, $1)", text
    )


async def test_the_janitor_prunes_only_refusals_older_than_eight_days(
    shared: Shared, superuser: Connection
) -> None:
    account = uuid4()
    for days, refused in [(9, True), (9, True), (9, True), (7, True), (30, False)]:
        await add_instruction(
            superuser,
            account_id=account,
            booked_at=datetime.now(UTC) - timedelta(days=days),
            refusal_code="insufficient-funds" if refused else None,
            refusal_facts={} if refused else None,
        )
    async with acting_as(shared, JANITOR) as janitor:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await janitor.execute("DELETE FROM instructions")
        pruned = [await janitor.fetchval("SELECT prune_refused_instructions(2)") for _ in "123"]
    left = await superuser.fetch(
        "SELECT refusal_code IS NOT NULL AS refused, extract(day FROM now() - booked_at) AS age "
        "FROM instructions WHERE account_id = $1 ORDER BY booked_at",
        account,
    )
    await superuser.execute("DELETE FROM instructions WHERE account_id = $1", account)
    assert pruned == [2, 1, 0]
    assert [(row["refused"], int(row["age"])) for row in left] == [(False, 30), (True, 7)]


# PostgreSQL only: constraints.

NEW_ACCOUNT = (
    "INSERT INTO accounts (id, owner_id, purpose, currency, created_at, {columns}) "
    "VALUES (gen_random_uuid(), gen_random_uuid(), 'wallet', 'USD', now(), {values})"
)
CHECKED = {
    "posted": ("9000000000000001", "accounts_posted_in_range"),
    "held": ("-1", "accounts_held_in_range"),
    "floor": ("-9000000000000001", "accounts_floor_in_range"),
    "floor, posted": ("-10, -11", "accounts_available_not_below_floor"),
    "posted, held": ("10, 11", "accounts_available_not_below_floor"),
    "posted, debt": ("-11, 10", "accounts_available_not_below_floor"),
    "debt": ("9000000000000001", "accounts_debt_in_range"),
    "version": ("-1", "accounts_version_not_negative"),
    "head_hash": (r"'\x00'", "accounts_hash_has_32_bytes"),
    "frozen": ("4", "accounts_frozen_known"),
    "closed_at, posted": ("now(), 1", "accounts_closed_are_empty"),
}


@pytest.mark.parametrize("columns", CHECKED)
async def test_a_constraint_of_accounts_is_violated_by_name(
    columns: str, superuser: Connection
) -> None:
    values, name = CHECKED[columns]
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await superuser.execute(NEW_ACCOUNT.format(columns=columns, values=values))
    assert getattr(caught.value, "constraint_name", None) == name


async def test_every_constraint_has_a_name_of_its_own(superuser: Connection) -> None:
    names = await superuser.fetch(
        "SELECT conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace "
        "WHERE n.nspname = 'public' AND c.contype IN ('c', 'p', 'u', 'f', 'x')"
    )
    made_up = re.compile(r"_(pkey|key\d*|check\d*|fkey\d*|excl)$")
    assert len(names) > 40
    assert [row["conname"] for row in names if made_up.search(row["conname"])] == []


# PostgreSQL only: time, outages, and keys in opposite orders.


@pytest.fixture
async def on_postgres(shared: Shared) -> Books:
    return await settled(_on_postgres(shared))


async def test_an_earlier_entry_in_the_future_drags_the_time_of_later_ones_along(
    on_postgres: Books, superuser: Connection
) -> None:
    future = datetime.now(UTC) + timedelta(hours=1)
    bob = wallet(on_postgres.bob, "USD")
    await superuser.execute("UPDATE accounts SET head_booked_at = $2 WHERE id = $1", bob, future)
    assert (await on_postgres.carry_out(on_postgres.pay(10))).booked_at == future
    onward = on_postgres.world.transfer(on_postgres.alice, on_postgres.carol, 5)
    assert (await on_postgres.carry_out(onward)).booked_at == future
    times = await superuser.fetch(
        "SELECT booked_at FROM entries WHERE account_id = ANY($1) AND posted_delta <> 100",
        on_postgres.ids(on_postgres.alice, on_postgres.bob, on_postgres.carol),
    )
    assert [row["booked_at"] for row in times] == [future] * 4


async def test_a_wallet_that_was_not_committed_is_not_there(on_postgres: Books) -> None:
    async with on_postgres.unit_of_work() as work:
        account = Account(uuid4(), Currency("EUR"), Purpose.WALLET, person(on_postgres.alice))
        await work.wallets.open(account, datetime.now(UTC))
    async with on_postgres.unit_of_work() as work:
        assert await work.wallets.find(person(on_postgres.alice), "EUR") is None


async def test_a_connection_that_cannot_be_had_in_time_is_an_interruption(shared: Shared) -> None:
    pool = await create_pool(shared.url, size_max=1)
    try:
        async with PostgresUnitOfWork(pool):
            with pytest.raises(Interrupted):
                async with PostgresUnitOfWork(pool, acquire_timeout_s=0.05):
                    pass
    finally:
        await pool.close()


async def test_a_lock_that_cannot_be_had_in_time_is_an_interruption(
    on_postgres: Books, shared: Shared
) -> None:
    ids = on_postgres.ids(on_postgres.alice)
    pool = await create_pool(shared.url, size_max=1, deadlines=Deadlines(lock_s=0.1))
    try:
        async with on_postgres.unit_of_work() as first:
            await first.ledger.lock(ids, 0)
            with pytest.raises(Interrupted):
                async with PostgresUnitOfWork(pool) as second:
                    await second.ledger.lock(ids, 0)
        async with PostgresUnitOfWork(pool) as third:
            await third.ledger.lock(ids, 0)
    finally:
        await pool.close()


async def sabotaged(
    shared: Shared, books: Books, payment: Instruction, *sabotage: tuple[str, Connection | None]
) -> None:
    """Save and commit a payment; before the commit, run each statement somewhere."""
    async with PostgresUnitOfWork(shared.pool) as work:
        await save_payment(cast("UnitOfWork", work), books, payment)
        connection = work._connection
        assert connection is not None
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        for statement, elsewhere in sabotage:
            with suppress(asyncpg.DivisionByZeroError):
                await (elsewhere or connection).execute(statement.format(pid=pid))
        await work.commit()


async def test_a_backend_that_is_killed_before_the_commit_is_an_interruption(
    on_postgres: Books, shared: Shared, superuser: Connection
) -> None:
    async def lose_the_connection() -> None:
        async with PostgresUnitOfWork(shared.pool) as work:
            assert work._connection is not None
            pid = await work._connection.fetchval("SELECT pg_backend_pid()")
            await superuser.execute("SELECT pg_terminate_backend($1, 2000)", pid)
            await work.ledger.lock(on_postgres.ids(on_postgres.alice), 0)

    with pytest.raises(Interrupted):
        await lose_the_connection()
    assert (await on_postgres.carry_out(on_postgres.pay(1))).refusal is None


async def test_a_backend_that_is_killed_at_the_commit_leaves_the_outcome_unknown(
    on_postgres: Books, shared: Shared, superuser: Connection
) -> None:
    payment = on_postgres.pay(1)
    killed = ("SELECT pg_terminate_backend({pid}, 2000)", superuser)
    with pytest.raises(OutcomeUnknown):
        await sabotaged(shared, on_postgres, payment, killed)
    assert not (await on_postgres.carry_out(payment)).replayed


async def test_a_commit_of_a_transaction_that_failed_is_an_interruption(
    on_postgres: Books, shared: Shared
) -> None:
    payment = on_postgres.pay(1)
    with pytest.raises(Interrupted):
        await sabotaged(shared, on_postgres, payment, ("SELECT 1 / 0", None))
    assert not (await on_postgres.carry_out(payment)).replayed


async def test_two_batches_with_the_same_keys_in_opposite_orders_do_not_deadlock(
    on_postgres: Books, superuser: Connection
) -> None:
    """Each batch stops halfway, at a key that somebody else holds, with one of the two taken."""
    books, keys = on_postgres, [f"{n}-{on_postgres.suffix}" for n in range(6)]
    digests = sorted(books.pay(1, key=key).header.key_digest for key in keys)
    low, high = digests[0], digests[5]

    def batch(name: str, order: Sequence[bytes]) -> list[Instruction]:
        scope = books.pay(1).header.scope
        payments = [books.world.transfer(name, "nobody", 1, {"no-wallet": "y"}) for _ in order]
        headers = [
            Header(
                **{n: getattr(p.header, n) for n in Header.__slots__}
                | {"scope": scope, "key_digest": digest}
            )
            for p, digest in zip(payments, order, strict=True)
        ]
        return [CreateTransfer(header, person(name)) for header in headers]

    async def save(instructions: Sequence[Instruction]) -> bool:
        async with books.unit_of_work() as work:
            saved = await save_payment(work, books, *instructions)
            if saved:
                await work.commit()
            return saved

    async with superuser.transaction():
        for digest in digests[1:5]:
            scope = books.pay(1).header.scope
            await add_instruction(superuser, scope=scope, key_digest=digest)
        tasks = [
            asyncio.create_task(save(batch(books.alice, [low, digests[1], high]))),
            asyncio.create_task(save(batch(books.bob, [high, digests[2], low]))),
        ]
        await asyncio.wait(tasks, timeout=0.2)
        await superuser.execute("DELETE FROM instructions WHERE key_digest = ANY($1)", digests)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(map(str, results)) == ["False", "True"]


async def test_what_was_saved_already_is_found_whatever_the_lock_could_see(books: Books) -> None:
    payment = books.pay(30)
    await books.carry_out(payment)
    async with books.unit_of_work() as work:
        book = await work.ledger.lock(books.ids(books.alice, books.bob), 0, [payment.header.key])
        assert book.repeats
        book.decide([payment])
        assert not await work.ledger.save(book)
    # The same key with another id, as a second request has it.
    again = replace(payment, header=replace(payment.header, id=new_id()))
    async with books.unit_of_work() as work:
        book = await work.ledger.lock(books.ids(books.alice, books.bob), 0, [])
        assert not book.repeats
        book.decide([again])
        assert not await work.ledger.save(book)
