"""Fixtures: a real PostgreSQL, a fresh database for each test, the whole application."""

import asyncio
import fcntl
import io
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from wallet.api.middleware import current_request_id
from wallet.bootstrap.worker import build_application
from wallet.infrastructure.embedded_postgres import EmbeddedAddresses, EmbeddedPostgres
from wallet.infrastructure.postgres.migrations import migrate_up
from wallet.infrastructure.postgres.pool import Pool, create_pool
from wallet.infrastructure.telemetry import Logs, configure_logs
from wallet.settings import Settings


async def room_in_window(needs_s: float, window_s: int = 60) -> None:
    """Wait for the next window of a guard if this one ends within `needs_s` seconds.

    Guards count in fixed windows: a test that runs across the end of one would count anew.
    """
    rest_s = window_s - time.time() % window_s
    if rest_s < needs_s:
        await asyncio.sleep(rest_s + 0.05)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells ignore Ctrl-C for what runs in the background, and all that is started here with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
EMPTY = """
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'schema_migrations'
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END
$$
"""


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


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """Yield a new directory that a PostgreSQL of another user can reach; pytest's are private."""
    directory = Path(tempfile.mkdtemp(prefix="wallet-test-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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
        # Another worker of this run may still be at work: the last one out tidies up.
        if not (directory / "postgres/cluster/data/postmaster.pid").exists():
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def own_database(cluster: Cluster, template: str) -> AsyncIterator[Database]:
    """Yield a migrated database that only this worker of pytest-xdist uses."""
    name = f"test_{uuid4().hex}"
    await cluster.administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner")
    try:
        yield Database(
            name,
            cluster.url(name),
            cluster.url(name, owner=True),
            cluster.addresses.superuser_url.replace("/postgres?", f"/{name}?"),
        )
    finally:
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="session")
async def database(own_database: Database) -> Database:
    """Return the database, emptied: that takes milliseconds, and making one half a second."""
    connection = await asyncpg.connect(own_database.superuser_url)
    try:
        await connection.execute(END_OTHERS)
        await connection.execute(EMPTY)
    finally:
        await connection.close()
    return own_database


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_pool(database: Database) -> AsyncIterator[Pool]:
    """Yield a pool on a fresh database, in the role of the application."""
    pool = await create_pool(database.url, size_max=30)
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), 10)


def settings_of(**given: Any) -> Settings:
    """Return settings as they are by default, whatever this machine's environment says."""
    return Settings(_env_file=None, **given)


@dataclass(frozen=True)
class Service:
    """The whole application on a database of its own, and the log it writes."""

    app: FastAPI
    database: Database
    log: io.BytesIO
    logs: Logs

    def log_text(self) -> str:
        """Return everything logged so far."""
        self.logs.flush()
        return self.log.getvalue().decode()

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
        """Yield an HTTP client that seems to come from an address."""
        transport = httpx.ASGITransport(
            self.app, client=(address, 40_000), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@asynccontextmanager
async def running_service(
    database: Database, directory: Path, settings: Settings, **parts: Any
) -> AsyncIterator[Service]:
    """Run the application in this process."""
    log = io.BytesIO()
    logs = configure_logs(stream=log, request_id=current_request_id)
    app = build_application(
        settings, database_url=database.url, directory=directory, logs=logs, **parts
    )
    async with app.router.lifespan_context(app):
        yield Service(app, database, log, logs)
    logs.close()


@pytest_asyncio.fixture(loop_scope="session")
async def service(database: Database, tmp_path: Path) -> AsyncIterator[Service]:
    """Yield the whole application with its default settings."""
    async with running_service(database, tmp_path, settings_of()) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the whole application."""
    async with service.client() as client:
        yield client
