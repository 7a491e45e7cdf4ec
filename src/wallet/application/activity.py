"""Activity: a person's history, page by page, and one line of it."""

from collections.abc import Mapping
from uuid import UUID

from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.history import Line, Page, TransactionNotFound
from wallet.domain.search import Count, Search


class Activity:
    """Reads what moved, never behind the ledger."""

    def __init__(self, *, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def page(
        self,
        person_id: UUID,
        search: Search,
        *,
        next_versions: Mapping[UUID, int] | None,
        limit: int,
    ) -> Page:
        """Return the next `limit` lines that a search asks for, from where a cursor goes on."""
        async with self._unit_of_work() as work:
            if search.is_plain:
                return await work.history.page(
                    person_id, before_versions=next_versions, limit=limit
                )
            return await work.history.search(
                person_id, search, next_versions=next_versions, limit=limit
            )

    async def count(self, person_id: UUID, search: Search) -> Count:
        """Return how many lines a search finds; not exact where that would take too long."""
        async with self._unit_of_work() as work:
            return await work.history.count(person_id, search)

    async def line(self, person_id: UUID, transaction_id: UUID) -> Line:
        """Return one line; raise `TransactionNotFound` if it is not the person's."""
        async with self._unit_of_work() as work:
            line = await work.history.line(person_id, transaction_id)
        if line is None:
            raise TransactionNotFound
        return line
