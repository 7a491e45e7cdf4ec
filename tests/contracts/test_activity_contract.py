"""What every unit of work promises of history, fundings and wallets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from tests.contracts.books import LATER, USD, Books, amounts, save_payment, waits
from tests.stories.world import person, spoken, wallet

from wallet.domain.accounts import Purpose, system_account_id, system_accounts
from wallet.domain.funding import FundingStatus, funding_id_of
from wallet.domain.journal import Posting
from wallet.domain.ledger import Book, Change, Decision, Header
from wallet.domain.wallets import WalletAlreadyOpen, WalletNotEmpty

# History.


async def pay_each(books: Books, *sums: int) -> None:
    for amount in sums:
        await books.carry_out(books.pay(amount))


async def test_history_is_newest_first_and_cut_at_the_limit(books: Books) -> None:
    await pay_each(books, 1, 2, 3)
    page = await books.page(books.alice, limit=2)
    assert amounts(page) == [-3, -2]
    assert page.next_versions == {wallet(books.alice, "USD"): 3}


async def test_the_last_page_has_no_next_one_even_if_it_is_full(books: Books) -> None:
    await pay_each(books, 1)
    page = await books.page(books.alice, limit=2)
    assert (amounts(page), page.next_versions) == ([-1, 100], None)


async def test_pages_follow_on_each_other_whatever_is_inserted_meanwhile(books: Books) -> None:
    await pay_each(books, 1, 2, 3, 4)
    seen: list[int] = []
    cursor: dict[UUID, int] | None = None
    for _ in range(3):
        page = await books.page(books.alice, 2, cursor)
        seen += amounts(page)
        cursor = dict(page.next_versions or {})
        await pay_each(books, 9)
    assert seen == [-4, -3, -2, -1, 100]


async def with_yen(books: Books) -> None:
    await books.world.open(books.alice, "JPY")
    await books.world.fund(books.alice, 500, "JPY")


async def test_the_lines_of_two_wallets_are_merged_by_time(books: Books) -> None:
    await pay_each(books, 1)
    await with_yen(books)
    await pay_each(books, 2)
    page = await books.page(books.alice)
    assert amounts(page) == [-2, 500, -1, 100]
    assert [line.entry.currency for line in page.lines] == ["USD", "JPY", "USD", "USD"]


async def test_pages_over_two_wallets_show_each_line_once(books: Books) -> None:
    await with_yen(books)
    await pay_each(books, 1, 2)
    await books.world.fund(books.alice, 600, "JPY")
    first = await books.page(books.alice, limit=2)
    second = await books.page(books.alice, 2, dict(first.next_versions or {}))
    third = await books.page(books.alice, 2, dict(second.next_versions or {}))
    assert [amounts(page) for page in (first, second, third)] == [[600, -2], [-1, 500], [100]]
    assert third.next_versions is None


async def test_what_is_new_in_a_wallet_not_shown_yet_is_not_on_a_later_page(
    books: Books,
) -> None:
    await with_yen(books)
    await pay_each(books, 1, 2, 3)
    first = await books.page(books.alice, limit=2)
    await books.world.fund(books.alice, 600, "JPY")
    second = await books.page(books.alice, 10, dict(first.next_versions or {}))
    assert (amounts(first), amounts(second)) == ([-3, -2], [-1, 500, 100])


async def test_what_is_new_in_a_wallet_that_was_empty_is_not_on_a_later_page(
    books: Books,
) -> None:
    await books.world.open(books.alice, "JPY")
    await pay_each(books, 1, 2)
    first = await books.page(books.alice, limit=2)
    await books.world.fund(books.alice, 600, "JPY")
    second = await books.page(books.alice, 10, dict(first.next_versions or {}))
    assert (amounts(first), amounts(second)) == ([-2, -1], [100])


async def test_a_wallet_opened_after_the_first_page_is_on_no_later_one(books: Books) -> None:
    await pay_each(books, 1, 2)
    first = await books.page(books.alice, limit=1)
    await with_yen(books)
    second = await books.page(books.alice, 10, dict(first.next_versions or {}))
    assert amounts(second) == [-1, 100]


async def test_wallets_of_others_in_a_forged_cursor_are_ignored(books: Books) -> None:
    await pay_each(books, 1)
    forged = {wallet(books.alice, "USD"): 99, wallet(books.bob, "USD"): 99, uuid4(): 99}
    assert amounts(await books.page(books.bob, 10, forged)) == [1]
    assert amounts(await books.page(books.carol, 10, forged)) == []


async def test_whoever_has_no_wallet_has_an_empty_history(books: Books) -> None:
    page = await books.page("nobody")
    assert (list(page.lines), page.next_versions) == ([], None)


@dataclass(frozen=True)
class Hold:
    """Sets money aside; the simplest thing that only holds."""

    header: Header
    details: None = None
    funding_id: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        return (self.header.account_id,)

    def decide(self, book: Book) -> Decision:
        return Change((Posting(self.header.account_id, 0, self.header.amount),))


async def test_an_entry_that_only_holds_is_no_line_of_history(books: Books) -> None:
    held = await books.carry_out(Hold(books.pay(40).header))
    assert held.entry is not None
    assert (held.entry.posted_after, held.entry.held_after) == (100, 40)
    assert amounts(await books.page(books.alice)) == [100]


async def test_both_sides_find_their_own_line_and_nobody_else_does(books: Books) -> None:
    payment = books.pay(30, note="lunch")
    await books.carry_out(payment)
    async with books.unit_of_work() as work:
        lines = [
            await work.history.line(person(name), payment.header.id)
            for name in (books.alice, books.bob, books.carol)
        ]
        unknown = await work.history.line(person(books.alice), uuid4())
    assert [line and line.entry.posted_delta for line in lines] == [-30, 30, None]
    assert [line and line.details and line.details.note for line in lines[:2]] == ["lunch"] * 2
    assert unknown is None


# Fundings.


async def test_a_funding_is_found_under_its_own_wallet_only(books: Books) -> None:
    request = books.world.request(books.alice, 10, {"as": "f"})
    await books.carry_out(request)
    id_ = funding_id_of(request.header.id)
    async with books.unit_of_work() as work:
        funding = await work.fundings.get(wallet(books.alice, "USD"), id_)
        assert await work.fundings.get(wallet(books.bob, "USD"), id_) is None
        assert await work.fundings.get(wallet(books.alice, "USD"), uuid4()) is None
    assert funding is not None
    assert (funding.amount, funding.currency, funding.status) == (10, "USD", FundingStatus.PENDING)
    assert (funding.owner_id, funding.source) == (person(books.alice), "sandbox")


async def test_pending_fundings_come_oldest_first_up_to_the_limit(books: Books) -> None:
    for label, amount in [("a", 1), ("b", 2), ("c", 3), ("d", 4)]:
        await books.carry_out(books.world.request(books.alice, amount, {"as": label}))
    await books.carry_out(books.world.settle(books.alice, "b", {"of": "2"}))
    await books.carry_out(books.world.decline(books.alice, "c", {"of": "3"}))
    async with books.unit_of_work() as work:
        everybodys = await work.fundings.pending(before=LATER, after=None, limit=1000)
        one = await work.fundings.pending(before=LATER, after=None, limit=1)
        own = [f for f in everybodys if f.owner_id == person(books.alice)]
        before = await work.fundings.pending(before=own[1].created_at, after=None, limit=1000)
        beyond = await work.fundings.pending(before=LATER, after=own[0], limit=1000)
    assert [f.amount for f in own] == [1, 4]
    assert list(one) == list(everybodys[:1])
    assert own[0] in before
    assert own[1] not in before
    assert (own[0] in beyond, own[1] in beyond) == (False, True)


# Wallets.


async def test_a_person_has_one_wallet_in_a_currency(books: Books) -> None:
    with pytest.raises(WalletAlreadyOpen):
        await books.world.open(books.alice, "USD")
    await books.world.open(books.alice, "JPY")
    async with books.unit_of_work() as work:
        views = await work.wallets.of_owner(person(books.alice))
        assert await work.wallets.find(person(books.alice), "JPY") == wallet(books.alice, "JPY")
        assert await work.wallets.find(person(books.alice), "EUR") is None
        assert await work.wallets.get(person(books.alice), "EUR") is None
    assert [(view.currency, view.posted, view.version) for view in views] == [
        ("JPY", 0, 0),
        ("USD", 100, 1),
    ]


async def test_adding_system_accounts_again_leaves_their_balances_alone(books: Books) -> None:
    id_ = system_account_id(Purpose.FUNDING, "USD", 0)
    async with books.unit_of_work() as work:
        before = (await work.ledger.lock([id_], 0)).accounts[id_].posted
        await work.wallets.add_system_accounts(system_accounts(USD), datetime.now(UTC))
        await work.commit()
    async with books.unit_of_work() as work:
        assert (await work.ledger.lock([id_], 0)).accounts[id_].posted == before
    assert before <= -100


async def close(books: Books, name: str) -> None:
    async with books.unit_of_work() as work:
        await work.wallets.close_all(person(name), datetime.now(UTC))
        await work.commit()


async def test_a_wallet_that_holds_money_is_not_closed(books: Books) -> None:
    with pytest.raises(WalletNotEmpty):
        await close(books, books.alice)


async def test_a_wallet_that_awaits_money_is_not_closed(books: Books) -> None:
    await books.carry_out(books.world.request(books.bob, 10, {"as": "f"}))
    with pytest.raises(WalletNotEmpty):
        await close(books, books.bob)


async def test_a_closed_wallet_says_so_and_takes_no_money(books: Books) -> None:
    await close(books, books.bob)
    async with books.unit_of_work() as work:
        view = await work.wallets.get(person(books.bob), "USD")
    assert view is not None
    assert view.closed_at is not None
    assert spoken(await books.world.carry_out(books.pay(30))) == "wallet-closed"


async def test_closing_waits_for_a_payment_under_way(books: Books) -> None:
    async with books.unit_of_work() as work:
        assert await save_payment(work, books, books.pay(30))
        closing = asyncio.create_task(close(books, books.bob))
        assert await waits(closing)
        await work.commit()
    with pytest.raises(WalletNotEmpty):
        await asyncio.wait_for(closing, 2)


async def test_many_wallets_are_found_as_each_of_them_would_be(books: Books) -> None:
    alice, bob, nobody = (person(name) for name in (books.alice, books.bob, "nobody"))
    places: list[tuple[UUID, str | None]] = [
        (alice, "USD"),
        (alice, "EUR"),
        (bob, "USD"),
        (nobody, "USD"),
        (nobody, None),
    ]
    async with books.unit_of_work() as work:
        each = {place: await work.wallets.get(*place) for place in places}
        found = await work.wallets.get_many(places)
        ids = await work.wallets.find_many([(alice, "USD"), (alice, "EUR"), (nobody, "USD")])
    assert found == {(alice, "USD"): each[alice, "USD"], (bob, "USD"): each[bob, "USD"]}
    assert found[alice, "USD"].posted == 100
    assert ids == {(alice, "USD"): wallet(books.alice, "USD")}
