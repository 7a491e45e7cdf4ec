"""The world of the stories, once in memory and once on PostgreSQL."""

import pytest
from tests.fakes.ledger import MemoryStore
from tests.fakes.people import PeopleStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World

from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        store = MemoryStore()
        people = PeopleStore(store.clock)
        return World(lambda: MemoryUnitOfWork(store, people))
    pool = request.getfixturevalue("postgres_pool")
    return World(lambda: PostgresUnitOfWork(pool))
