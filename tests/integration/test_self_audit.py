"""The self-audit on real books: silent under traffic, and an alarm for what was tampered with."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from tests.api.people import sign_up, sign_up_with
from tests.conftest import Database, running_service, settings_of
from tests.stories.world import World, wallet

from wallet import bootstrap
from wallet.application.safe_mode import SafeMode
from wallet.application.self_audit import SelfAudit
from wallet.domain.audits import Progress
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.audits import PostgresSlices
from wallet.infrastructure.postgres.pool import VERIFIER, Pool, create_pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

FORGE = "UPDATE entries SET posted_delta = posted_delta + 1 WHERE account_id = $1 AND version = 2"
SLICE = 7


async def audited(database: Database, pool: Pool, rounds: int = 1) -> SafeMode:
    """Audit whole rounds in slices; return the safe mode as it is after that."""

    def fail(error: BaseException) -> None:
        raise error

    safe_mode = SafeMode(
        unit_of_work=lambda: PostgresUnitOfWork(pool), clock=utc_now, new_id=new_id, report=fail
    )
    reading = await create_pool(database.url, size_max=1, role=VERIFIER)
    self_audit = SelfAudit(
        unit_of_work=lambda: PostgresUnitOfWork(pool),
        slices=PostgresSlices(reading),
        safe_mode=safe_mode,
        holder=new_id(),
        clock=utc_now,
        report=fail,
        entries_per_second=SLICE,
    )
    try:
        for _ in range(rounds):
            while progress := await self_audit.audit():
                if progress == Progress(completed_at=progress.completed_at):
                    break
    finally:
        await reading.close()
    return safe_mode


async def history(pool: Pool) -> World:
    world = World(lambda: PostgresUnitOfWork(pool))
    for name in ("alice", "bob"):
        await world.open(name, "USD")
    await world.fund("alice", 1_000)
    for _ in range(20):
        await world.tell("send alice bob 1 note=x -> accepted")
    return world


async def test_intact_books_are_audited_in_slices_without_an_alarm(
    database: Database, postgres_pool: Pool
) -> None:
    await history(postgres_pool)
    safe_mode = await audited(database, postgres_pool, rounds=2)
    assert safe_mode.current is None
    row = await postgres_pool.fetchrow("SELECT * FROM audits")
    assert row is not None
    assert row["completed_at"] is not None


async def test_what_is_committed_meanwhile_is_no_alarm(
    database: Database, postgres_pool: Pool
) -> None:
    world = await history(postgres_pool)

    async def traffic() -> None:
        for _ in range(60):
            await world.tell("send alice bob 1 -> accepted")

    paying = asyncio.create_task(traffic())
    while not paying.done():
        assert (await audited(database, postgres_pool)).current is None
        await postgres_pool.execute("UPDATE audits SET holder = NULL")
    await paying


@pytest.mark.parametrize(
    ("statement", "invariant"),
    [
        (FORGE, "legs-sum-to-zero"),
        (FORGE, "running-balance"),
        ("UPDATE entries SET hash = sha256('x') WHERE account_id = $1 AND version = 9", "hash-c"),
        ("DELETE FROM entries WHERE account_id = $1 AND version = 8", "versions-gap-free"),
        ("UPDATE accounts SET posted = posted + 1 WHERE id = $1", "balance-equals-entries"),
        ("UPDATE details SET note = 'y' WHERE account_id = $1", "details-digest"),
    ],
)
async def test_a_tampering_stops_the_money_and_is_named(
    database: Database, postgres_pool: Pool, statement: str, invariant: str
) -> None:
    await history(postgres_pool)
    alice = wallet("alice", "USD")
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute(statement, alice)
    await connection.close()
    safe_mode = await audited(database, postgres_pool)
    assert safe_mode.current is not None
    # The leg on the other side may be read first: it names the instruction that both are of.
    reason = safe_mode.current.reason
    assert (invariant in reason and str(alice) in reason) or "legs-sum-to-zero" in reason


async def test_a_running_service_stops_money_tells_everybody_and_goes_on_when_told(
    database: Database, tmp_path: Path
) -> None:
    async with (
        running_service(database, tmp_path, settings_of()) as service,
        running_service(database, tmp_path, settings_of()) as another,
        service.client() as client,
        another.client() as elsewhere,
    ):
        alice = await sign_up_with(client, "alice", 1_000)
        await sign_up(client, "bob")
        pay = {"to_handle": "bob", "amount": 1}
        assert (await alice.post("/wallets/transfer", pay)).status_code == 201
        connection = await asyncpg.connect(database.superuser_url)
        await connection.execute("UPDATE accounts SET posted = 3 WHERE id = $1", alice.wallet_id)
        async with asyncio.timeout(60):
            # Nothing may be booked on the tampered balance, or it could not be put right below.
            while (await client.get("/health/ready")).json()["checks"]["books"] == "ok":
                await asyncio.sleep(0.1)
        refused = await alice.post("/wallets/transfer", pay, key="k")
        assert refused.json()["code"] == "safe-mode"
        assert int(refused.headers["retry-after"]) >= 10
        assert (await alice.top_up(1)).json()["code"] == "safe-mode"
        batch = {"transfers": [pay], "atomic": True}
        assert (await alice.post("/transfers/batch", batch)).json()["code"] == "safe-mode"
        assert (await alice.get("/transactions")).status_code == 200
        ready = (await client.get("/health/ready")).json()
        assert ready["checks"] == {"database": "ok", "books": "safe-mode"}
        async with asyncio.timeout(20):
            while (await elsewhere.get("/health/ready")).json()["checks"]["books"] == "ok":
                await asyncio.sleep(0.1)
        assert "wallet_safe_mode 1.0" in (await client.get("/metrics")).text
        await connection.execute("UPDATE accounts SET posted = 999 WHERE id = $1", alice.wallet_id)
        said = await bootstrap.leave_safe_mode(
            settings_of(), addresses(database), "operator", "a test's own doing"
        )
        assert said == ["Money moves again, within seconds."]
        async with asyncio.timeout(30):
            while (answer := await alice.post("/wallets/transfer", pay, key="k")).is_error:
                await asyncio.sleep(0.1)
        assert answer.status_code == 201
        kinds = await connection.fetch("SELECT kind, facts::text FROM events ORDER BY id")
        await connection.close()
    told = {row["kind"]: row["facts"] for row in kinds}
    assert "balance-equals-entries" in told["safe-mode.entered"]
    assert "a test's own doing" in told["safe-mode.left"]


async def test_the_alarm_is_an_error_in_the_log(database: Database, tmp_path: Path) -> None:
    async with (
        running_service(database, tmp_path, settings_of()) as service,
        service.client() as client,
    ):
        alice = await sign_up_with(client, "alice", 1_000)
        connection = await asyncpg.connect(database.superuser_url)
        await connection.execute("UPDATE accounts SET posted = 3 WHERE id = $1", alice.wallet_id)
        await connection.close()
        async with asyncio.timeout(60):
            while "safe-mode-entered" not in service.log_text():
                await asyncio.sleep(0.1)
        lines = [json.loads(line) for line in service.log_text().splitlines()]
    told = next(line for line in lines if line["event"] == "safe-mode-entered")
    assert told["level"] == "error"
    assert alice.wallet_id in told["reason"]


def addresses(database: Database) -> bootstrap.DatabaseAddresses:
    return bootstrap.DatabaseAddresses(database.url, database.owner_url, embedded=False)


async def test_safe_mode_is_told_of_and_left_with_a_reason_only(database: Database) -> None:
    here = addresses(database)
    assert "not in safe mode" in (await bootstrap.safe_mode_status(settings_of(), here))[0]
    with pytest.raises(bootstrap.StartFailed, match="Say why"):
        await bootstrap.leave_safe_mode(settings_of(), here, "me", "  ")
    left = await bootstrap.leave_safe_mode(settings_of(), here, "me", "nothing")
    assert left == ["The service is not in safe mode."]
