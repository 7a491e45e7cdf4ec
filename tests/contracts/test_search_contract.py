"""What every unit of work promises of searching one's history."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from tests.contracts.books import Books, Shared, _on_postgres, amounts, settled
from tests.stories.world import person, wallet

from wallet.domain.history import Line, Page
from wallet.domain.journal import Kind
from wallet.domain.search import Count, Direction, Search
from wallet.infrastructure.postgres.search import PostgresSearch

EVERYTHING_OLDEST_FIRST = Search(oldest_first=True)


async def tell(books: Books) -> None:
    """Alice gets 100 USD, pays Bob and Carol, gets 500 JPY and pays one with it, is paid back."""
    yen = {"in": "JPY", "meta": "order=4712", "ref": "R-1"}
    await books.world.open(books.alice, "JPY")
    await books.world.open(books.bob, "JPY")
    await books.carry_out(books.pay(1, note="Lunch at Café Ünal"))
    await books.carry_out(books.world.transfer(books.alice, books.carol, 2, {"ref": "R-1"}))
    await books.world.fund(books.alice, 500, "JPY")
    await books.carry_out(books.pay(3, note="100 % under_score", meta="order=4711"))
    await books.carry_out(books.world.transfer(books.alice, books.bob, 400, yen))
    await books.carry_out(books.world.transfer(books.bob, books.alice, 4, {"note": "lunch"}))


@pytest.fixture
async def told(books: Books) -> Books:
    await tell(books)
    return books


async def search(
    books: Books,
    asked: Search,
    limit: int = 50,
    next_versions: Mapping[UUID, int] | None = None,
    name: str | None = None,
) -> Page:
    async with books.unit_of_work() as work:
        return await work.history.search(
            person(name or books.alice), asked, next_versions=next_versions, limit=limit
        )


async def lines_of(books: Books) -> Sequence[Line]:
    return (await books.page(books.alice, 50)).lines


ALL = [4, -400, -3, 500, -2, -1, 100]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (Search(), ALL),
        (EVERYTHING_OLDEST_FIRST, ALL[::-1]),
        (Search(kinds=(Kind.TOP_UP,)), [500, 100]),
        (Search(kinds=(Kind.TRANSFER, Kind.TOP_UP)), ALL),
        (Search(direction=Direction.IN), [4, 500, 100]),
        (Search(direction=Direction.OUT), [-400, -3, -2, -1]),
        (Search(amount_min=3), [4, -400, -3, 500, 100]),
        (Search(amount_max=3), [-3, -2, -1]),
        (Search(amount_min=3, amount_max=100, direction=Direction.OUT), [-3]),
        (Search(currency="JPY"), [-400, 500]),
        (Search(currency="EUR"), []),
        (Search(reference="R-1"), [-400, -2]),
        (Search(reference="R-1", oldest_first=True), [-2, -400]),
        (Search(reference="R-1", currency="JPY"), [-400]),
        (Search(reference="r-1"), []),
        (Search(reference="R-"), []),
        (Search(metadata_key="order"), [-400, -3]),
        (Search(metadata_key="order", metadata_value="4711"), [-3]),
        (Search(metadata_key="order", metadata_value="471"), []),
        (Search(metadata_key="orde"), []),
        (Search(words=("lunch",)), [4, -1]),
        (Search(words=("LUNCH", "caf\u00e9")), [-1]),
        (Search(words=("\u00fcNAL",)), [-1]),
        (Search(words=("lunch", "nothing")), []),
        (Search(words=("%",)), [-3]),
        (Search(words=("r_s",)), [-3]),
        (Search(words=("_",)), [-3]),
        (Search(words=("\\",)), []),
        (Search(words=("lunch",), direction=Direction.IN, amount_max=4), [4]),
    ],
    ids=str,
)
async def test_a_search_finds_what_is_asked_for_and_nothing_else(
    told: Books, asked: Search, found: list[int]
) -> None:
    page = await search(told, asked)
    assert (amounts(page), page.next_versions, page.scanned_to) == (found, None, None)


async def test_a_wallet_and_a_counterparty_are_searched_for(told: Books) -> None:
    yen = Search(wallet_id=wallet(told.alice, "JPY"))
    assert amounts(await search(told, yen)) == [-400, 500]
    bob = Search(counterparty=person(told.bob))
    assert amounts(await search(told, bob)) == [4, -400, -3, -1]
    assert amounts(await search(told, replace(bob, currency="USD"))) == [4, -3, -1]
    assert amounts(await search(told, replace(bob, oldest_first=True))) == [-1, -3, -400, 4]
    assert amounts(await search(told, Search(counterparty=uuid4()))) == []
    assert amounts(await search(told, Search(counterparty="nobody_at_all"))) == []


async def test_the_wallet_of_somebody_else_is_empty_to_a_search(told: Books) -> None:
    bobs = Search(wallet_id=wallet(told.bob, "USD"))
    assert amounts(await search(told, bobs)) == []
    assert amounts(await search(told, Search(), 50, {wallet(told.bob, "USD"): 99})) == []


async def test_a_stretch_of_time_begins_with_its_first_instant_and_ends_before_its_last(
    told: Books,
) -> None:
    lines = await lines_of(told)
    first, last = lines[4].entry.booked_at, lines[1].entry.booked_at
    asked = Search(since=first, until=last)
    assert amounts(await search(told, asked)) == [-3, 500, -2]
    assert amounts(await search(told, replace(asked, oldest_first=True))) == [-2, 500, -3]
    assert amounts(await search(told, Search(since=last))) == [4, -400]
    assert amounts(await search(told, Search(until=first))) == [-1, 100]
    assert amounts(await search(told, Search(since=last, until=first))) == []
    beyond = lines[0].entry.booked_at + timedelta(microseconds=1)
    assert amounts(await search(told, Search(since=beyond))) == []
    assert amounts(await search(told, Search(until=beyond))) == ALL


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_of_a_search_follow_on_each_other(told: Books, oldest_first: bool) -> None:
    asked = Search(amount_max=400, oldest_first=oldest_first)
    found: list[int] = []
    cursor: Mapping[UUID, int] | None = None
    while True:
        page = await search(told, asked, 2, cursor)
        found += amounts(page)
        cursor = page.next_versions
        if cursor is None:
            break
        assert len(page.lines) == 2
    expected = [amount for amount in ALL if abs(amount) <= 400]
    assert found == (expected[::-1] if oldest_first else expected)


async def test_what_is_new_is_on_no_later_page_newest_first_and_on_the_last_oldest_first(
    told: Books,
) -> None:
    newest = await search(told, Search(direction=Direction.OUT), 2)
    oldest = await search(told, Search(direction=Direction.OUT, oldest_first=True), 2)
    await told.carry_out(told.pay(5))
    rest = await search(told, Search(direction=Direction.OUT), 9, newest.next_versions)
    assert amounts(rest) == [-2, -1]
    rest = await search(
        told, Search(direction=Direction.OUT, oldest_first=True), 9, oldest.next_versions
    )
    assert amounts(rest) == [-3, -400, -5]


async def test_lines_are_counted(told: Books) -> None:
    async with told.unit_of_work() as work:
        everything = await work.history.count(person(told.alice), Search())
        some = await work.history.count(person(told.alice), Search(words=("lunch",)))
        referenced = await work.history.count(person(told.alice), Search(reference="R-1"))
        none = await work.history.count(person("nobody"), Search())
    assert everything == Count(7, exact=True)
    assert (some.lines, referenced.lines, none.lines) == (2, 2, 0)


# PostgreSQL only: how far a page looks.


@pytest.fixture
async def on_postgres(shared: Shared) -> Books:
    books = await settled(_on_postgres(shared))
    await tell(books)
    return books


async def walked(
    books: Books, shared: Shared, asked: Search, lines_max: int, limit: int
) -> tuple[list[int], list[datetime]]:
    """Return what all pages of a search find, and how far each has looked that ended early."""
    found: list[int] = []
    scanned: list[datetime] = []
    cursor: Mapping[UUID, int] | None = None
    async with shared.pool.acquire() as connection:
        searching = PostgresSearch(connection, lines_examined_max=lines_max)
        for _ in range(60):
            page = await searching.page(person(books.alice), asked, cursor, limit)
            found += amounts(page)
            scanned += [page.scanned_to] if page.scanned_to else []
            if page.next_versions is None:
                return found, scanned
            cursor = page.next_versions
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("lines_max", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_that_look_at_few_lines_find_the_same_in_the_same_order(
    on_postgres: Books, shared: Shared, lines_max: int, oldest_first: bool
) -> None:
    for seed in range(6):
        random = Random(seed)
        asked = Search(
            direction=random.choice([None, Direction.IN, Direction.OUT]),
            amount_min=random.choice([None, 2, 4]),
            words=random.choice([(), (), ("lunch",)]),
            currency=random.choice([None, None, "USD"]),
            oldest_first=oldest_first,
        )
        whole = amounts(await search(on_postgres, asked))
        found, scanned = await walked(on_postgres, shared, asked, lines_max, 1 + seed)
        assert found == whole, asked
        assert scanned == sorted(scanned, reverse=not oldest_first)


async def test_a_page_that_ends_early_says_how_far_it_has_looked(
    on_postgres: Books, shared: Shared
) -> None:
    asked = Search(kinds=(Kind.TOP_UP,), currency="USD")
    found, scanned = await walked(on_postgres, shared, asked, 2, 50)
    assert found == [100]
    times = [
        line.entry.booked_at for line in await lines_of(on_postgres) if line.entry.currency == "USD"
    ]
    assert scanned == [times[1], times[3]]


async def test_a_reference_of_too_many_lines_is_searched_for_among_all(
    on_postgres: Books, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.infrastructure.postgres.search.REFERENCED_MAX", 1)
    found, scanned = await walked(on_postgres, shared, Search(reference="R-1"), 2, 50)
    assert found == [-400, -2]
    assert scanned


async def test_counting_ends_where_it_would_take_too_long(
    on_postgres: Books, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shared.pool.acquire() as connection:
        searching, alice = PostgresSearch(connection), person(on_postgres.alice)
        monkeypatch.setattr("wallet.infrastructure.postgres.search.COUNT_MAX", 3)
        assert await searching.count(alice, Search()) == Count(3, exact=False)
        assert await searching.count(alice, Search(amount_max=3)) == Count(3, exact=True)
        monkeypatch.setattr("wallet.infrastructure.postgres.search.COUNT_EXAMINED_MAX", 4)
        assert await searching.count(alice, Search(amount_max=3)) == Count(1, exact=False)
