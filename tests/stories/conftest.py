"""The world of the stories, once in memory and once on PostgreSQL."""

import pytest
from tests.fakes.ledger import MemoryStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World

from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        store = MemoryStore()
        return World(lambda: MemoryUnitOfWork(store))
    pool = request.getfixturevalue("postgres_pool")
    return World(lambda: PostgresUnitOfWork(pool))
