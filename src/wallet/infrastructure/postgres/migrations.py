"""Migrations: plain SQL files, forward, a transaction each, checked by their SHA-256.

Several starters at once are safe: they poll an advisory lock (waiting in the server would deadlock
with CREATE INDEX CONCURRENTLY), and whoever comes second finds everything applied.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import asyncpg

from wallet.infrastructure.postgres.pool import APPLICATION, JANITOR, VERIFIER, Connection

LOCK_NUMBER = 4_000_001
LOCK_TIMEOUT_S = 60.0
LOCK_POLL_S = 0.05
VERSION_MIN = 150_000
_FILE_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer CONSTRAINT schema_migrations_number_unique PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
APPLIED = "SELECT number, name, sha256, applied_at FROM schema_migrations ORDER BY number"
HAVE_TABLE = "SELECT to_regclass('schema_migrations') IS NOT NULL"
RECORD = "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)"
FORGET = "DELETE FROM schema_migrations WHERE number = $1"
TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'schema_migrations'
ORDER BY c.relname
"""


class MigrationFailed(RuntimeError):
    """The schema could not be brought to where it should be; the message says why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `applied_at` is None while it is pending."""

    number: int
    name: str
    up: str
    down: str | None
    applied_at: datetime | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the forward SQL, in hex."""
        return sha256(self.up.encode()).hexdigest()


def migrations_directory() -> Path:
    """Return where the SQL files are: in the installed package, or in the checkout beside `src`."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def read_migrations(directory: Path | None = None) -> Sequence[Migration]:
    """Return every migration in order; raise `MigrationFailed` if numbers are missing."""
    found: list[Migration] = []
    directory = directory or migrations_directory()
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.match(path.name)
        if match is None:
            continue
        down = path.with_suffix(".down.sql")
        found.append(
            Migration(
                number=int(match[1]),
                name=match[2],
                up=path.read_text(),
                down=down.read_text() if down.exists() else None,
            )
        )
    if [m.number for m in found] != list(range(1, len(found) + 1)) or not found:
        raise MigrationFailed(f"The files in {directory.name}/ are not numbered 0001, 0002, …")
    return found


async def status(connection: Connection, directory: Path | None = None) -> Sequence[Migration]:
    """Return every migration with when it was applied; raise if an applied file has changed."""
    wanted = read_migrations(directory)
    applied = {}
    if await connection.fetchval(HAVE_TABLE):
        applied = {row["number"]: row for row in await connection.fetch(APPLIED)}
    result = []
    for migration in wanted:
        row = applied.pop(migration.number, None)
        if row is not None and row["sha256"] != migration.digest:
            raise MigrationFailed(
                f"Migration {migration.number:04} was changed after it had been applied."
            )
        result.append(
            Migration(
                migration.number,
                migration.name,
                migration.up,
                migration.down,
                row["applied_at"] if row is not None else None,
            )
        )
    if applied:
        raise MigrationFailed(
            f"The database is newer than this release: it has migration {max(applied):04}."
        )
    return result


async def status_at(url: str, directory: Path | None = None) -> Sequence[Migration]:
    """Return the same for the database at `url`; raise `MigrationFailed` if it is out of reach."""
    connection = await _connect(url)
    try:
        return await status(connection, directory)
    finally:
        await connection.close()


async def migrate_up(
    url: str, *, directory: Path | None = None, service_role: str | None = None
) -> Sequence[Migration]:
    """Apply what is pending, as the owner; return what was applied.

    `service_role` is the log-in role of the service, if it is not the owner itself: it is granted
    the three group roles. Raises `MigrationFailed`.
    """
    connection = await _connect(url)
    try:
        async with asyncio.timeout(LOCK_TIMEOUT_S):
            # Waiting inside the server would deadlock with an index that is built concurrently.
            while not await connection.fetchval(TRY_LOCK, LOCK_NUMBER):  # noqa: ASYNC110
                await asyncio.sleep(LOCK_POLL_S)
        done = await _apply_pending(connection, directory)
        if service_role is not None:
            await _grant(connection, service_role)
        return done
    except TimeoutError as error:
        raise MigrationFailed("Another migration has been running for a minute.") from error
    except asyncpg.PostgresError as error:
        raise MigrationFailed(
            f"The schema cannot be migrated: {error}. Is WALLET_DATABASE_OWNER_URL the owner's?"
        ) from error
    finally:
        await connection.close()


async def _apply_pending(connection: Connection, directory: Path | None) -> Sequence[Migration]:
    await connection.execute(CREATE_TABLE)
    done = []
    for migration in await status(connection, directory):
        if migration.applied_at is not None:
            continue
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                await connection.execute(migration.up)
                await connection.execute(RECORD, migration.number, migration.name, migration.digest)
        except asyncpg.PostgresError as error:
            raise MigrationFailed(
                f"Migration {migration.number:04}_{migration.name} failed: {error}"
            ) from error
        done.append(migration)
    return done


async def migrate_down(
    url: str, *, directory: Path | None = None, production: bool = False
) -> Migration | None:
    """Take the last migration back, in development only; return it, or None if there is none.

    Raises `MigrationFailed` in production, where there is no way back, and where rows would go.
    """
    if production:
        raise MigrationFailed("Migrations are not taken back in production.")
    connection = await _connect(url)
    try:
        applied = [m for m in await status(connection, directory) if m.applied_at is not None]
        if not applied:
            return None
        last = applied[-1]
        if last.down is None:
            raise MigrationFailed(f"Migration {last.number:04} has no way back.")
        async with connection.transaction():
            await _refuse_to_lose_rows(connection, last.down)
            await connection.execute(last.down)
            await connection.execute(FORGET, last.number)
        return last
    finally:
        await connection.close()


async def _refuse_to_lose_rows(connection: Connection, down: str) -> None:
    """Raise if a table that the way back would drop or cut has rows; the table is locked first."""
    named = set(re.findall(r"[a-z_]+", down))
    for row in await connection.fetch(TABLES):
        table = row["relname"]
        if table not in named:
            continue
        await connection.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')
        if await connection.fetchval(f'SELECT EXISTS (SELECT FROM "{table}")'):  # noqa: S608
            raise MigrationFailed(f"Table {table} has rows, which would be lost.")


async def _grant(connection: Connection, service_role: str) -> None:
    quoted = '"' + service_role.replace('"', '""') + '"'
    await connection.execute(f"GRANT {APPLICATION}, {VERIFIER}, {JANITOR} TO {quoted}")


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise MigrationFailed(f"The database cannot be reached: {error}") from error
    if int(connection.get_server_version().major) * 10_000 < VERSION_MIN:
        await connection.close()
        raise MigrationFailed("PostgreSQL 15 or newer is needed.")
    return connection
