"""The books of a test, once in memory and once on PostgreSQL."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import Cluster
from tests.contracts.books import Books, Shared, _in_memory, _on_postgres, settled
from tests.contracts.office import Office, office_in_memory, office_on_postgres

from wallet.infrastructure.postgres.pool import (
    Connection,
    create_pool,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(cluster: Cluster, template: str) -> AsyncIterator[Shared]:
    name = f"contract_{uuid4().hex}"
    await cluster.administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner")
    superuser_url = re.sub(r"/\w+\?", f"/{name}?", cluster.addresses.superuser_url)
    pool = await create_pool(cluster.url(name), size_max=20)
    try:
        yield Shared(cluster.url(name), superuser_url, pool)
    finally:
        await asyncio.wait_for(pool.close(), 10)
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="session")
async def superuser(shared: Shared) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(shared.superuser_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(params=["memory", "postgres"])
def empty_books(request: pytest.FixtureRequest) -> Books:
    if request.param == "memory":
        return _in_memory()
    return _on_postgres(request.getfixturevalue("shared"))


@pytest.fixture
async def books(empty_books: Books) -> Books:
    """Alice with 100 USD, Bob and Carol with nothing."""
    return await settled(empty_books)


@pytest.fixture(params=["memory", "postgres"])
def office(request: pytest.FixtureRequest) -> Office:
    if request.param == "memory":
        return office_in_memory()
    return office_on_postgres(request.getfixturevalue("postgres_pool"))
