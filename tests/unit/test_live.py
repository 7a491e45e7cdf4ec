"""The hub of live streams: each entry once, in order, whatever gets lost or is slow."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.fakes.ledger import MemoryStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, person, wallet

from wallet.application import live
from wallet.application.live import LiveHub, Stream, StreamEnded
from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.domain.history import Line
from wallet.domain.live import (
    LastEventIdInvalid,
    StreamsExhausted,
    TooManyStreams,
    positions_of,
)
from wallet.domain.sessions import Principal
from wallet.domain.wallets import WalletNotFound

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FAR = NOW + timedelta(minutes=15)
ALICE, BOB = wallet("alice", "USD"), wallet("bob", "USD")


class Town:
    """A hub on an in-memory ledger, and a hand that moves money and hints of it, or not."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.world = World(lambda: MemoryUnitOfWork(self.store))
        self.now = NOW
        self.revoked: set[UUID] = set()
        self.outages = 0
        self.errors: list[BaseException] = []
        self.hub = LiveHub(
            unit_of_work=self.unit_of_work,
            clock=lambda: self.now,
            report=self.errors.append,
            is_revoked=self.revoked.__contains__,
            streams_max=20,
        )

    def unit_of_work(self) -> UnitOfWork:
        if self.outages:
            self.outages -= 1
            raise Interrupted
        return MemoryUnitOfWork(self.store)

    async def pay(self, *amounts: int, hint: bool = True) -> None:
        for amount in amounts:
            await self.world.carry_out(self.world.transfer("alice", "bob", amount))
        if hint:
            self.hint()

    def hint(self) -> None:
        self.hub.hint({id_: len(entries) for id_, entries in self.store.entries.items()})

    async def watch(
        self, name: str = "bob", *seen: str, only: Sequence[UUID] | None = None
    ) -> Stream:
        principal = Principal(person(name), uuid4())
        return await self.hub.open(principal, FAR, wallet_ids=only, seen=positions_of(seen))


async def told(stream: Stream, count: int) -> list[int]:
    """Return the next amounts of a stream, which must come without a gap."""
    lines: list[Line] = []
    async with asyncio.timeout(5):
        while len(lines) < count:
            lines += await stream.next()
    versions: dict[UUID, int] = {}
    for line in lines:
        entry = line.entry
        assert versions.get(entry.account_id, entry.version - 1) == entry.version - 1
        versions[entry.account_id] = entry.version
    return [line.entry.posted_delta for line in lines]


async def is_silent(stream: Stream) -> bool:
    try:
        async with asyncio.timeout(0.05):
            await stream.next()
    except TimeoutError:
        return True
    return False


@pytest.fixture
async def town() -> "Town":
    town = Town()
    for name in ("alice", "bob"):
        await town.world.open(name, "USD")
    await town.world.fund("alice", 10_000)
    return town


@pytest.fixture
async def fed(town: Town) -> AsyncIterator[Town]:
    """A town whose hub runs."""
    task = asyncio.create_task(town.hub.run())
    yield town
    task.cancel()
    await asyncio.wait([task])


async def test_what_is_booked_reaches_everybody_who_watches_and_nobody_else(fed: Town) -> None:
    first, second, alice = await fed.watch(), await fed.watch(), await fed.watch("alice")
    await fed.pay(1, 2)
    assert await told(first, 2) == [1, 2]
    assert await told(second, 2) == [1, 2]
    assert await told(alice, 2) == [-1, -2]
    assert await is_silent(first)


async def test_a_stream_begins_with_what_is_booked_from_now_on(fed: Town) -> None:
    await fed.pay(1, 2)
    stream = await fed.watch()
    assert await is_silent(stream)
    await fed.pay(3)
    assert await told(stream, 1) == [3]


async def test_a_stream_goes_on_behind_the_last_event_that_was_seen(fed: Town) -> None:
    await fed.pay(1, 2, 3)
    stream = await fed.watch("bob", f"{BOB}:1")
    assert await told(stream, 2) == [2, 3]
    await fed.pay(4)
    assert await told(stream, 1) == [4]


async def test_what_is_booked_between_reading_the_balances_and_watching_is_not_missed(
    fed: Town,
) -> None:
    stream = await fed.watch()
    await fed.pay(1, hint=False)
    assert await told(stream, 1) == [1]


async def test_a_lost_hint_is_found_by_looking(fed: Town) -> None:
    stream = await fed.watch()
    assert await is_silent(stream)
    await fed.pay(1, 2, hint=False)
    assert await is_silent(stream)
    await fed.hub.look()
    assert await told(stream, 2) == [1, 2]
    await fed.hub.look()
    assert await is_silent(stream)


async def test_hints_may_come_late_twice_and_in_any_order(fed: Town) -> None:
    stream = await fed.watch()
    assert await is_silent(stream)
    await fed.pay(1, 2, 3)
    fed.hub.hint({BOB: 1})
    fed.hub.hint({BOB: 3, uuid4(): 9})
    assert await told(stream, 3) == [1, 2, 3]
    fed.hub.hint({BOB: 2})
    assert await is_silent(stream)


async def test_whoever_does_not_keep_up_misses_nothing_and_holds_little(
    fed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PENDING_MAX", 3)
    monkeypatch.setattr(live, "PAGE", 2)
    stream, quick = await fed.watch(), await fed.watch()
    assert await is_silent(stream)
    assert await is_silent(quick)
    for amount in range(1, 31):
        await fed.pay(amount)
        assert await told(quick, 1) == [amount]
    assert len(stream._pending) <= 3
    assert await told(stream, 30) == list(range(1, 31))
    await fed.pay(31)
    assert await told(stream, 1) == [31]


async def test_a_burst_larger_than_a_page_comes_whole(
    fed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAGE", 4)
    stream = await fed.watch()
    assert await is_silent(stream)
    await fed.pay(*range(1, 23))
    assert await told(stream, 22) == list(range(1, 23))


async def test_an_outage_is_outlived(fed: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.01)
    stream = await fed.watch()
    assert await is_silent(stream)
    fed.outages = 3
    await fed.pay(1)
    assert await told(stream, 1) == [1]
    late = await fed.watch("bob", f"{BOB}:0")
    fed.outages = 3
    assert await told(late, 1) == [1]
    assert fed.errors == []


async def test_some_wallets_can_be_watched(fed: Town) -> None:
    await fed.world.open("bob", "JPY")
    stream = await fed.watch("bob", only=[wallet("bob", "JPY")])
    await fed.pay(1)
    assert await is_silent(stream)
    with pytest.raises(WalletNotFound):
        await fed.watch("bob", only=[ALICE])


@pytest.mark.parametrize(
    "seen", ["x", f"{BOB}", f"{BOB}:", f"{BOB}:-1", f"{BOB}:\u0661", f"{BOB}:1,", "1:2", f"{BOB}:5"]
)
async def test_a_last_event_id_that_cannot_be_is_refused(fed: Town, seen: str) -> None:
    await fed.pay(1, 2)
    with pytest.raises(LastEventIdInvalid):
        await fed.watch("bob", seen)


async def test_the_last_event_id_of_somebody_else_is_refused(fed: Town) -> None:
    with pytest.raises(LastEventIdInvalid):
        await fed.watch("bob", f"{ALICE}:0")


async def test_a_stream_ends_when_its_token_does_unless_it_is_extended(town: Town) -> None:
    stream, extended = await town.watch(), await town.watch()
    extended.extend(FAR + timedelta(minutes=5))
    town.now = FAR
    await town.hub.look()
    with pytest.raises(StreamEnded, match="token-expired"):
        await stream.next()
    assert await is_silent(extended)


async def test_a_stream_ends_when_its_session_is_revoked(town: Town) -> None:
    stream = await town.watch()
    town.revoked.add(stream.principal.session_id)
    await town.hub.look()
    with pytest.raises(StreamEnded, match="session-revoked"):
        await stream.next()


async def test_closing_ends_all_streams_and_opens_no_more(town: Town) -> None:
    stream = await town.watch()
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0.01)
    town.hub.close()
    with pytest.raises(StreamEnded, match="closing"):
        await waiting
    with pytest.raises(StreamsExhausted):
        await town.watch()


async def test_nobody_has_too_many_streams_and_a_closed_one_makes_room(town: Town) -> None:
    streams = [await town.watch() for _ in range(5)]
    with pytest.raises(TooManyStreams):
        await town.watch()
    town.hub.close_stream(streams[0])
    town.hub.close_stream(streams[0])
    await town.watch()
    for stream in streams[1:]:
        town.hub.close_stream(stream)
    assert (town.hub.streams_count, town.hub.is_watched) == (1, True)


async def test_a_process_keeps_so_many_streams_and_no_more(town: Town) -> None:
    names = [f"person{number}" for number in range(5)]
    for name in names:
        await town.world.open(name, "USD")
    for number in range(20):
        await town.watch(names[number % 4])
    with pytest.raises(StreamsExhausted):
        await town.watch(names[4])


async def test_few_may_wait_without_having_said_who_they_are(town: Town) -> None:
    with town.hub.admitted(1), pytest.raises(StreamsExhausted), town.hub.admitted(1):
        pass
    with town.hub.admitted(1):
        pass


async def test_reading_for_a_stream_can_be_cancelled_without_losing_anything(fed: Town) -> None:
    await fed.pay(1, 2)
    stream = await fed.watch("bob", f"{BOB}:0")
    fed.outages = 1
    task = asyncio.create_task(stream.next())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert await told(stream, 2) == [1, 2]
