"""Books under contract: in memory or on PostgreSQL, with people of one test alone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from tests.fakes.ledger import MemoryStore
from tests.fakes.people import PeopleStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, person, wallet

from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.accounts import Freeze
from wallet.domain.history import Page
from wallet.domain.ledger import Book, Header, Instruction, Outcome
from wallet.domain.money import Currency
from wallet.domain.transfers import CreateTransfer
from wallet.infrastructure.postgres.pool import (
    Pool,
)
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

USD = Currency("USD")
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shared:
    """The one database of this module; every test brings people of its own."""

    url: str
    superuser_url: str
    pool: Pool


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


async def settled(books: Books) -> Books:
    for name in (books.alice, books.bob, books.carol):
        await books.world.open(name, "USD")
    await books.world.fund(books.alice, 100)
    return books


def _in_memory() -> Books:
    store = MemoryStore()
    people = PeopleStore(store.clock)

    async def adjust(account_id: UUID, floor: int, freeze: Freeze) -> None:
        store.accounts[account_id].floor = floor
        store.accounts[account_id].freeze = freeze

    return Books(lambda: MemoryUnitOfWork(store, people), adjust)


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
