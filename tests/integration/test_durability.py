"""Acknowledged means durable: a server that may lose a commit is found at start-up."""

import asyncpg
import pytest
from tests.conftest import Database

from wallet.infrastructure.postgres.durability import NotDurable, check_durability


async def test_a_server_that_keeps_its_word_is_taken(database: Database) -> None:
    assert await check_durability(database.url, required=True) == []


async def test_production_refuses_a_server_that_acknowledges_before_it_has_written(
    database: Database,
) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    alter = f'ALTER ROLE wallet_service IN DATABASE "{database.name}"'
    try:
        await connection.execute(f"{alter} SET synchronous_commit = off")
        assert await check_durability(database.url, required=False) == ["synchronous_commit"]
        with pytest.raises(NotDurable, match="synchronous_commit"):
            await check_durability(database.url, required=True)
    finally:
        await connection.execute(f"{alter} RESET synchronous_commit")
        await connection.close()
    assert await check_durability(database.url, required=True) == []
