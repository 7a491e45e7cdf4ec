"""The verifier: silent about real traffic, and never silent about a change made behind its back."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import Cluster
from tests.fakes.signing import signer
from tests.integration.log_tamperings import CELLS, ROWS
from tests.integration.random_tamperings import Nothing, tamper
from tests.integration.tamperings import FREE, SOMEBODY, TAMPERINGS
from tests.stories.world import World, person, wallet

from wallet.application.log_verification import Evidence
from wallet.application.sealing import Sealer
from wallet.application.verification import Report, verify
from wallet.domain.accounts import Purpose, system_account_id
from wallet.domain.journal import Details, entry_hash, microseconds
from wallet.domain.transfers import CreateTransfer
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Connection, Pool, create_pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.postgres.verification import PostgresBooks, snapshot
from wallet.infrastructure.security.signing import is_signed

TRAFFIC = """
    open alice USD
    open bob USD
    open carol USD
    open alice JPY
    open bob JPY
    request alice 1000 as=f1 -> accepted
    settle alice f1 of=1000 -> accepted
    request bob 500 as=f2 -> accepted
    settle bob f2 of=500 -> accepted
    request carol 70 as=f4 -> accepted
    decline carol f4 of=70 -> accepted
    request carol 80 as=f5 -> accepted
    send alice bob 100 note=lunch key=lunch -> accepted
    send bob alice 20 key=plain -> accepted
    send alice carol 5 note=coffee key=coffee -> accepted
    send alice bob 6 note=secret key=erased -> accepted
    send carol bob 10000 key=refused -> insufficient-funds
    batch send alice bob 1 ; send bob carol 2 ; send bob bob 3 -> accepted, accepted, self-transfer
"""
YEN = """
    request alice 300 as=f3 in=JPY -> accepted
    settle alice f3 of=300 in=JPY -> accepted
    send alice bob 7 in=JPY -> accepted
"""


@dataclass(frozen=True)
class Books:
    """A database with traffic in it, and the ids of what a tampering names in braces."""

    url: str
    superuser_url: str
    ids: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books(cluster: Cluster, template: str) -> AsyncIterator[Books]:
    name = f"verification_{uuid4().hex}"
    await cluster.administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner")
    superuser_url = cluster.addresses.superuser_url.replace("/postgres?", f"/{name}?")
    pool = await create_pool(cluster.url(name), size_max=4)
    try:
        world = World(lambda: PostgresUnitOfWork(pool))
        for name_ in ("alice", "bob", "carol"):
            await pool.execute(ADD_PERSON, person(name_), name_)
        await world.tell(TRAFFIC)
        await seal(pool)
        world.stripe = 3
        await world.tell(YEN)
        rich = world.transfer("alice", "bob", 3)
        details = Details(bytes(range(32)), reference="INV-1", metadata={"order": "4711"})
        await world.carry_out(CreateTransfer(rich.header, rich.actor_id, details))
        await seal(pool)
        yield Books(cluster.url(name), superuser_url, await _ids(world, superuser_url))
    finally:
        await asyncio.wait_for(pool.close(), 10)
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


async def seal(pool: Pool) -> None:
    """Take up what is new into the log."""

    def fail(error: BaseException) -> None:
        raise error

    sealer = Sealer(
        unit_of_work=lambda: PostgresUnitOfWork(pool),
        signer=signer(),
        clock=utc_now,
        new_id=new_id,
        report=fail,
    )
    sealer._holder = UUID(int=1)
    while await sealer.seal() or sealer.behind:
        pass


async def verify_all(connection: Connection) -> Report:
    """Verify the books and their log."""
    books = PostgresBooks(connection)
    return await verify(books, Evidence(books.log, is_signed, [signer().public_key()]))


async def _ids(world: World, superuser_url: str) -> dict[str, str]:
    """Return what the traffic made, by name, and erase the details of one payment."""
    ids = {
        "alice": wallet("alice", "USD"),
        "bob": wallet("bob", "USD"),
        "carol": wallet("carol", "USD"),
        "yen": wallet("alice", "JPY"),
        "outside": system_account_id(Purpose.FUNDING, "USD", 0),
        "unused": system_account_id(Purpose.FUNDING, "USD", 9),
        "person": person("bob"),
        "somebody": UUID(SOMEBODY),
        **world.fundings,
    }
    connection = await asyncpg.connect(superuser_url)
    try:
        for label, key in [
            ("lunch", "lunch"),
            ("plain", "plain"),
            ("coffee", "coffee"),
            ("erased", "erased"),
            ("refused", "refused"),
        ]:
            ids[label] = await connection.fetchval(
                "SELECT id FROM instructions WHERE key_digest = sha256($1::text::bytea)", key
            )
        for label, kind, account in [("request", 2, "carol"), ("decline", 4, "carol")]:
            ids[label] = await connection.fetchval(
                "SELECT id FROM instructions WHERE kind = $1 AND account_id = $2 LIMIT 1",
                kind,
                ids[account],
            )
        await connection.execute(
            "UPDATE details SET salt = NULL, note = NULL, erased_at = now() "
            "WHERE instruction_id = $1",
            ids["erased"],
        )
    finally:
        await connection.close()
    return {name: str(id_) for name, id_ in ids.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def superuser(books: Books) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(books.superuser_url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_real_traffic_is_intact(books: Books) -> None:
    async with snapshot(books.url) as view:
        report = await verify(view, Evidence(view.log, is_signed, [signer().public_key()]))
    assert (report.violations, report.complete) == ([], True)
    assert (report.accounts, report.entries) == (5 + 16 * 2, 22)


ADD_PERSON = """
INSERT INTO users (id, first_name, last_name, default_currency, created_at)
VALUES ($1, $2, 'A', 'USD', now())
"""


def named(text: str, ids: dict[str, str]) -> str:
    return re.sub("<([a-z0-9]+)>", lambda match: ids[match[1]], text)


def names(report: Report, invariants: str, place: str) -> bool:
    """Whether a violation of one of the invariants names the place, by account or in words."""
    return any(
        re.search(invariants, violation.invariant)
        and place in (str(violation.account_id), *re.findall(r"[0-9a-f-]{36}", violation.message))
        for violation in report.violations
    )


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_a_tampering_is_found_and_its_place_named(
    name: str, books: Books, superuser: Connection
) -> None:
    statement, invariants, label = TAMPERINGS[name]
    # Whoever can write what they like can take a constraint away first.
    without = "ALTER TABLE details DROP CONSTRAINT IF EXISTS details_metadata_is_an_object"
    ids = books.ids
    transaction = superuser.transaction()
    await transaction.start()
    try:
        if "metadata" in name:
            await superuser.execute(without)
        await superuser.execute(named(statement, ids))
        report = await verify_all(superuser)
    finally:
        await transaction.rollback()
    accounts = {"f1": "alice", "f4": "carol", "f5": "carol", "lunch": "alice"} | dict.fromkeys(
        ["request", "decline", "refused"], "carol"
    )
    places = [ids[label], ids[accounts.get(label, label)], SOMEBODY]
    assert any(names(report, invariants, place) for place in places), [*map(str, report.violations)]


@pytest.mark.parametrize("name", [*CELLS, *ROWS])
async def test_a_tampering_of_the_log_is_found_and_its_place_named(
    name: str, books: Books, superuser: Connection
) -> None:
    statement, invariants, words = (CELLS | ROWS)[name]
    transaction = superuser.transaction()
    await transaction.start()
    try:
        await superuser.execute(named(statement, books.ids))
        report = await verify_all(superuser)
    finally:
        await transaction.rollback()
    said = [str(v) for v in report.violations if re.search(invariants, v.invariant)]
    assert any(named(words, books.ids) in text for text in said), [*map(str, report.violations)]


def test_there_are_well_over_sixty_kinds_of_tampering() -> None:
    assert len(TAMPERINGS) > 150


async def test_every_column_is_tampered_with_or_known_to_be_free(superuser: Connection) -> None:
    rows = await superuser.fetch(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE "
        "table_name IN ('accounts', 'entries', 'instructions', 'details', 'fundings', "
        "'log_head', 'log_tiles', 'log_runs', 'checkpoints', 'log_keys')"
    )
    tampered = {name.replace(": ", ".").split(" ")[0] for name in TAMPERINGS}
    assert {row[0] for row in rows} - tampered - set(CELLS) == set(FREE)


async def test_a_tail_that_was_rewritten_with_all_its_hashes_is_found_by_the_other_leg(
    books: Books, superuser: Connection
) -> None:
    alice = UUID(books.ids["alice"])
    async with superuser.transaction():
        last, before = await superuser.fetch(
            "SELECT * FROM entries WHERE account_id = $1 ORDER BY version DESC LIMIT 2", alice
        )
        forged = entry_hash(
            before["hash"],
            alice,
            last["version"],
            last["instruction_id"],
            last["kind"],
            last["currency"],
            last["posted_delta"] + 1,
            0,
            last["posted_after"] + 1,
            0,
            last["counterparty_id"],
            microseconds(last["booked_at"]),
            last["details_digest"],
        )
        await superuser.execute(
            "UPDATE entries SET posted_delta = posted_delta + 1, posted_after = posted_after + 1, "
            "hash = $2 WHERE account_id = $1 AND version = $3",
            alice,
            forged,
            last["version"],
        )
        await superuser.execute(
            "UPDATE accounts SET posted = posted + 1, head_hash = $2 WHERE id = $1", alice, forged
        )
        report = await verify(PostgresBooks(superuser))
        await superuser.execute(
            "UPDATE accounts SET posted = posted - 1, head_hash = $2 WHERE id = $1",
            alice,
            last["hash"],
        )
        await superuser.execute(
            "UPDATE entries SET posted_delta = posted_delta - 1, posted_after = posted_after - 1, "
            "hash = $2 WHERE account_id = $1 AND version = $3",
            alice,
            last["hash"],
            last["version"],
        )
    found = {violation.invariant for violation in report.violations}
    assert {"legs-sum-to-zero", "money-conserved", "instructions-match-entries"} <= found
    assert not {"hash-chain", "running-balance", "head-hash"} & found


async def found_by_chance(superuser: Connection, count: int, seed: int) -> list[str]:
    """Tamper by chance; return what was not found, or found without a name."""
    random, missed, done = Random(seed), [], 0
    while done < count:
        transaction = superuser.transaction()
        await transaction.start()
        try:
            tampering = await tamper(superuser, random)
            report = await verify_all(superuser)
        except Nothing:
            continue
        finally:
            await transaction.rollback()
        done += 1
        said = [str(violation) for violation in report.violations]
        if not any(name in text for text in said for name in tampering.names):
            missed.append(f"{tampering.what}: {said[:3]}")
    return missed


async def test_tamperings_by_chance_are_found_and_named(
    books: Books, superuser: Connection
) -> None:
    assert await found_by_chance(superuser, 100, seed=1) == []


@pytest.mark.slow
async def test_a_thousand_tamperings_by_chance_are_found_and_named(
    books: Books, superuser: Connection
) -> None:
    missed = await found_by_chance(superuser, 1_000, seed=2)
    assert missed == [], "\n".join(missed)
