"""In-memory twins of what staff see of movements and refusals."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tests.fakes.ledger import MemoryHistory, MemoryStore, MemoryTransaction
from wallet.domain.cards import card_of
from wallet.domain.journal import Kind
from wallet.domain.movements import (
    Movement,
    MovementPage,
    MovementPlace,
    MovementSearch,
    MovementSide,
    Refusal,
    RefusalPage,
)
from wallet.domain.users import User


class People(Protocol):
    """What these twins need of a store of people."""

    @property
    def users(self) -> Mapping[UUID, User]: ...


def refusals_of(store: MemoryStore) -> list[Refusal]:
    """Return everything that was refused, newest first."""
    found = [
        Refusal(
            outcome.header.id,
            outcome.header.kind,
            outcome.header.currency,
            outcome.header.amount,
            outcome.refusal.code,
            outcome.refusal.facts,
            outcome.booked_at,
            outcome.header.account_id,
            outcome.header.owner_id,
            outcome.header.counterparty_owner_id,
        )
        for outcome in store.outcomes.values()
        if outcome.refusal is not None
    ]
    return sorted(found, key=lambda r: (r.happened_at, r.id), reverse=True)


class MemoryMovements:
    """Movements and refusals; each page looks at everything."""

    def __init__(self, transaction: MemoryTransaction, people: People) -> None:
        self._store: MemoryStore = transaction.store
        self._people = people
        self._history = MemoryHistory(transaction)

    async def movement(self, movement_id: UUID) -> Movement | None:
        sides = []
        for entries in self._store.entries.values():
            for entry in entries:
                if entry.instruction_id == movement_id and entry.posted_delta:
                    account = self._store.accounts[entry.account_id]
                    user = self._people.users.get(account.owner_id or movement_id)
                    card = None if user is None else card_of(user)
                    sides.append(MovementSide(entry, account.purpose, card))
        if len(sides) != 2:
            return None
        source, target = sorted(sides, key=lambda side: side.entry.posted_delta)
        refunds = [r for r in self._store.refunds if r.transfer_id == movement_id]
        made = [r.transfer_id for r in self._store.refunds if r.id == movement_id]
        return Movement(
            source,
            target,
            self._history.line_of(source.entry).details,
            refunds,
            made[0] if made else None,
        )

    async def referenced(self, reference: str, limit: int) -> Sequence[UUID]:
        found = {id_ for (_, id_), d in self._store.details.items() if d.reference == reference}
        return sorted(found, reverse=True)[:limit]

    async def page(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> MovementPage:
        ids = {e.instruction_id for entries in self._store.entries.values() for e in entries}
        everything = [await self.movement(id_) for id_ in ids]
        found = {
            MovementPlace(m.target.entry.booked_at, m.id): m
            for m in everything
            if m is not None
            and _meets(search, m.kind, m.amount, m.source.entry.currency, m.target.entry.booked_at)
        }
        places = _behind(found, search, place)
        following = places[limit - 1] if len(places) > limit else None
        return MovementPage([found[p] for p in places[:limit]], following)

    async def refusal(self, refusal_id: UUID) -> Refusal | None:
        return next((r for r in refusals_of(self._store) if r.id == refusal_id), None)

    async def refusals(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> RefusalPage:
        found = {
            MovementPlace(r.happened_at, r.id): r
            for r in refusals_of(self._store)
            if _meets(search, r.kind, r.amount, r.currency, r.happened_at)
            and search.code in (None, r.code)
        }
        places = _behind(found, search, place)
        following = places[limit - 1] if len(places) > limit else None
        return RefusalPage([found[p] for p in places[:limit]], following)


def _meets(search: MovementSearch, kind: Kind, amount: int, currency: str, at: datetime) -> bool:
    return (
        (not search.kinds or kind in search.kinds)
        and (search.amount_min is None or search.amount_min <= amount)
        and (search.amount_max is None or amount <= search.amount_max)
        and search.currency in (None, currency)
        and (search.since is None or at >= search.since)
    )


def _behind(
    found: Mapping[MovementPlace, object], search: MovementSearch, place: MovementPlace | None
) -> list[MovementPlace]:
    return sorted((p for p in found if p < search.begins_at(place)), reverse=True)
