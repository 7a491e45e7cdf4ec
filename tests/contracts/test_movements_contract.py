"""Lists of movements and refusals, in memory and on PostgreSQL."""

from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from tests.contracts.office import Office
from tests.stories.world import person, wallet

from wallet.domain.accounts import Purpose
from wallet.domain.journal import Kind
from wallet.domain.movements import (
    Movement,
    MovementPlace,
    MovementSearch,
    Refusal,
)
from wallet.infrastructure.identifiers import new_id
from wallet.infrastructure.postgres import movements as on_postgres

STORY = """
    open alice USD
    open bob USD
    open carol USD
    open alice EUR
    open bob EUR
    request alice 1000 as=f1 -> accepted
    settle alice f1 of=1000 -> accepted
    request alice 90 in=EUR as=f2 -> accepted
    settle alice f2 of=90 in=EUR -> accepted
    send alice bob 100 key=k1 note=Lunch -> accepted
    batch send alice bob 1 ; send alice carol 2 ; send bob carol 3 -> accepted, accepted, accepted
    batch send alice bob 4 ; send bob alice 5 -> accepted, accepted
    batch send alice bob 6 in=EUR ; send bob carol 9999 -> accepted, insufficient-funds
    each alice : send alice bob 7 ; send alice carol 8888 -> accepted: accepted, insufficient-funds
    refund k1 of=40 -> accepted
    refund k1 of=70 -> refund-exceeds-transfer
    adjust bob 11 as=a1 -> accepted
    adjust bob -12 as=a2 -> accepted
    approve a1 -> accepted
    freeze carol send -> done
    send carol bob 1 -> wallet-frozen
"""
AMOUNTS = [11, 40, 7, 6, *(4, 5), *(1, 2, 3), 100, 90, 1000]
"""Of what moved, newest first, but for the order within a batch."""


@pytest_asyncio.fixture(loop_scope="session")
async def busy(office: Office) -> Office:
    for name in ("alice", "bob", "carol"):
        await office.add(name)
    await office.world.tell(STORY)
    return office


async def every(office: Office, search: MovementSearch, limit: int) -> list[Movement]:
    """Return all movements that are asked for, page by page."""
    found: list[Movement] = []
    place: MovementPlace | None = None
    for _ in range(200):
        async with office.unit_of_work() as work:
            page = await work.movements.page(search, place=place, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        if page.next_place is None:
            return found
        place = page.next_place
    raise AssertionError("a list without an end")


async def refused(office: Office, search: MovementSearch, limit: int = 2) -> list[Refusal]:
    found: list[Refusal] = []
    place: MovementPlace | None = None
    for _ in range(200):
        async with office.unit_of_work() as work:
            page = await work.movements.refusals(search, place=place, limit=limit)
        found += page.items
        if page.next_place is None:
            return found
        place = page.next_place
    raise AssertionError("a list without an end")


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 12, 50])
@pytest.mark.parametrize("stretches", [(1,), (1, 2), (200, 1_600)])
async def test_everything_that_moved_is_listed_once_whatever_the_page_size(
    busy: Office, limit: int, stretches: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_postgres, "STRETCHES", stretches)
    found = await every(busy, MovementSearch(), limit)
    assert sorted(m.amount for m in found) == sorted(AMOUNTS)
    places = [(m.target.entry.booked_at, m.id) for m in found]
    assert all(newer > older for newer, older in pairwise(places))
    batched = {m.target.entry.booked_at for m in found if m.amount in {1, 2, 3}}
    assert len(batched) == 1  # So pages that end within a batch were among these.


async def test_a_listed_movement_is_the_one_that_is_found_by_its_id(busy: Office) -> None:
    found = await every(busy, MovementSearch(), 50)
    async with busy.unit_of_work() as work:
        for listed in found:
            # An adjustment was booked long after its id was made.
            assert await work.movements.movement(listed.id) == listed
    first = next(m for m in found if m.amount == 100)
    assert (first.refunded, first.details and first.details.note) == (40, "Lunch")
    refund = next(m for m in found if m.kind is Kind.REFUND)
    assert refund.refund_of == first.id
    top_up = found[-1]
    assert (top_up.source.purpose, top_up.source.owner) == (Purpose.FUNDING, None)
    assert top_up.target.owner is not None
    assert top_up.target.owner.handle == "alice"


SEARCHES = [
    (MovementSearch(kinds=(Kind.REFUND, Kind.ADJUSTMENT)), {11, 40}),
    (MovementSearch(kinds=(Kind.TOP_UP,)), {90, 1000}),
    (MovementSearch(currency="EUR"), {6, 90}),
    (MovementSearch(currency="JPY"), set[int]()),
    (MovementSearch(amount_min=40), {40, 90, 100, 1000}),
    (MovementSearch(amount_max=3), {1, 2, 3}),
    (MovementSearch(amount_min=5, amount_max=7, currency="USD"), {5, 7}),
    (MovementSearch(amount_min=9, amount_max=8), set[int]()),
]


@pytest.mark.parametrize("number", range(len(SEARCHES)))
@pytest.mark.parametrize("stretches", [(1, 1), (200,)])
async def test_movements_are_searched(
    busy: Office, number: int, stretches: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_postgres, "STRETCHES", stretches)
    search, amounts = SEARCHES[number]
    for limit in (1, 50):
        assert {m.amount for m in await every(busy, search, limit)} == amounts


async def test_times_bound_a_list_from_the_first_to_before_the_last(busy: Office) -> None:
    found = await every(busy, MovementSearch(), 50)
    at = {m.amount: m.target.entry.booked_at for m in found}
    between = MovementSearch(since=at[1], until=at[7])
    assert {m.amount for m in await every(busy, between, 2)} == {1, 2, 3, 4, 5, 6}
    assert await every(busy, MovementSearch(until=at[1000]), 2) == []
    just_after = at[11] + timedelta(microseconds=1)
    assert await every(busy, MovementSearch(since=just_after), 2) == []
    assert len(await every(busy, MovementSearch(until=just_after), 2)) == len(AMOUNTS)


async def test_new_movements_do_not_disturb_the_pages_that_follow(busy: Office) -> None:
    async with busy.unit_of_work() as work:
        first = await work.movements.page(MovementSearch(), place=None, limit=4)
    await busy.world.tell("send alice bob 13 -> accepted")
    async with busy.unit_of_work() as work:
        rest = await work.movements.page(MovementSearch(), place=first.next_place, limit=50)
    assert sorted(m.amount for m in [*first.items, *rest.items]) == sorted(AMOUNTS)


async def test_refusals_are_listed_with_why_and_for_whom(busy: Office) -> None:
    found = await refused(busy, MovementSearch())
    assert [(r.code, r.amount) for r in found] == [
        ("wallet-frozen", 1),
        ("refund-exceeds-transfer", 70),
        ("insufficient-funds", 8888),
        ("insufficient-funds", 9999),
    ]
    frozen, refund, of_a_batch, _ = found
    assert (frozen.account_id, frozen.owner_id) == (wallet("carol", "USD"), person("carol"))
    assert frozen.counterparty_owner_id == person("bob")
    assert frozen.facts["direction"] == "send"
    assert (refund.kind, of_a_batch.kind) == (Kind.REFUND, Kind.TRANSFER)
    async with busy.unit_of_work() as work:
        for refusal in found:
            assert await work.movements.refusal(refusal.id) == refusal
            assert await work.movements.movement(refusal.id) is None
        for missing in (uuid4(), new_id(), UUID(int=2**128 - 1)):
            assert await work.movements.refusal(missing) is None
        (accepted, *_) = (await work.movements.page(MovementSearch(), place=None, limit=1)).items
        assert await work.movements.refusal(accepted.id) is None


@pytest.mark.parametrize("examined", [1, 2, 5_000])
async def test_refusals_are_searched(
    busy: Office, examined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_postgres, "REFUSALS_EXAMINED_MAX", examined)
    at = {r.amount: r.happened_at for r in await refused(busy, MovementSearch())}
    for search, amounts in (
        (MovementSearch(), {1, 70, 8888, 9999}),
        (MovementSearch(code="insufficient-funds"), {8888, 9999}),
        (MovementSearch(code="insufficient"), set[int]()),
        (MovementSearch(kinds=(Kind.REFUND,)), {70}),
        (MovementSearch(currency="EUR"), set[int]()),
        (MovementSearch(amount_min=70, amount_max=8888), {70, 8888}),
        (MovementSearch(since=at[8888], until=at[1]), {70, 8888}),
    ):
        for limit in (1, 2, 50):
            assert {r.amount for r in await refused(busy, search, limit)} == amounts
