"""Movements and refusals as staff look at them, whoever's they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.cards import PersonCard
from wallet.domain.movements import (
    Movement,
    MovementNotFound,
    MovementPage,
    MovementPlace,
    MovementSearch,
    Refusal,
    RefusalNotFound,
)


@dataclass(frozen=True, slots=True)
class RefusalView:
    """A refusal, whose account it was asked of, and who would have been the other side."""

    refusal: Refusal
    owner: PersonCard | None
    counterparty: PersonCard | None


@dataclass(frozen=True, slots=True)
class RefusalViews:
    """Some refusals, newest first; a page may end before it is full, and go on all the same."""

    items: Sequence[RefusalView]
    next_place: MovementPlace | None


class MovementDesk:
    """Shows what moved and what was refused."""

    def __init__(self, *, reading: UnitOfWorkFactory) -> None:
        self._reading = reading

    async def movement(self, movement_id: UUID) -> Movement:
        """Return one movement with both sides; raise `MovementNotFound`."""
        async with self._reading() as work:
            found = await work.movements.movement(movement_id)
        if found is None:
            raise MovementNotFound
        return found

    async def page(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> MovementPage:
        """Return the next `limit` movements that are asked for, newest first, or fewer."""
        async with self._reading() as work:
            return await work.movements.page(search, place=place, limit=limit)

    async def refusal(self, refusal_id: UUID) -> RefusalView:
        """Return one refusal; raise `RefusalNotFound`."""
        async with self._reading() as work:
            found = await work.movements.refusal(refusal_id)
            if found is None:
                raise RefusalNotFound
            (view,) = await refusal_views(work, [found])
        return view

    async def refusals(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> RefusalViews:
        """Return the next `limit` refusals that are asked for, newest first, or fewer."""
        async with self._reading() as work:
            page = await work.movements.refusals(search, place=place, limit=limit)
            return RefusalViews(await refusal_views(work, page.items), page.next_place)


async def refusal_views(work: UnitOfWork, refusals: Sequence[Refusal]) -> list[RefusalView]:
    """Return refusals with the people that they are about."""
    ids = {id_ for r in refusals for id_ in (r.owner_id, r.counterparty_owner_id) if id_}
    cards = await work.back_office.cards(list(ids)) if ids else {}
    return [
        RefusalView(
            refusal,
            None if refusal.owner_id is None else cards.get(refusal.owner_id),
            None
            if refusal.counterparty_owner_id is None
            else cards.get(refusal.counterparty_owner_id),
        )
        for refusal in refusals
    ]
