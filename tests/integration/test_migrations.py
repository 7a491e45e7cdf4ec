"""Migrations on real databases: from empty, again, at once, changed, newer, and taken back."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from tests.conftest import Cluster

from wallet.infrastructure.postgres import migrations
from wallet.infrastructure.postgres.migrations import (
    LOCK_NUMBER,
    MigrationFailed,
    migrate_down,
    migrate_up,
    migrations_directory,
    read_migrations,
    status_at,
)
from wallet.infrastructure.postgres.pool import Connection, Record

SHIPPED = [(migration.number, migration.name) for migration in read_migrations()]
LAST = SHIPPED[-1][0]

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
GRANTS = """
SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants
WHERE table_schema = 'public' UNION ALL
SELECT table_name || '.' || column_name, grantee, privilege_type
FROM information_schema.column_privileges WHERE table_schema = 'public' ORDER BY 1, 2, 3
"""
FUNCTIONS = """
SELECT proname, prosecdef, proacl::text, prosrc FROM pg_proc
WHERE pronamespace = 'public'::regnamespace ORDER BY 1
"""


@pytest.fixture
async def url(cluster: Cluster) -> AsyncIterator[str]:
    """Yield the owner's URL of an empty database."""
    name = f"migrations_{uuid4().hex}"
    await cluster.administer(f"CREATE DATABASE {name} OWNER wallet_owner")
    try:
        yield cluster.url(name, owner=True)
    finally:
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a copy of the migrations that a test may change."""
    return Path(shutil.copytree(migrations_directory(), tmp_path / "migrations"))


async def schema(connection: Connection) -> list[list[Record]]:
    return [
        await connection.fetch(query)
        for query in (COLUMNS, CONSTRAINTS, INDEXES, GRANTS, FUNCTIONS)
    ]


async def applied(url: str, directory: Path | None = None) -> list[int]:
    return [m.number for m in await status_at(url, directory) if m.applied_at is not None]


def only_first(directory: Path, count: int) -> Path:
    for path in directory.glob("*.sql"):
        if int(path.name[:4]) > count:
            path.unlink()
    return directory


# Up.


async def test_an_empty_database_is_brought_up_in_order(url: str, connection: Connection) -> None:
    done = await migrate_up(url)
    assert [(migration.number, migration.name) for migration in done] == SHIPPED
    assert await connection.fetchval("SELECT count(*) FROM accounts") == 0


async def test_a_second_time_changes_nothing(url: str, connection: Connection) -> None:
    await migrate_up(url)
    before = await schema(connection)
    assert list(await migrate_up(url)) == []
    assert await schema(connection) == before


async def test_five_at_once_apply_each_migration_once(url: str, connection: Connection) -> None:
    runs = await asyncio.gather(*(migrate_up(url, service_role="wallet_service") for _ in "12345"))
    assert sorted(len(done) for done in runs) == [0, 0, 0, 0, LAST]
    rows = await connection.fetch("SELECT number FROM schema_migrations ORDER BY number")
    assert [row["number"] for row in rows] == [number for number, _ in SHIPPED]


async def test_databases_of_one_cluster_can_be_migrated_at_once(cluster: Cluster) -> None:
    names = [f"migrations_{uuid4().hex}" for _ in range(4)]
    await cluster.administer(*(f"CREATE DATABASE {name} OWNER wallet_owner" for name in names))
    try:
        runs = await asyncio.gather(
            *(
                migrate_up(cluster.url(name, owner=True), service_role="wallet_service")
                for name in names
            )
        )
        assert [len(done) for done in runs] == [LAST] * 4
    finally:
        await cluster.administer(*(f"DROP DATABASE {name} WITH (FORCE)" for name in names))


async def test_whoever_comes_second_waits_for_the_first(url: str, connection: Connection) -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_NUMBER)
    second = asyncio.create_task(migrate_up(url))
    done, _ = await asyncio.wait([second], timeout=0.15)
    assert not done
    await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_NUMBER)
    assert len(await asyncio.wait_for(second, 20)) == LAST


async def test_waiting_for_another_migration_has_an_end(
    url: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_S", 0.1)
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_NUMBER)
    with pytest.raises(MigrationFailed, match="Another migration has been running"):
        await migrate_up(url)


async def test_only_what_is_pending_is_applied(url: str, directory: Path) -> None:
    await migrate_up(url, directory=only_first(directory, 2))
    assert await applied(url) == [1, 2]
    done = await migrate_up(url)
    assert [migration.number for migration in done] == list(range(3, LAST + 1))


async def test_data_survive_later_migrations(
    url: str, connection: Connection, directory: Path
) -> None:
    await migrate_up(url, directory=only_first(directory, 2))
    await connection.execute(
        "INSERT INTO accounts (id, owner_id, purpose, currency, posted, created_at) "
        "SELECT gen_random_uuid(), gen_random_uuid(), 'wallet', 'USD', n, now() "
        "FROM generate_series(1, 1000) n"
    )
    await connection.execute(
        "INSERT INTO entries SELECT id, 1, gen_random_uuid(), 3, 'USD', posted, 0, posted, 0, "
        "NULL, now(), NULL, sha256('x') FROM accounts"
    )
    before = [await connection.fetch(f"TABLE {table}") for table in ("accounts", "entries")]
    await migrate_up(url)
    after = [await connection.fetch(f"TABLE {table}") for table in ("accounts", "entries")]
    kept = [[dict(row) for row in rows] for rows in before]
    assert [
        [{name: row[name] for name in old[0]} for row in rows]
        for rows, old in zip(after, kept, strict=True)
    ] == kept


async def test_a_migration_that_fails_leaves_nothing_of_itself_behind(
    url: str, connection: Connection, directory: Path
) -> None:
    (directory / f"{LAST + 1:04}_half.sql").write_text(
        "CREATE TABLE half (id integer); SELECT 1 / 0;"
    )
    with pytest.raises(MigrationFailed, match=f"Migration {LAST + 1:04}_half failed: division"):
        await migrate_up(url, directory=directory)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert await applied(url) == [number for number, _ in SHIPPED]


async def test_the_service_is_granted_the_three_roles_whatever_it_is_called(
    url: str, cluster: Cluster, connection: Connection
) -> None:
    role = f'odd "{uuid4().hex}"'
    quoted = '"' + role.replace('"', '""') + '"'
    await cluster.administer(f"CREATE ROLE {quoted}")
    try:
        await migrate_up(url, service_role=role)
        granted = await connection.fetch(
            "SELECT roleid::regrole::text AS name FROM pg_auth_members m "
            "JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = $1 ORDER BY 1",
            role,
        )
        assert [row["name"] for row in granted] == [
            "wallet_application",
            "wallet_janitor",
            "wallet_verifier",
        ]
    finally:
        await cluster.administer(f"DROP ROLE {quoted}")


# What is refused.


async def test_a_file_that_was_changed_after_it_had_been_applied_is_refused(
    url: str, directory: Path
) -> None:
    await migrate_up(url, directory=directory)
    changed = directory / "0002_ledger.sql"
    changed.write_text(changed.read_text() + "\n-- a harmless remark\n")
    (directory / f"{LAST + 1:04}_more.sql").write_text("CREATE TABLE more (id integer);")
    with pytest.raises(MigrationFailed, match=r"Migration 0002 was changed after"):
        await migrate_up(url, directory=directory)
    with pytest.raises(MigrationFailed, match=r"Migration 0002 was changed after"):
        await status_at(url, directory)
    assert await applied(url) == [number for number, _ in SHIPPED]


async def test_a_database_that_is_newer_than_the_release_is_refused(
    url: str, directory: Path
) -> None:
    (directory / f"{LAST + 1:04}_more.sql").write_text("CREATE TABLE more (id integer);")
    await migrate_up(url, directory=directory)
    with pytest.raises(MigrationFailed, match=f"it has migration {LAST + 1:04}"):
        await migrate_up(url)
    with pytest.raises(MigrationFailed, match="newer than this release"):
        await migrate_down(url)


def test_a_missing_number_is_refused(directory: Path) -> None:
    (directory / "0003_people.sql").unlink()
    with pytest.raises(MigrationFailed, match="not numbered 0001, 0002"):
        read_migrations(directory)


def test_a_number_that_is_there_twice_is_refused(directory: Path) -> None:
    (directory / "0003_again.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationFailed, match="not numbered 0001, 0002"):
        read_migrations(directory)


def test_a_directory_without_migrations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationFailed, match="not numbered 0001, 0002"):
        read_migrations(tmp_path)


async def test_a_database_out_of_reach_is_said_to_be() -> None:
    with pytest.raises(MigrationFailed, match="The database cannot be reached"):
        await migrate_up("postgresql://nobody@127.0.0.1:1/nothing")


# Down.


async def test_the_way_back_is_refused_in_production(url: str) -> None:
    await migrate_up(url)
    with pytest.raises(MigrationFailed, match="not taken back in production"):
        await migrate_down(url, production=True)
    assert await applied(url) == [number for number, _ in SHIPPED]


async def test_the_way_back_is_refused_where_rows_would_go(
    url: str, connection: Connection
) -> None:
    await migrate_up(url)
    await connection.execute(
        "INSERT INTO events VALUES (gen_random_uuid(), gen_random_uuid(), 'x', '{}', now())"
    )
    with pytest.raises(MigrationFailed, match="Table events has rows, which would be lost"):
        await _down_to(url, 4)
    assert await connection.fetchval("SELECT count(*) FROM events") == 1
    assert 5 in await applied(url)


@pytest.mark.parametrize(
    ("number", "table", "insert"),
    [
        (4, "guards", "VALUES ('x', now(), 1)"),
        (3, "user_handles", "VALUES ('x', gen_random_uuid(), now())"),
        (2, "batches", "VALUES (gen_random_uuid(), '{}', '{}', now())"),
    ],
)
async def test_every_table_of_a_migration_is_looked_at_before_it_goes(
    number: int, table: str, insert: str, url: str, connection: Connection, directory: Path
) -> None:
    only_first(directory, number)
    await migrate_up(url, directory=directory)
    await connection.execute(" ".join(["INSERT INTO", table, insert]))
    with pytest.raises(MigrationFailed, match=f"Table {table} has rows"):
        await migrate_down(url, directory=directory)
    assert await applied(url, directory) == list(range(1, number + 1))


async def _down_to(url: str, number: int) -> list[int]:
    taken_back = []
    while (await applied(url) or [0])[-1] > number:
        migration = await migrate_down(url)
        assert migration is not None
        taken_back.append(migration.number)
    return taken_back


async def test_an_empty_database_goes_all_the_way_back_and_up_again(
    url: str, connection: Connection
) -> None:
    await migrate_up(url)
    before = await schema(connection)
    assert await _down_to(url, 0) == list(range(LAST, 0, -1))
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert [row[0] for row in await connection.fetch(tables)] == ["schema_migrations"]
    assert len(await migrate_up(url)) == LAST
    assert await schema(connection) == before


async def test_below_the_first_migration_there_is_no_way_back(url: str) -> None:
    assert await migrate_down(url) is None


async def test_a_migration_without_a_way_back_is_kept(url: str, directory: Path) -> None:
    (directory / f"{LAST + 1:04}_more.sql").write_text("CREATE TABLE more (id integer);")
    await migrate_up(url, directory=directory)
    with pytest.raises(MigrationFailed, match=f"Migration {LAST + 1:04} has no way back"):
        await migrate_down(url, directory=directory)


# Status, and the files themselves.


async def test_status_tells_what_is_applied_and_when(url: str, directory: Path) -> None:
    assert [m.applied_at for m in await status_at(url)] == [None] * LAST
    await migrate_up(url, directory=only_first(directory, 1))
    first, second, *_ = await status_at(url)
    assert (first.number, first.name, second.applied_at) == (1, "roles", None)
    assert first.applied_at is not None


@pytest.mark.parametrize("migration", read_migrations(), ids=lambda migration: migration.name)
def test_every_migration_says_why_and_has_a_way_back(migration: migrations.Migration) -> None:
    assert migration.up.startswith("-- ")
    assert migration.down is not None
