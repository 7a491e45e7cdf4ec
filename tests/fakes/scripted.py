"""Books in memory whose units of work fail on cue, before and after their effect."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import UUID

from tests.fakes.ledger import MemoryLedger, MemoryStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from wallet.domain.funding import Funding
from wallet.domain.ledger import Book, Key, Outcome


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one unit of work; an error of None means that it hangs."""

    at: str
    error: Exception | None = None


@dataclass
class Script:
    """Hands out units of work that fail as written, one fault each, and keeps a record."""

    store: MemoryStore
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    poison: set[bytes] = field(default_factory=set)
    before_save: Callable[[], None] | None = None
    begun: int = 0
    commits: int = 0
    locked: list[list[UUID]] = field(default_factory=list)

    on_outcomes: Callable[[object], object] = lambda keys: None
    stale_locks: int = 0
    """How often a lock does not tell that a key was used while it was waited for."""

    def __call__(self) -> "ScriptedUnitOfWork":
        return ScriptedUnitOfWork(self)

    def next_fault(self) -> Fault | None:
        self.begun += 1
        return self.faults.pop(0) if self.faults else self.always


class ScriptedLedger(MemoryLedger):
    """The books in memory, failing as the script says."""

    work: "ScriptedUnitOfWork"

    async def lock(
        self, account_ids: Sequence[UUID], stripe: int, keys: Sequence[Key] = ()
    ) -> Book:
        await self.work.reach("lock")
        script, fault = self.work.script, self.work.fault
        script.locked.append(list(account_ids))
        book = await super().lock(account_ids, stripe, keys)
        if fault is not None and fault.at == "outcomes":
            book.repeats = True
        if script.stale_locks:
            script.stale_locks -= 1
            book.repeats = False
        return book

    async def outcomes(self, keys: Sequence[Key]) -> Mapping[Key, Outcome]:
        await self.work.reach("outcomes")
        self.work.script.on_outcomes(keys)
        return await super().outcomes(keys)

    async def fundings(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, Funding]:
        await self.work.reach("fundings")
        return await super().fundings(places)

    async def save(self, book: Book) -> bool:
        await self.work.reach("save")
        script = self.work.script
        if any(outcome.header.key_digest in script.poison for outcome in book.outcomes):
            raise RuntimeError("poison")
        meddle, script.before_save = script.before_save, None
        if meddle is not None:
            meddle()
        return await super().save(book)


class ScriptedUnitOfWork(MemoryUnitOfWork):
    """A unit of work in memory that meets its fault at the place where the script puts it."""

    def __init__(self, script: Script) -> None:
        super().__init__(script.store)
        self.script = script
        self.fault: Fault | None = None
        scripted = ScriptedLedger(self._transaction)
        scripted.work = self
        self.ledger = scripted

    async def reach(self, place: str) -> None:
        if self.fault is None or self.fault.at != place:
            return
        if self.fault.error is None:
            await asyncio.Event().wait()
        else:
            raise self.fault.error

    async def __aenter__(self) -> Self:
        self.fault = self.script.next_fault()
        await self.reach("acquire")
        return await super().__aenter__()

    async def commit(self) -> None:
        await self.reach("before commit")
        await super().commit()
        self.script.commits += 1
        await self.reach("after commit")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, traceback)
