"""Webhooks where transactions meet, on PostgreSQL only."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from uuid import UUID, uuid4

from tests.contracts.books import Books, Shared, _on_postgres, settled
from tests.contracts.test_webhooks_contract import (
    HOLDER,
    NOW,
    added,
    claimed,
    due,
    endpoint_of,
    happen,
    raised,
    released,
    usd,
    with_news,
)
from tests.stories.world import person, wallet

from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.domain.events import Event
from wallet.domain.webhooks import DisabledReason
from wallet.infrastructure.identifiers import new_id


async def alices(shared: Shared) -> Books:
    return await settled(_on_postgres(shared))


async def test_an_event_that_is_rolled_back_leaves_no_gap(shared: Shared) -> None:
    books = await alices(shared)
    await happen(books, books.alice, "user.updated")
    await happen(books, books.alice, "user.updated", commit=False)
    await happen(books, books.alice, "wallet.opened")
    async with books.unit_of_work() as work:
        found = await work.events.after({person(books.alice): 0}, 10)
    assert [(e.version, e.type) for e in found] == [(1, "user.updated"), (2, "wallet.opened")]


async def test_an_event_that_commits_late_has_the_higher_number(shared: Shared) -> None:
    books = await alices(shared)
    async with books.unit_of_work() as work:
        event = Event(new_id(), person(books.alice), "user.updated", {}, NOW)
        await work.events.add(event)
        late = asyncio.create_task(happen(books, books.alice, "wallet.opened"))
        await asyncio.sleep(0.05)
        assert not late.done(), "whoever comes second waits for the number"
        await work.commit()
    await late
    async with books.unit_of_work() as work:
        found = await work.events.after({person(books.alice): 0}, 10)
    assert [e.type for e in found] == ["user.updated", "wallet.opened"]


async def test_an_event_beside_a_new_endpoint_is_found(shared: Shared) -> None:
    """It has its number before the endpoint is there, and is committed after."""
    books = await alices(shared)
    async with books.unit_of_work() as work:
        event = Event(new_id(), person(books.alice), "user.updated", {}, NOW)
        await work.events.add(event)
        endpoint = await added(books)
        await work.commit()
    async with books.unit_of_work() as work:
        look = await work.sendings.look()
    assert person(books.alice) in look.behind
    assert await raised(books, person(books.alice)) == {endpoint.id}


async def test_what_comes_while_a_lease_is_given_back_is_due(shared: Shared) -> None:
    books = await alices(shared)
    endpoint = await with_news(books)
    (cursor,) = await due(books, endpoint)
    async with books.unit_of_work() as work:
        await work.sendings.advance(HOLDER, cursor, 2)
        await work.commit()
    await books.carry_out(books.pay(1))
    async with books.unit_of_work() as work:
        # Noted, and not committed yet: the lease must not be given back as if nothing were due.
        await work.sendings.raise_targets([usd(books)])
        giving_back = asyncio.create_task(released(books, endpoint))
        await asyncio.sleep(0.05)
        assert not giving_back.done()
        await work.commit()
    await giving_back
    assert endpoint.id in await claimed(books)


async def test_two_processes_never_claim_the_same_endpoint(shared: Shared) -> None:
    books = await alices(shared)
    endpoints = {(await added(books)).id for _ in range(10)}
    await books.carry_out(books.pay(1))
    await raised(books, usd(books))

    async def claim(holder: UUID) -> list[UUID]:
        async with books.unit_of_work() as work:
            found = await work.sendings.claim(holder, 3, 30)
            await asyncio.sleep(0.01)
            await work.commit()
        return [endpoint.id for endpoint in found if endpoint.id in endpoints]

    found = await asyncio.gather(*(claim(uuid4()) for _ in range(8)))
    got = [id_ for ids in found for id_ in ids]
    assert len(got) == len(set(got))
    assert set(got) == endpoints


async def one_act(work: UnitOfWork, act: int, endpoint_id: UUID, streams: list[UUID]) -> None:
    """Do one of the things that lock several rows."""
    acts: dict[int, Callable[[], Awaitable[object]]] = {
        0: lambda: work.sendings.raise_targets(streams[:3]),
        1: lambda: work.webhooks.wake(endpoint_id),
        2: lambda: work.webhooks.rewind(endpoint_id, dict.fromkeys(streams, 0)),
        3: lambda: work.webhooks.disable(endpoint_id, DisabledReason.OWNER, NOW),
        4: lambda: work.webhooks.enable(endpoint_id, NOW, skip=streams[0] < streams[1]),
        5: lambda: work.sendings.claim(HOLDER, 4, 30),
        6: lambda: work.sendings.release(HOLDER, endpoint_id),
    }
    if act in acts:
        await acts[act]()
        return
    for cursor in await work.sendings.due(endpoint_id, [], 1):
        if act == 7:
            await work.sendings.advance(HOLDER, cursor, cursor.version + 1)
            await work.sendings.recovered(endpoint_id, NOW)
        else:
            await work.sendings.postpone(HOLDER, cursor, 0, NOW)
            await work.sendings.failing(endpoint_id, NOW)


async def test_everything_at_once_never_ends_in_a_deadlock(shared: Shared) -> None:
    books = await alices(shared)
    streams = [usd(books), person(books.alice)]
    for currency in ("EUR", "GBP", "CHF"):
        await books.world.open(books.alice, currency)
        streams.append(wallet(books.alice, currency))
    endpoints = [await added(books, endpoint_of(books)) for _ in range(4)]
    interrupted: list[str] = []

    async def actor(seed: int) -> None:
        random = Random(seed)
        for _ in range(80):
            some, endpoint = random.sample(streams, len(streams)), random.choice(endpoints)
            try:
                async with books.unit_of_work() as work:
                    await one_act(work, random.randrange(9), endpoint.id, some)
                    await work.commit()
            except Interrupted as error:
                interrupted.append(str(error.__cause__))

    async def payer() -> None:
        for _ in range(30):
            await books.carry_out(books.pay(1))
            await happen(books, books.alice, "user.updated")

    await asyncio.gather(payer(), *(actor(seed) for seed in range(8)))
    assert interrupted == []
