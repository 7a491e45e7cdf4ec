"""What every unit of work over the books promises: one suite for memory and for PostgreSQL."""

import ast
import asyncio
import importlib
import json
import os
import pkgutil
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import Cluster
from tests.fakes.ledger import MemoryStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, person, spoken, wallet

from wallet.application.unit_of_work import Interrupted, UnitOfWork, UnitOfWorkFactory
from wallet.domain.accounts import Account, Freeze, Purpose, system_account_id, system_accounts
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.funding import FundingStatus, funding_id_of
from wallet.domain.history import Page
from wallet.domain.journal import Details, Posting
from wallet.domain.ledger import Book, Change, Decision, Header, Instruction, Outcome
from wallet.domain.money import Currency
from wallet.domain.transfers import CreateTransfer
from wallet.domain.wallets import WalletAlreadyOpen, WalletNotEmpty
from wallet.infrastructure import postgres
from wallet.infrastructure.postgres.migrations import CREATE_TABLE
from wallet.infrastructure.postgres.pool import (
    JANITOR,
    VERIFIER,
    Connection,
    Deadlines,
    Pool,
    create_pool,
)
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.postgres.verification import CROSS_CHECKS

USD = Currency("USD")
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shared:
    """The one database of this module; every test brings people of its own."""

    url: str
    superuser_url: str
    pool: Pool


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(cluster: Cluster, template: str) -> AsyncIterator[Shared]:
    name = f"contract_{uuid4().hex}"
    await cluster.administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner")
    superuser_url = re.sub(r"/\w+\?", f"/{name}?", cluster.addresses.superuser_url)
    pool = await create_pool(cluster.url(name), size_max=20)
    try:
        yield Shared(cluster.url(name), superuser_url, pool)
    finally:
        await asyncio.wait_for(pool.close(), 10)
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(loop_scope="session")
async def superuser(shared: Shared) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(shared.superuser_url)
    try:
        yield connection
    finally:
        await connection.close()


@dataclass
class Books:
    """The unit of work under test, people of this test alone, and a hand that sets a freeze."""

    unit_of_work: UnitOfWorkFactory
    adjust: Callable[[UUID, int, Freeze], Awaitable[None]]
    suffix: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self.world = World(self.unit_of_work)
        self.alice, self.bob, self.carol = (
            f"{name}-{self.suffix}" for name in ("alice", "bob", "carol")
        )

    def ids(self, *names: str, currency: str = "USD") -> list[UUID]:
        return sorted((wallet(name, currency) for name in names), key=lambda id_: id_.int)

    def pay(self, amount: int = 30, **options: str) -> CreateTransfer:
        return self.world.transfer(self.alice, self.bob, amount, options)

    async def carry_out(self, instruction: Instruction) -> Outcome:
        result = await self.world.carry_out(instruction)
        assert isinstance(result, Outcome), result
        return result

    async def stored(self, header: Header) -> Outcome:
        async with self.unit_of_work() as work:
            return (await work.ledger.outcomes([header.key]))[header.key]

    async def page(
        self, name: str, limit: int = 10, before_versions: dict[UUID, int] | None = None
    ) -> Page:
        async with self.unit_of_work() as work:
            return await work.history.page(
                person(name), before_versions=before_versions, limit=limit
            )

    async def locked(self, *names: str) -> Book:
        async with self.unit_of_work() as work:
            return await work.ledger.lock(self.ids(*names), 0)


@pytest.fixture(params=["memory", "postgres"])
def empty_books(request: pytest.FixtureRequest) -> Books:
    if request.param == "memory":
        return _in_memory()
    return _on_postgres(request.getfixturevalue("shared"))


@pytest.fixture
async def books(empty_books: Books) -> Books:
    """Alice with 100 USD, Bob and Carol with nothing."""
    return await settled(empty_books)


async def settled(books: Books) -> Books:
    for name in (books.alice, books.bob, books.carol):
        await books.world.open(name, "USD")
    await books.world.fund(books.alice, 100)
    return books


def _in_memory() -> Books:
    store = MemoryStore()

    async def adjust(account_id: UUID, floor: int, freeze: Freeze) -> None:
        store.accounts[account_id].floor = floor
        store.accounts[account_id].freeze = freeze

    return Books(lambda: MemoryUnitOfWork(store), adjust)


def _on_postgres(shared: Shared) -> Books:
    async def adjust(account_id: UUID, floor: int, freeze: Freeze) -> None:
        await shared.pool.execute(
            "UPDATE accounts SET floor = $2, frozen = $3 WHERE id = $1", account_id, floor, freeze
        )

    return Books(lambda: PostgresUnitOfWork(shared.pool), adjust)


async def waits(task: "asyncio.Task[object]") -> bool:
    done, _ = await asyncio.wait([task], timeout=0.05)
    return not done


async def save_payment(work: UnitOfWork, books: Books, *payments: Instruction) -> bool:
    ids = {id_ for payment in payments for id_ in payment.account_ids(0)}
    book = await work.ledger.lock(sorted(ids, key=lambda id_: id_.int), 0)
    book.decide(payments)
    return await work.ledger.save(book)


def amounts(page: Page) -> list[int]:
    return [line.entry.posted_delta for line in page.lines]


# Locks.


async def test_locking_returns_the_accounts_there_are_and_leaves_out_the_others(
    books: Books,
) -> None:
    book = await books.locked(books.alice, books.bob, "nobody")
    assert sorted(book.accounts, key=lambda id_: id_.int) == books.ids(books.alice, books.bob)


async def test_a_locked_account_shows_floor_freeze_and_balances(books: Books) -> None:
    await books.adjust(wallet(books.alice, "USD"), -50, Freeze.BOTH)
    account = (await books.locked(books.alice)).accounts[wallet(books.alice, "USD")]
    assert (account.posted, account.held, account.version) == (100, 0, 1)
    assert (account.floor, account.freeze, account.closed) == (-50, Freeze.BOTH, False)
    assert (account.purpose, account.owner_id) == (Purpose.WALLET, person(books.alice))


async def test_whoever_locks_second_waits_and_then_sees_what_the_first_one_did(
    books: Books,
) -> None:
    async with books.unit_of_work() as first:
        assert await save_payment(first, books, books.pay(30))
        second = asyncio.create_task(books.locked(books.alice))
        assert await waits(second)
        await first.commit()
    account = (await asyncio.wait_for(second, 2)).accounts[wallet(books.alice, "USD")]
    assert (account.posted, account.version) == (70, 2)


async def test_a_lock_is_free_again_after_a_rollback(books: Books) -> None:
    async with books.unit_of_work() as first:
        await save_payment(first, books, books.pay(30))
    account = (await asyncio.wait_for(books.locked(books.alice), 2)).accounts
    assert account[wallet(books.alice, "USD")].posted == 100


async def test_other_accounts_do_not_wait(books: Books) -> None:
    async with books.unit_of_work() as first:
        await first.ledger.lock(books.ids(books.alice, books.bob), 0)
        await asyncio.wait_for(books.locked(books.carol), 1)


async def test_peeking_waits_for_nobody(books: Books) -> None:
    async with books.unit_of_work() as first:
        await first.ledger.lock(books.ids(books.alice), 0)
        async with books.unit_of_work() as second:
            book = await asyncio.wait_for(second.ledger.peek(books.ids(books.alice), 0), 1)
            assert book.accounts[wallet(books.alice, "USD")].posted == 100


async def test_locks_asked_for_in_opposite_orders_do_not_deadlock(books: Books) -> None:
    ids = books.ids(books.alice, books.bob, books.carol)

    async def lock(order: Sequence[UUID]) -> None:
        async with books.unit_of_work() as work:
            await work.ledger.lock(order, 0)
            await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await asyncio.gather(*(lock(order) for order in [ids, ids[::-1]] * 15))


async def test_a_batch_is_not_booked_before_an_earlier_entry(books: Books) -> None:
    first = (await books.carry_out(books.pay(1))).booked_at
    second = (await books.carry_out(books.pay(1))).booked_at
    assert second >= first


# Rollback.


async def test_an_exception_inside_rolls_back(books: Books) -> None:
    payment = books.pay(30)

    async def fall_over() -> None:
        async with books.unit_of_work() as work:
            await save_payment(work, books, payment)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fall_over()
    assert not (await books.carry_out(payment)).replayed


async def test_being_cancelled_inside_rolls_back_and_frees_the_locks(books: Books) -> None:
    payment = books.pay(30)
    saved = asyncio.Event()

    async def hang() -> None:
        async with books.unit_of_work() as work:
            await save_payment(work, books, payment)
            saved.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.wait_for(saved.wait(), 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (await asyncio.wait_for(books.carry_out(payment), 3)).replayed


# Outcomes, read back.


async def test_an_accepted_transfer_is_read_back_as_it_was(books: Books) -> None:
    payment = books.pay(30)
    written = Details(
        salt=bytes(range(32)),
        note='lunch "à la carte" ☕\n',
        reference="INV-1",
        metadata={"z": "1", "order": "4711", "ключ": "", "a b": "€"},
    )
    first = await books.carry_out(CreateTransfer(payment.header, payment.actor_id, written))
    assert await books.stored(payment.header) == first


async def test_a_transfer_without_details_is_read_back_without(books: Books) -> None:
    payment = books.pay(30)
    first = await books.carry_out(payment)
    assert (await books.stored(payment.header), first.details) == (first, None)


@pytest.mark.parametrize("written", [{"note": ""}, {"reference": "r"}, {"metadata": {"k": "v"}}])
async def test_each_part_of_the_details_is_read_back_by_itself(
    written: dict[str, str], books: Books
) -> None:
    payment = books.pay(30)
    details = Details(salt=bytes(32), **written)  # type: ignore[arg-type]
    await books.carry_out(CreateTransfer(payment.header, payment.actor_id, details))
    assert (await books.stored(payment.header)).details == details


async def test_a_refusal_is_read_back_with_its_facts_in_their_order(books: Books) -> None:
    payment = books.pay(101)
    first = (await books.carry_out(payment)).refusal
    again = (await books.stored(payment.header)).refusal
    assert first is not None
    assert again is not None
    assert (type(again), again.detail) == (type(first), first.detail)
    assert list(again.facts.items()) == list(first.facts.items())


async def test_a_replayed_outcome_is_the_first_one(books: Books) -> None:
    payment = books.pay(30, note="lunch")
    first = await books.carry_out(payment)
    again = await books.carry_out(payment)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.entry, again.details, again.header) == (first.entry, first.details, first.header)


async def test_every_step_of_a_top_up_is_read_back_as_it_was(books: Books) -> None:
    steps = [books.world.request(books.alice, 10, {"as": "f"})]
    first = await books.carry_out(steps[0])
    settle = books.world.settle(books.alice, "f", {"of": "10"})
    settled = await books.carry_out(settle)
    assert await books.stored(steps[0].header) == first
    assert await books.stored(settle.header) == settled


async def test_a_declined_top_up_is_read_back_as_it_was(books: Books) -> None:
    await books.carry_out(books.world.request(books.alice, 10, {"as": "f"}))
    decline = books.world.decline(books.alice, "f", {"of": "10"})
    first = await books.carry_out(decline)
    assert await books.stored(decline.header) == first


async def test_a_key_without_an_outcome_and_one_of_another_scope_are_left_out(
    books: Books,
) -> None:
    payment = books.pay(30)
    await books.carry_out(payment)
    async with books.unit_of_work() as work:
        keys = [("person:somebody-else", payment.header.key_digest), (payment.header.scope, b"?")]
        assert await work.ledger.outcomes(keys) == {}


# Keys taken meanwhile.


def with_one_key(books: Books) -> tuple[CreateTransfer, CreateTransfer]:
    """Return two payments under one key that share no account."""
    first = books.pay(10, key=f"k-{books.suffix}")
    return first, CreateTransfer(_elsewhere(books, first.header), person(books.carol))


def _elsewhere(books: Books, header: Header) -> Header:
    other = books.world.transfer(books.carol, "nobody", 10, {"no-wallet": "yes"}).header
    return Header(
        **{name: getattr(other, name) for name in Header.__slots__}
        | {"scope": header.scope, "key_digest": header.key_digest}
    )


async def test_a_key_that_another_commits_first_is_found_taken(books: Books) -> None:
    first, second = with_one_key(books)
    async with books.unit_of_work() as two:
        async with books.unit_of_work() as one:
            assert await save_payment(one, books, first)
            saving = asyncio.create_task(save_payment(two, books, second))
            assert await waits(saving)
            await one.commit()
        assert not await asyncio.wait_for(saving, 2)
    assert (await books.stored(first.header)).header == first.header


async def test_a_key_that_another_gives_back_is_free(books: Books) -> None:
    first, second = with_one_key(books)
    async with books.unit_of_work() as two:
        async with books.unit_of_work() as one:
            assert await save_payment(one, books, first)
            saving = asyncio.create_task(save_payment(two, books, second))
            assert await waits(saving)
        assert await asyncio.wait_for(saving, 2)


async def test_one_key_for_two_requests_at_once_has_one_effect(books: Books) -> None:
    first, second = with_one_key(books)
    said = await asyncio.gather(*(books.world.carry_out(each) for each in (first, second)))
    words = sorted(spoken(result) for result in said)
    assert "idempotency-key-reused" in words
    assert words != ["idempotency-key-reused"] * 2


async def test_one_key_fired_many_times_at_once_has_one_effect(books: Books) -> None:
    payment = books.pay(30)
    said = await asyncio.gather(*(books.world.carry_out(payment) for _ in range(12)))
    assert sorted(map(spoken, said)) == ["accepted", *["accepted again"] * 11]
    account = (await books.locked(books.alice)).accounts[wallet(books.alice, "USD")]
    assert (account.posted, account.version) == (70, 2)


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


# PostgreSQL only: who may do what.

DENIED = [
    f"{statement} {table}{rest}"
    for table, column in [("entries", "version"), ("instructions", "amount"), ("batches", "id")]
    for statement, rest in [
        ("UPDATE", f" SET {column} = {column}"),
        ("DELETE FROM", ""),
        ("TRUNCATE", ""),
    ]
] + [
    "DELETE FROM accounts",
    "DELETE FROM wallets",
    "DELETE FROM details",
    "DELETE FROM fundings",
    "TRUNCATE accounts",
    "UPDATE accounts SET owner_id = owner_id",
    "UPDATE accounts SET currency = currency",
    "UPDATE wallets SET account_id = account_id",
    "UPDATE fundings SET amount = amount",
    "UPDATE details SET instruction_id = instruction_id",
    "UPDATE schema_migrations SET sha256 = ''",
    "CREATE TABLE mine (id integer)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DROP TABLE entries",
    "ALTER TABLE entries ADD COLUMN mine integer",
    "ALTER TABLE accounts DROP CONSTRAINT accounts_available_not_below_floor",
    "CREATE INDEX mine ON entries (kind)",
    "SET ROLE wallet_owner",
    "SELECT prune_refused_instructions(1)",
]


@pytest.mark.parametrize("statement", DENIED)
async def test_the_application_may_not(statement: str, shared: Shared) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
        await shared.pool.execute(statement)
    assert caught.value.sqlstate == "42501"


@pytest.mark.parametrize("table", ["entries", "instructions", "batches"])
async def test_the_login_behind_all_roles_cannot_change_the_journal_either(
    table: str, superuser: Connection
) -> None:
    for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
        query = "SELECT has_table_privilege('wallet_service', $1, $2)"
        assert await superuser.fetchval(query, table, privilege) is False


@asynccontextmanager
async def acting_as(shared: Shared, role: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(shared.url, server_settings={"role": role})
    try:
        yield connection
    finally:
        await connection.close()


MONEY_TABLES = ["accounts", "wallets", "entries", "instructions", "details", "batches", "fundings"]


@pytest.mark.parametrize("table", MONEY_TABLES)
async def test_the_verifier_reads_and_cannot_write(table: str, shared: Shared) -> None:
    async with acting_as(shared, VERIFIER) as connection:
        await connection.fetch(f"TABLE {table} LIMIT 1")
        for verb, rest in [
            ("DELETE FROM", ""),
            ("INSERT INTO", "DEFAULT VALUES"),
            ("TRUNCATE", ""),
        ]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"{verb} {table} {rest}")


async def add_instruction(connection: Connection, **columns: object) -> None:
    """Write an instruction past the ledger; what is not given is made up."""
    row = {
        "id": uuid4(),
        "account_id": uuid4(),
        "kind": 1,
        "scope": "person:somebody",
        "key_digest": os.urandom(32),
        "fingerprint": bytes(32),
        "seal": bytes(32),
        "currency": "USD",
        "amount": 1,
        "booked_at": datetime.now(UTC),
        **columns,
    }
    text = json.dumps(row, default=lambda v: rf"\x{v.hex()}" if isinstance(v, bytes) else str(v))
    await connection.execute(
        "INSERT INTO instructions SELECT * FROM jsonb_populate_record(NULL::instructions, $1)", text
    )


async def test_the_janitor_prunes_only_refusals_older_than_eight_days(
    shared: Shared, superuser: Connection
) -> None:
    account = uuid4()
    for days, refused in [(9, True), (9, True), (9, True), (7, True), (30, False)]:
        await add_instruction(
            superuser,
            account_id=account,
            booked_at=datetime.now(UTC) - timedelta(days=days),
            refusal_code="insufficient-funds" if refused else None,
            refusal_facts={} if refused else None,
        )
    async with acting_as(shared, JANITOR) as janitor:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await janitor.execute("DELETE FROM instructions")
        pruned = [await janitor.fetchval("SELECT prune_refused_instructions(2)") for _ in "123"]
    left = await superuser.fetch(
        "SELECT refusal_code IS NOT NULL AS refused, extract(day FROM now() - booked_at) AS age "
        "FROM instructions WHERE account_id = $1 ORDER BY booked_at",
        account,
    )
    await superuser.execute("DELETE FROM instructions WHERE account_id = $1", account)
    assert pruned == [2, 1, 0]
    assert [(row["refused"], int(row["age"])) for row in left] == [(False, 30), (True, 7)]


# PostgreSQL only: constraints.

NEW_ACCOUNT = (
    "INSERT INTO accounts (id, owner_id, purpose, currency, created_at, {columns}) "
    "VALUES (gen_random_uuid(), gen_random_uuid(), 'wallet', 'USD', now(), {values})"
)
CHECKED = {
    "posted": ("9000000000000001", "accounts_posted_in_range"),
    "held": ("-1", "accounts_held_in_range"),
    "floor": ("-9000000000000001", "accounts_floor_in_range"),
    "floor, posted": ("-10, -11", "accounts_available_not_below_floor"),
    "posted, held": ("10, 11", "accounts_available_not_below_floor"),
    "version": ("-1", "accounts_version_not_negative"),
    "head_hash": (r"'\x00'", "accounts_hash_has_32_bytes"),
    "frozen": ("4", "accounts_frozen_known"),
    "closed_at, posted": ("now(), 1", "accounts_closed_are_empty"),
}


@pytest.mark.parametrize("columns", CHECKED)
async def test_a_constraint_of_accounts_is_violated_by_name(
    columns: str, superuser: Connection
) -> None:
    values, name = CHECKED[columns]
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await superuser.execute(NEW_ACCOUNT.format(columns=columns, values=values))
    assert getattr(caught.value, "constraint_name", None) == name


async def test_every_constraint_has_a_name_of_its_own(superuser: Connection) -> None:
    names = await superuser.fetch(
        "SELECT conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace "
        "WHERE n.nspname = 'public' AND c.contype IN ('c', 'p', 'u', 'f', 'x')"
    )
    made_up = re.compile(r"_(pkey|key\d*|check\d*|fkey\d*|excl)$")
    assert len(names) > 40
    assert [row["conname"] for row in names if made_up.search(row["conname"])] == []


# PostgreSQL only: time, outages, and keys in opposite orders.


@pytest.fixture
async def on_postgres(shared: Shared) -> Books:
    return await settled(_on_postgres(shared))


async def test_an_earlier_entry_in_the_future_drags_the_time_of_later_ones_along(
    on_postgres: Books, superuser: Connection
) -> None:
    future = datetime.now(UTC) + timedelta(hours=1)
    bob = wallet(on_postgres.bob, "USD")
    await superuser.execute("UPDATE accounts SET head_booked_at = $2 WHERE id = $1", bob, future)
    assert (await on_postgres.carry_out(on_postgres.pay(10))).booked_at == future
    onward = on_postgres.world.transfer(on_postgres.alice, on_postgres.carol, 5)
    assert (await on_postgres.carry_out(onward)).booked_at == future
    times = await superuser.fetch(
        "SELECT booked_at FROM entries WHERE account_id = ANY($1) AND posted_delta <> 100",
        on_postgres.ids(on_postgres.alice, on_postgres.bob, on_postgres.carol),
    )
    assert [row["booked_at"] for row in times] == [future] * 4


async def test_a_wallet_that_was_not_committed_is_not_there(on_postgres: Books) -> None:
    async with on_postgres.unit_of_work() as work:
        account = Account(uuid4(), Currency("EUR"), Purpose.WALLET, person(on_postgres.alice))
        await work.wallets.open(account, datetime.now(UTC))
    async with on_postgres.unit_of_work() as work:
        assert await work.wallets.find(person(on_postgres.alice), "EUR") is None


async def test_a_connection_that_cannot_be_had_in_time_is_an_interruption(shared: Shared) -> None:
    pool = await create_pool(shared.url, size_max=1)
    try:
        async with PostgresUnitOfWork(pool):
            with pytest.raises(Interrupted):
                async with PostgresUnitOfWork(pool, acquire_timeout_s=0.05):
                    pass
    finally:
        await pool.close()


async def test_a_lock_that_cannot_be_had_in_time_is_an_interruption(
    on_postgres: Books, shared: Shared
) -> None:
    ids = on_postgres.ids(on_postgres.alice)
    pool = await create_pool(shared.url, size_max=1, deadlines=Deadlines(lock_s=0.1))
    try:
        async with on_postgres.unit_of_work() as first:
            await first.ledger.lock(ids, 0)
            with pytest.raises(Interrupted):
                async with PostgresUnitOfWork(pool) as second:
                    await second.ledger.lock(ids, 0)
        async with PostgresUnitOfWork(pool) as third:
            await third.ledger.lock(ids, 0)
    finally:
        await pool.close()


async def sabotaged(
    shared: Shared, books: Books, payment: Instruction, *sabotage: tuple[str, Connection | None]
) -> None:
    """Save and commit a payment; before the commit, run each statement somewhere."""
    async with PostgresUnitOfWork(shared.pool) as work:
        await save_payment(cast("UnitOfWork", work), books, payment)
        connection = work._connection
        assert connection is not None
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        for statement, elsewhere in sabotage:
            with suppress(asyncpg.DivisionByZeroError):
                await (elsewhere or connection).execute(statement.format(pid=pid))
        await work.commit()


async def test_a_backend_that_is_killed_before_the_commit_is_an_interruption(
    on_postgres: Books, shared: Shared, superuser: Connection
) -> None:
    async def lose_the_connection() -> None:
        async with PostgresUnitOfWork(shared.pool) as work:
            assert work._connection is not None
            pid = await work._connection.fetchval("SELECT pg_backend_pid()")
            await superuser.execute("SELECT pg_terminate_backend($1, 2000)", pid)
            await work.ledger.lock(on_postgres.ids(on_postgres.alice), 0)

    with pytest.raises(Interrupted):
        await lose_the_connection()
    assert (await on_postgres.carry_out(on_postgres.pay(1))).refusal is None


async def test_a_backend_that_is_killed_at_the_commit_leaves_the_outcome_unknown(
    on_postgres: Books, shared: Shared, superuser: Connection
) -> None:
    payment = on_postgres.pay(1)
    killed = ("SELECT pg_terminate_backend({pid}, 2000)", superuser)
    with pytest.raises(OutcomeUnknown):
        await sabotaged(shared, on_postgres, payment, killed)
    assert not (await on_postgres.carry_out(payment)).replayed


async def test_a_commit_of_a_transaction_that_failed_is_an_interruption(
    on_postgres: Books, shared: Shared
) -> None:
    payment = on_postgres.pay(1)
    with pytest.raises(Interrupted):
        await sabotaged(shared, on_postgres, payment, ("SELECT 1 / 0", None))
    assert not (await on_postgres.carry_out(payment)).replayed


async def test_two_batches_with_the_same_keys_in_opposite_orders_do_not_deadlock(
    on_postgres: Books, superuser: Connection
) -> None:
    """Each batch stops halfway, at a key that somebody else holds, with one of the two taken."""
    books, keys = on_postgres, [f"{n}-{on_postgres.suffix}" for n in range(6)]
    digests = sorted(books.pay(1, key=key).header.key_digest for key in keys)
    low, high = digests[0], digests[5]

    def batch(name: str, order: Sequence[bytes]) -> list[Instruction]:
        scope = books.pay(1).header.scope
        payments = [books.world.transfer(name, "nobody", 1, {"no-wallet": "y"}) for _ in order]
        headers = [
            Header(
                **{n: getattr(p.header, n) for n in Header.__slots__}
                | {"scope": scope, "key_digest": digest}
            )
            for p, digest in zip(payments, order, strict=True)
        ]
        return [CreateTransfer(header, person(name)) for header in headers]

    async def save(instructions: Sequence[Instruction]) -> bool:
        async with books.unit_of_work() as work:
            saved = await save_payment(work, books, *instructions)
            if saved:
                await work.commit()
            return saved

    async with superuser.transaction():
        for digest in digests[1:5]:
            scope = books.pay(1).header.scope
            await add_instruction(superuser, scope=scope, key_digest=digest)
        tasks = [
            asyncio.create_task(save(batch(books.alice, [low, digests[1], high]))),
            asyncio.create_task(save(batch(books.bob, [high, digests[2], low]))),
        ]
        await asyncio.wait(tasks, timeout=0.2)
        await superuser.execute("DELETE FROM instructions WHERE key_digest = ANY($1)", digests)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(map(str, results)) == ["False", "True"]


# PostgreSQL only: the statements themselves.


def modules() -> list[str]:
    return [f"{postgres.__name__}.{m.name}" for m in pkgutil.iter_modules(postgres.__path__)]


def statements() -> dict[str, str]:
    """Return every SQL constant by its place."""
    found = {f"verification.{name}": query for name, query in CROSS_CHECKS.items()}
    for name in modules():
        for constant, value in vars(importlib.import_module(name)).items():
            if (
                constant.isupper()
                and isinstance(value, str)
                and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", value)
            ):
                found[f"{name.rsplit('.', 1)[1]}.{constant}"] = value
    return found


STATEMENTS = statements()


def test_there_are_statements_to_prepare() -> None:
    assert {"ledger.LOCK", "ledger.SAVE", "history.PAGE", "users.ADD_USER"} <= set(STATEMENTS)
    assert len(STATEMENTS) > 60


@pytest.mark.parametrize("place", STATEMENTS)
async def test_every_statement_can_be_prepared_on_the_migrated_database(
    place: str, superuser: Connection
) -> None:
    await superuser.execute(CREATE_TABLE)
    await superuser.prepare(STATEMENTS[place])


SQL = re.compile(
    r"\b(SELECT\s|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WHERE\s|GRANT\s|LOCK TABLE|CREATE\s"
    r"|ALTER\s|DROP\s|TRUNCATE\s|SET ROLE|VALUES\s*\()"
)
ALLOWED = {
    ("migrations", "f'LOCK TABLE \"{table}\" IN ACCESS EXCLUSIVE MODE'"),
    ("migrations", "f'SELECT EXISTS (SELECT FROM \"{table}\")'"),
    ("migrations", "f'GRANT {APPLICATION}, {VERIFIER}, {JANITOR} TO {quoted}'"),
}


def is_constant(node: ast.expr) -> bool:
    """Whether an expression is put together of literals and upper-case names alone."""
    if isinstance(node, ast.BinOp):
        return is_constant(node.left) and is_constant(node.right)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def built(node: ast.AST) -> bool:
    """Whether a piece of code puts a text together while it runs."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod) and not is_constant(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in {"format", "join", "replace"}
    return isinstance(node, ast.JoinedStr)


def test_no_sql_is_built_while_running_but_in_the_places_that_are_known() -> None:
    found = set()
    for path in Path(postgres.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            literals = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
            texts = [text for text in literals if isinstance(text, str)]
            if built(node) and any(SQL.search(text) for text in texts):
                found.add((path.stem, ast.unparse(node)))
    assert found == ALLOWED


EXECUTING = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor", "prepare"}
PASSED_ON = {
    ("guards", "sql"),
    ("verification", "query"),
    ("migrations", "migration.up"),
    ("migrations", "last.down"),
    ("users", "sql"),
    ("janitor", "statement"),
}
"""Names of a parameter or a loop that only ever stand for constants of their module."""


def test_only_constants_are_executed() -> None:
    found = set()
    for path in Path(postgres.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in EXECUTING and node.args and not is_constant(node.args[0]):
                found.add((path.stem, ast.unparse(node.args[0])))
    assert found - PASSED_ON == ALLOWED
