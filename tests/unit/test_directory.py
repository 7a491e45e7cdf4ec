"""The directory: what never changes, looked up once and for everybody at once."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import pytest

from wallet.application.directory import Directory
from wallet.application.unit_of_work import Interrupted
from wallet.domain.wallets import WalletNotFound

Place = tuple[UUID, str]


class Reading:
    """A unit of work that counts what it is asked for."""

    def __init__(self, known: dict[Place, UUID]) -> None:
        self.known = known
        self.asked: list[Sequence[object]] = []
        self.failures: list[Exception] = []
        self.wallets = self

    def __call__(self) -> Any:
        return self

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0.005)
        if self.failures:
            raise self.failures.pop()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    async def find_many(self, places: Sequence[Place]) -> dict[Place, UUID]:
        self.asked.append(places)
        return {place: self.known[place] for place in places if place in self.known}

    async def default_currencies(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        self.asked.append(ids)
        return {person: code for person, code in self.known if person in ids}


PEOPLE = [uuid4() for _ in range(50)]


@pytest.fixture
def reading() -> Reading:
    return Reading({(person, "USD"): uuid4() for person in PEOPLE})


async def test_many_who_ask_at_once_are_answered_by_one_statement(reading: Reading) -> None:
    directory = Directory(reading)
    found = await asyncio.gather(*(directory.wallet_id(p, "USD") for p in PEOPLE + PEOPLE))
    assert found == [reading.known[p, "USD"] for p in PEOPLE + PEOPLE]
    assert [len(places) for places in reading.asked] == [50]


async def test_whoever_asks_while_a_look_up_is_under_way_joins_the_next_one(
    reading: Reading,
) -> None:
    directory = Directory(reading)
    first = asyncio.create_task(directory.wallet_id(PEOPLE[0], "USD"))
    await asyncio.sleep(0.001)
    rest = [asyncio.create_task(directory.wallet_id(p, "USD")) for p in PEOPLE[1:4]]
    assert await first == reading.known[PEOPLE[0], "USD"]
    assert None not in await asyncio.gather(*rest)
    assert [len(places) for places in reading.asked] == [1, 3]


async def test_what_is_known_is_not_asked_again_and_what_is_missing_is(reading: Reading) -> None:
    directory = Directory(reading)
    nobody = uuid4()
    for _ in range(2):
        found = await directory.wallet_ids([(PEOPLE[0], "USD"), (nobody, "USD")])
        assert found == {(PEOPLE[0], "USD"): reading.known[PEOPLE[0], "USD"]}
    assert reading.asked == [[(PEOPLE[0], "USD"), (nobody, "USD")], [(nobody, "USD")]]
    # A wallet that is opened later is found.
    reading.known[nobody, "USD"] = uuid4()
    assert await directory.wallet_id(nobody, "USD") == reading.known[nobody, "USD"]


async def test_an_outage_reaches_everybody_who_waits_and_nobody_later(reading: Reading) -> None:
    directory = Directory(reading)
    reading.failures = [Interrupted()]
    waiting = [directory.wallet_id(p, "USD") for p in PEOPLE[:3]]
    said = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in said] == [Interrupted] * 3
    assert await directory.wallet_id(PEOPLE[0], "USD") == reading.known[PEOPLE[0], "USD"]


async def test_one_who_goes_away_does_not_end_the_look_up_of_the_others(reading: Reading) -> None:
    directory = Directory(reading)
    leaving = asyncio.create_task(directory.wallet_id(PEOPLE[0], "USD"))
    staying = asyncio.create_task(directory.wallet_id(PEOPLE[1], "USD"))
    await asyncio.sleep(0.001)
    leaving.cancel()
    assert await staying == reading.known[PEOPLE[1], "USD"]


async def test_the_cache_forgets_the_oldest_beyond_its_size(reading: Reading) -> None:
    directory = Directory(reading, cache_size_max=2)
    for person in PEOPLE[:3]:
        await directory.wallet_id(person, "USD")
    await directory.wallet_id(PEOPLE[2], "USD")
    await directory.wallet_id(PEOPLE[0], "USD")
    assert len(reading.asked) == 4


async def test_a_default_currency_is_found_once(reading: Reading) -> None:
    directory = Directory(reading)
    for _ in range(2):
        assert await directory.default_currency(PEOPLE[0]) == "USD"
    assert len(reading.asked) == 1
    with pytest.raises(WalletNotFound):
        await directory.default_currency(uuid4())
