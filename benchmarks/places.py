"""Where it is measured: a PostgreSQL of the benchmark's own, a fresh database each round."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from benchmarks.books import Bookkeeper, Plan
from benchmarks.loading import load
from wallet.application.verification import verify
from wallet.infrastructure.embedded_postgres import EmbeddedAddresses, EmbeddedPostgres
from wallet.infrastructure.postgres.migrations import migrate_up
from wallet.infrastructure.postgres.verification import snapshot

IN_MEMORY = frozenset({"tmpfs", "ramfs"})


class BenchmarkFailed(RuntimeError):
    """A figure of this run would be worthless; the message says why."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the place: for the service, and for its owner."""

    name: str
    url: str
    owner_url: str


@dataclass(frozen=True, slots=True)
class Template:
    """A database that is only ever copied, and the books in it."""

    name: str
    books: Bookkeeper


@dataclass(frozen=True)
class Place:
    """A running PostgreSQL with the service's own parameters, in a directory of its own."""

    directory: Path
    addresses: EmbeddedAddresses
    postmaster_pid: int

    def database(self, name: str) -> Database:
        """Return where a database of this place is."""
        service, owner = self.addresses.service_url, self.addresses.owner_url
        return Database(
            name, service.replace("/wallet?", f"/{name}?"), owner.replace("/wallet?", f"/{name}?")
        )

    def administer(self, *statements: str) -> None:
        """Run statements as the superuser, each on its own."""
        asyncio.run(_execute(self.addresses.superuser_url, statements))

    def make_template(self, name: str, plan: Plan) -> Template:
        """Make books of a plan in a new database."""
        books = Bookkeeper(plan, datetime.now(UTC))
        self.administer(f"CREATE DATABASE {name} OWNER wallet_owner")
        asyncio.run(_fill(self.database(name).owner_url, books))
        return Template(name, books)

    @contextmanager
    def copy_of(self, template: Template, name: str = "measured") -> Iterator[Database]:
        """Yield a fresh copy of a template, after a checkpoint; it is dropped again."""
        self.administer(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {template.name} OWNER wallet_owner",
            "CHECKPOINT",
        )
        try:
            yield self.database(name)
        finally:
            self.administer(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def place(directory: Path | None = None) -> Iterator[Place]:
    """Yield a new PostgreSQL on disk; everything of it is gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="wallet-benchmark-", dir=directory))
    made.chmod(0o755)  # As root, the server is another user and must get through here.
    try:
        _require_disk(made)
        with EmbeddedPostgres(made / "postgres") as embedded:
            pid = embedded.postmaster_pid
            if pid is None:
                raise BenchmarkFailed("PostgreSQL died as soon as it had started.")
            yield Place(made, embedded.addresses, pid)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def require_intact(database: Database) -> int:
    """Verify the books as `wallet verify` does; return how many entries they have.

    Raises `BenchmarkFailed`: what was measured on broken books counts for nothing.
    """
    return asyncio.run(_verified(database))


async def _verified(database: Database) -> int:
    # What a minute of load has made of the tables, autovacuum has not told the planner yet.
    await _execute(database.owner_url, ("ANALYZE",))
    async with snapshot(database.url) as books:
        report = await verify(books)
    if not report.intact:
        first = "; ".join(map(str, report.violations[:3]))
        raise BenchmarkFailed(f"The books of {database.name} are not intact: {first}")
    return report.entries


async def _fill(owner_url: str, books: Bookkeeper) -> None:
    await migrate_up(owner_url, service_role="wallet_service")
    await load(owner_url, books)


async def _execute(url: str, statements: Sequence[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _require_disk(directory: Path) -> None:
    """Refuse a directory in memory: a sync that costs nothing would flatter everybody."""
    if os.uname().sysname != "Linux":
        return
    found = subprocess.run(  # noqa: S603 - fixed arguments and a path of our own
        ["/usr/bin/stat", "-f", "-c", "%T", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.stdout.strip() in IN_MEMORY:
        raise BenchmarkFailed(f"{directory} is in memory: name a --directory on a disk.")
