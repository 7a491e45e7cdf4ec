"""Movements as staff see them: with both sides, whoever's they are; and what the books refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from wallet.domain.accounts import Purpose
from wallet.domain.cards import PersonCard
from wallet.domain.errors import NotFound
from wallet.domain.journal import Details, Entry, Kind
from wallet.domain.money import Currency
from wallet.domain.refunds import BookedTransfer, Refund


class MovementNotFound(NotFound):
    """There is no such movement."""

    code = "movement-not-found"


class RefusalNotFound(NotFound):
    """There is no such refusal, or it was forgotten after its week."""

    code = "refusal-not-found"


@dataclass(frozen=True, slots=True)
class MovementSide:
    """One account that a movement changed; system accounts have no owner."""

    entry: Entry
    purpose: Purpose
    owner: PersonCard | None


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement with both of its sides: `source` is the account that the money left."""

    source: MovementSide
    target: MovementSide
    details: Details | None
    refunds: Sequence[Refund] = ()
    refund_of: UUID | None = None

    @property
    def id(self) -> UUID:
        """The id of what moved the money."""
        return self.source.entry.instruction_id

    @property
    def kind(self) -> Kind:
        """What moved the money."""
        return self.source.entry.kind

    @property
    def amount(self) -> int:
        """How much, in minor units."""
        return self.target.entry.posted_delta

    @property
    def refunded(self) -> int:
        """How much of a transfer was refunded, in minor units."""
        return sum(refund.amount for refund in self.refunds)

    @property
    def transfer(self) -> BookedTransfer | None:
        """The movement as a transfer, or None if it is none."""
        payer, payee = self.source.owner, self.target.owner
        if self.kind is not Kind.TRANSFER or payer is None or payee is None:
            return None
        return BookedTransfer(
            id=self.id,
            account_id=self.source.entry.account_id,
            owner_id=payer.id,
            counterparty_id=self.target.entry.account_id,
            counterparty_owner_id=payee.id,
            amount=self.amount,
            currency=self.source.entry.currency,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that the books refused; `amount` is in minor units.

    It stands under the account that it was asked of, whose owner is `owner_id`.
    """

    id: UUID
    kind: Kind
    currency: Currency
    amount: int
    code: str
    facts: Mapping[str, Any]
    happened_at: datetime
    account_id: UUID
    owner_id: UUID | None
    counterparty_owner_id: UUID | None


@dataclass(frozen=True, slots=True)
class MovementSearch:
    """Which movements, or refusals, are asked for; one must meet everything that is given.

    Amounts are minor units. `since` is inclusive, `until` is not. `code` is of refusals alone.
    """

    kinds: tuple[Kind, ...] = ()
    amount_min: int | None = None
    amount_max: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    currency: str | None = None
    code: str | None = None

    def begins_at(self, place: "MovementPlace | None") -> "MovementPlace":
        """Return the place behind which a page begins: nothing newer is asked for."""
        begin = END_OF_TIME if self.until is None else MovementPlace(self.until, FIRST_ID)
        return begin if place is None else min(place, begin)


@dataclass(frozen=True, slots=True, order=True)
class MovementPlace:
    """Where a list goes on: behind what has this time and id, towards older ones."""

    at: datetime
    id: UUID


FIRST_ID = UUID(int=0)
END_OF_TIME = MovementPlace(datetime.max.replace(tzinfo=UTC), FIRST_ID)
"""Before everything, newest first."""


@dataclass(frozen=True, slots=True)
class MovementPage:
    """Some movements, newest first; a page may end before it is full, and go on all the same."""

    items: Sequence[Movement]
    next_place: MovementPlace | None


@dataclass(frozen=True, slots=True)
class RefusalPage:
    """Some refusals, newest first, in the same way."""

    items: Sequence[Refusal]
    next_place: MovementPlace | None


class Movements(Protocol):
    """Movements and refusals, found without their accounts; reads only."""

    async def movement(self, movement_id: UUID) -> Movement | None:
        """Return what moved under an id, or None."""
        ...

    async def referenced(self, reference: str, limit: int) -> Sequence[UUID]:
        """Return the ids of movements with this reference, newest first."""
        ...

    async def page(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> MovementPage:
        """Return the next `limit` movements that are asked for, or those of a bounded stretch."""
        ...

    async def refusal(self, refusal_id: UUID) -> Refusal | None:
        """Return what was refused under an id, or None."""
        ...

    async def refusals(
        self, search: MovementSearch, *, place: MovementPlace | None, limit: int
    ) -> RefusalPage:
        """Return the next `limit` refusals that are asked for, or those of a bounded stretch."""
        ...
