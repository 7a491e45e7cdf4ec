"""The verifier knows what staff may have done: refunds, adjustments, controls, and their trail."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import Cluster
from tests.stories.world import World, person, wallet

from wallet.application.verification import Report, verify
from wallet.infrastructure.postgres.pool import Connection, create_pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.postgres.verification import PostgresBooks

TRAFFIC = """
    open alice USD
    open bob USD
    request alice 1000 as=f1 -> accepted
    settle alice f1 of=1000 -> accepted
    send alice bob 100 key=k1 -> accepted
    send alice bob 50 key=k2 -> accepted
    send alice bob 10 key=k3 -> accepted
    refund k1 of=40 -> accepted
    send bob alice 115 -> accepted
    refund k2 force=yes -> accepted
    adjust alice 20 as=a1 by=ada -> accepted
    approve a1 by=max -> accepted
    adjust alice -5 as=a2 by=ada -> accepted
    freeze alice receive -> done
    overdraft alice 70 -> done
"""
ADD_PERSON = """
INSERT INTO users (id, first_name, last_name, default_currency, created_at)
VALUES ($1, $2, 'A', 'USD', now())
"""
REFUND = "amount = 40"
APPROVED, PENDING = "amount = 20", "amount = -5"
UNDECIDED = "decided_by = NULL, decided_at = NULL, decision_reason = NULL"

# What is set of a refund of 40, and the invariant that must be named.
REFUNDS = {
    "amount": ("39", "refunds-are-booked"),
    "id": ("gen_random_uuid()", "refunds-are-booked"),
    "account_id": ("'<bob>'", "refunds-are-booked"),
    "source_id": ("'<alice>'", "refunds-are-booked"),
    "booked_at": ("booked_at + interval '1 second'", "refunds-are-booked"),
    "transfer_id": (
        "(SELECT id FROM instructions WHERE key_digest = sha256('k3'))",
        "refunds-within-transfers",
    ),
}
ADJUSTMENTS = {
    "id": ("gen_random_uuid()", "adjustments-were-requested"),
    "account_id": ("'<bob>'", "adjustments-were-requested"),
    "owner_id": ("gen_random_uuid()", "adjustments-were-requested"),
    "currency": ("'EUR'", "adjustments-were-requested"),
    "amount": ("amount * 25", "adjustments-were-requested"),
    "reason": ("'another'", "adjustments-are-told"),
    "requested_by": ("gen_random_uuid()", "adjustments-were-requested"),
    "requested_at": ("requested_at - interval '1 second'", "adjustments-were-requested"),
}
ACTS = {
    "id": "gen_random_uuid()",
    "act": "'wallet.frozen'",
    "happened_at": "happened_at - interval '1 microsecond'",
    "actor_id": "gen_random_uuid()",
    "actor_name": "'Somebody Else'",
    "role": "'auditor'",
    "subject_kind": "'wallet'",
    "subject_id": "gen_random_uuid()",
    "person_id": "NULL",
    "reason": "'because of nothing'",
    "before": "'{}'",
    "after": """'{"refunded": 39}'""",
    "request_id": "'x'",
    "seal": "sha256('x')",
}
WHOLE = {
    "a refund is forgotten": ("DELETE FROM refunds WHERE <refund>", "refunds-are-booked"),
    "a transfer has been refunded by more than it was": (
        (
            "INSERT INTO refunds SELECT account_id, transfer_id, gen_random_uuid(), source_id, 61, "
            "booked_at FROM refunds WHERE <refund>"
        ),
        "refunds-within-transfers",
    ),
    "a refund is said to be one of nothing": (
        "UPDATE refunds SET transfer_id = gen_random_uuid() WHERE <refund>",
        "refunds-within-transfers",
    ),
    "the instruction of a refund becomes a transfer": (
        "UPDATE instructions SET kind = 1 WHERE id = (SELECT id FROM refunds WHERE <refund>)",
        "refunds-are-booked",
    ),
    "an adjustment was approved by who asked": (
        "UPDATE adjustments SET decided_by = requested_by WHERE <approved>",
        "approved-adjustments-are-booked",
    ),
    "an adjustment was approved by somebody else": (
        "UPDATE adjustments SET decided_by = gen_random_uuid() WHERE <approved>",
        "adjustments-are-told",
    ),
    "an adjustment was approved for another reason": (
        "UPDATE adjustments SET decision_reason = 'another' WHERE <approved>",
        "adjustments-are-told",
    ),
    "an adjustment was approved at another time": (
        "UPDATE adjustments SET decided_at = now() WHERE <approved>",
        "approved-adjustments-are-booked",
    ),
    "an approved adjustment is pending again": (
        "UPDATE adjustments SET status = 'pending', <undecided> WHERE <approved>",
        "approved-adjustments-are-booked",
    ),
    "a pending adjustment was approved without its money": (
        (
            "UPDATE adjustments SET status = 'approved', decided_by = gen_random_uuid(), "
            "decided_at = now(), decision_reason = 'yes' WHERE <pending>"
        ),
        "approved-adjustments-are-booked",
    ),
    "a pending adjustment was rejected by nobody": (
        (
            "UPDATE adjustments SET status = 'rejected', decided_by = gen_random_uuid(), "
            "decided_at = now(), decision_reason = 'no' WHERE <pending>"
        ),
        "adjustments-are-told",
    ),
    "a pending adjustment gives what it should take": (
        "UPDATE adjustments SET amount = 5 WHERE <pending>",
        "adjustments-are-told",
    ),
    "an adjustment is deleted": (
        "DELETE FROM adjustments WHERE <pending>",
        "adjustments-were-requested",
    ),
    "an adjustment is made up": (
        (
            "INSERT INTO adjustments SELECT gen_random_uuid(), account_id, owner_id, currency, "
            "amount, "
            "reason, requested_by, requested_at, status FROM adjustments WHERE <pending>"
        ),
        "adjustments-were-requested",
    ),
    "a wallet is let go by nobody": (
        "UPDATE accounts SET frozen = 0 WHERE id = '<alice>'",
        "controls-were-decided",
    ),
    "a wallet is frozen in another direction by nobody": (
        "UPDATE accounts SET frozen = 1 WHERE id = '<alice>'",
        "controls-were-decided",
    ),
    "an overdraft grows": (
        "UPDATE accounts SET floor = floor - 1 WHERE id = '<bob>'",
        "controls-were-decided",
    ),
    "a debt grows": (
        "UPDATE accounts SET debt = debt + 1 WHERE id = '<bob>'",
        "debt-is-what-is-missing",
    ),
    "a debt is an overdraft": (
        "UPDATE accounts SET floor = floor - debt, debt = 0 WHERE id = '<bob>'",
        "controls-were-decided",
    ),
    "the act of a refund that was forced tells of a smaller debt": (
        (
            "UPDATE audit_trail SET after = jsonb_set(after::jsonb, '{debt}', '1')::json "
            "WHERE after ->> 'debt' IS NOT NULL"
        ),
        "controls-were-decided",
    ),
    "an overdraft is forgotten": (
        "UPDATE accounts SET floor = 0 WHERE id = '<alice>'",
        "controls-were-decided",
    ),
    "the act of a freeze is deleted": (
        "DELETE FROM audit_trail WHERE subject_id = '<alice>'",
        "controls-were-decided",
    ),
    "the act of a refund is deleted": (
        "DELETE FROM audit_trail WHERE after ->> 'refunded' = '40'",
        "refunds-are-told",
    ),
    "the act of an approval is deleted": (
        "DELETE FROM audit_trail WHERE act = 'adjustment.approved'",
        "adjustments-are-told",
    ),
    "a system account of adjustments is deleted": (
        (
            "DELETE FROM accounts WHERE id = (SELECT id FROM accounts WHERE purpose = 'adjustment' "
            "AND version = 0 LIMIT 1)"
        ),
        "system-accounts-are-whole",
    ),
}
TAMPERINGS: dict[str, tuple[str, str]] = {
    **WHOLE,
    **{
        f"a refund has another {column}": (
            f"UPDATE refunds SET {column} = {value} WHERE {REFUND}",  # noqa: S608
            invariant,
        )
        for column, (value, invariant) in REFUNDS.items()
    },
    **{
        f"an adjustment ({of}) has another {column}": (
            f"UPDATE adjustments SET {column} = {value} WHERE {of}",  # noqa: S608
            invariant,
        )
        for column, (value, invariant) in ADJUSTMENTS.items()
        for of in (APPROVED, PENDING)
    },
    **{
        f"an act has another {column}": (
            f"UPDATE audit_trail SET {column} = {value} WHERE after ->> 'refunded' = '40'",  # noqa: S608
            "act-seal",
        )
        for column, value in ACTS.items()
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def superuser(cluster: Cluster, template: str) -> AsyncIterator[Connection]:
    """Yield a connection to books with everything in them that staff can do."""
    name = f"staff_{uuid4().hex}"
    await cluster.administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner")
    pool = await create_pool(cluster.url(name), size_max=4)
    connection = await asyncpg.connect(
        cluster.addresses.superuser_url.replace("/postgres?", f"/{name}?")
    )
    try:
        world = World(lambda: PostgresUnitOfWork(pool), adjusts=True)
        for name_ in ("alice", "bob"):
            await pool.execute(ADD_PERSON, person(name_), name_)
        await world.tell(TRAFFIC)
        # Whoever can write what they like can take a constraint away first.
        await connection.execute(
            "ALTER TABLE adjustments DROP CONSTRAINT adjustments_approved_by_another"
        )
        yield connection
    finally:
        await connection.close()
        await asyncio.wait_for(pool.close(), 10)
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


async def report_of(superuser: Connection, statement: str) -> Report:
    transaction = superuser.transaction()
    await transaction.start()
    try:
        ids = {name: str(wallet(name, "USD")) for name in ("alice", "bob")}
        ids |= {"refund": REFUND, "approved": APPROVED, "pending": PENDING, "undecided": UNDECIDED}
        named = re.sub("<([a-z]+)>", lambda match: ids[match[1]], statement)
        done = await superuser.execute(named)
        assert not done.endswith(" 0"), "the tampering changed nothing"
        return await verify(PostgresBooks(superuser))
    finally:
        await transaction.rollback()


async def test_what_staff_did_is_intact(superuser: Connection) -> None:
    async with superuser.transaction():
        report = await verify(PostgresBooks(superuser))
    assert report.violations == []
    assert (report.accounts, report.entries) == (2 + 16 + 16, 2 * 8)


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_a_tampering_is_found_and_named(name: str, superuser: Connection) -> None:
    statement, invariant = TAMPERINGS[name]
    report = await report_of(superuser, statement)
    assert invariant in {violation.invariant for violation in report.violations}


async def test_every_column_of_refunds_and_acts_is_tampered_with(superuser: Connection) -> None:
    rows = await superuser.fetch(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_name IN ('refunds', 'audit_trail')"
    )
    found = {(row["table_name"], row["column_name"]) for row in rows}
    assert found == {("refunds", name) for name in REFUNDS} | {("audit_trail", n) for n in ACTS}


async def test_an_over_refund_is_named_with_its_transfer_and_wallet(
    superuser: Connection,
) -> None:
    statement, _ = TAMPERINGS["a transfer has been refunded by more than it was"]
    transfer_id: UUID = await superuser.fetchval(
        "SELECT transfer_id FROM refunds WHERE amount = 40"
    )
    report = await report_of(superuser, statement)
    (found,) = (v for v in report.violations if v.invariant == "refunds-within-transfers")
    assert (found.account_id, found.message) == (
        wallet("alice", "USD"),
        f"transfer {transfer_id} was refunded by 101",
    )
