"""The pool lends its connections in the order in which they were asked for."""

import asyncio
from typing import Any

import pytest
from tests.conftest import Database
from tests.nemesis.proxy import Proxy, port_of

from wallet.infrastructure.postgres.pool import FairPool, create_pool


async def pool_of(database: Database, size: int) -> FairPool:
    pool = await create_pool(database.url, size_max=size)
    assert isinstance(pool, FairPool)
    return pool


async def test_whoever_waits_has_a_turn_before_whoever_comes_later(database: Database) -> None:
    pool = await pool_of(database, 1)
    order: list[str] = []

    async def greedy() -> None:
        """Take the connection again as soon as it is given back, like a busy service."""
        for _ in range(20):
            connection = await pool.acquire(timeout=2)
            order.append("greedy")
            await asyncio.sleep(0)
            await pool.release(connection)

    async def patient() -> None:
        connection = await pool.acquire(timeout=2)
        order.append("patient")
        await pool.release(connection)

    busy = [asyncio.create_task(greedy()) for _ in range(3)]
    await asyncio.sleep(0.05)
    while not order:
        await asyncio.sleep(0)
    seen = len(order)
    await asyncio.gather(patient(), *busy)
    # At most the three that were before it in line went first.
    assert order.index("patient") - seen <= 4
    await pool.close()


async def test_64_who_read_at_once_are_all_served_within_their_half_second(
    database: Database,
) -> None:
    pool = await pool_of(database, 2)

    async def read() -> None:
        for _ in range(20):
            async with pool.acquire(timeout=0.5) as connection:
                await connection.fetchval("SELECT 1")

    await asyncio.gather(*(read() for _ in range(64)))
    assert pool.get_size() == 2
    await pool.close()


async def test_waiting_in_line_ends_at_its_deadline_and_costs_nobody_a_turn(
    database: Database,
) -> None:
    pool = await pool_of(database, 1)
    held = await pool.acquire(timeout=1)
    with pytest.raises(TimeoutError):
        await pool.acquire(timeout=0.02)

    async def wait() -> None:
        await pool.acquire(timeout=5)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await pool.release(held)
    for _ in range(3):
        async with pool.acquire(timeout=1) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await pool.close()


async def test_a_connection_that_died_gives_its_turn_back_once(database: Database) -> None:
    pool = await pool_of(database, 1)
    for _ in range(3):
        connection = await pool.acquire(timeout=1)
        connection.terminate()
        await pool.release(connection)
        # Giving it back a second time lends nobody a connection that is not there.
        await pool.release(connection)
    first = await pool.acquire(timeout=1)
    with pytest.raises(TimeoutError):
        await pool.acquire(timeout=0.02)
    await pool.release(first)
    await pool.close()


async def test_a_server_that_cannot_be_reached_takes_no_turn_for_good(database: Database) -> None:
    pool = await create_pool(database.url.replace("/test_", "/no_"), size_min=0, size_max=1)
    for _ in range(3):
        with pytest.raises(Exception, match="does not exist"):
            await pool.acquire(timeout=1)
    await pool.close()


async def test_a_connection_slow_to_make_is_waited_for_longer_than_a_turn(
    database: Database,
) -> None:
    async with Proxy(("127.0.0.1", port_of(database.url))) as proxy:
        pool = await create_pool(proxy.url(database.url), size_min=0, size_max=1)
        proxy.black_hole()

        async def acquire() -> Any:
            return await pool.acquire(timeout=0.1)

        acquiring = asyncio.create_task(acquire())
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.acquire(timeout=0.1), 2)
        await asyncio.sleep(0.3)
        assert not acquiring.done()
        proxy.heal()
        connection = await asyncio.wait_for(acquiring, 2)
        assert await connection.fetchval("SELECT 1") == 1
        await pool.release(connection)
        await pool.close()


async def test_giving_back_a_connection_that_is_cut_off_takes_no_longer_than_it_may(
    database: Database,
) -> None:
    async with Proxy(("127.0.0.1", port_of(database.url))) as proxy:
        pool = await create_pool(proxy.url(database.url), size_max=1)

        async def read() -> None:
            async with pool.acquire(timeout=0.3) as connection:
                await connection.fetchval("SELECT pg_sleep(30)")

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.2)
        proxy.black_hole()
        began_s = asyncio.get_running_loop().time()
        reading.cancel()
        with pytest.raises((asyncio.CancelledError, TimeoutError)):
            await reading
        assert asyncio.get_running_loop().time() - began_s < 1
        proxy.heal()
        await asyncio.wait_for(pool.close(), 10)
