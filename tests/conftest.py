"""Fixtures: a real PostgreSQL, a fresh database for each test, the whole application."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from wallet.infrastructure.embedded_postgres import EmbeddedAddresses, EmbeddedPostgres
from wallet.infrastructure.postgres.migrations import migrate_up
from wallet.infrastructure.postgres.pool import Pool, create_pool


@dataclass(frozen=True)
class Cluster:
    """The test run's server: one for all workers of pytest-xdist."""

    addresses: EmbeddedAddresses
    directory: Path

    def url(self, database: str, *, owner: bool = False) -> str:
        url = self.addresses.owner_url if owner else self.addresses.service_url
        return url.replace("/wallet?", f"/{database}?")

    async def administer(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.addresses.superuser_url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


def _run_directory() -> Path:
    """Return a directory that all workers of this run share and that the server can reach."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"alone-{os.getpid()}"
    directory = Path(tempfile.gettempdir()) / f"wallet-tests-{run}"
    directory.mkdir(mode=0o755, exist_ok=True)
    directory.chmod(0o755)
    return directory


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    directory = _run_directory()
    embedded = EmbeddedPostgres(
        directory / "postgres",
        parameters={"max_connections": "200", "shared_buffers": "128MB"},
    )
    addresses = embedded.start()
    try:
        yield Cluster(addresses, directory)
    finally:
        embedded.stop()
        if embedded.postmaster_pid is None:
            shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(cluster: Cluster) -> str:
    """Return the name of a migrated, empty database to copy."""
    name = "template_of_tests"
    with (cluster.directory / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        await _make_template(cluster, name)
    return name


async def _make_template(cluster: Cluster, name: str) -> None:
    connection = await asyncpg.connect(cluster.addresses.superuser_url)
    try:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return
        await connection.execute(f"CREATE DATABASE {name}_new OWNER wallet_owner")
        await migrate_up(cluster.url(f"{name}_new", owner=True), service_role="wallet_service")
        await connection.execute(f"ALTER DATABASE {name}_new RENAME TO {name}")
    finally:
        await connection.close()


@dataclass(frozen=True)
class Database:
    """A migrated, empty database of one test."""

    name: str
    url: str
    owner_url: str
    superuser_url: str


@pytest_asyncio.fixture(loop_scope="session")
async def database(cluster: Cluster, template: str) -> AsyncIterator[Database]:
    name = f"test_{uuid4().hex}"
    await cluster.administer(
        f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner STRATEGY file_copy"
    )
    superuser_url = cluster.addresses.superuser_url
    try:
        yield Database(
            name,
            cluster.url(name),
            cluster.url(name, owner=True),
            superuser_url.replace(superuser_url.split("?")[0].rsplit("/", 1)[1] + "?", f"{name}?"),
        )
    finally:
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_pool(database: Database) -> AsyncIterator[Pool]:
    """Yield a pool on a fresh database, in the role of the application."""
    pool = await create_pool(database.url, size_max=30)
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), 10)
