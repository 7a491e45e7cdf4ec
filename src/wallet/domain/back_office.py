"""The back office: people, wallets and movements as staff see them; nothing here is a credential.

Lists go by id, newest first (an id begins with its time), and each of them walks an index.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.accounts import Purpose
from wallet.domain.errors import NotFound
from wallet.domain.events import Event
from wallet.domain.journal import Details, Entry, Kind
from wallet.domain.money import Currency
from wallet.domain.refunds import BookedTransfer, Refund
from wallet.domain.users import Role, User
from wallet.domain.wallets import WalletView

FOUND_MAX = 10
"""How many people, wallets and movements a search answers each."""
MATCHES_MAX = 500
"""How many people a search by the beginning of a word looks at."""


class PersonNotFound(NotFound):
    """There is no such person."""

    code = "person-not-found"


class StaffWalletNotFound(NotFound):
    """There is no such wallet."""

    code = "wallet-unknown"


class MovementNotFound(NotFound):
    """There is no such movement."""

    code = "movement-not-found"


@dataclass(frozen=True, slots=True)
class PersonCard:
    """What staff see of a person in a list."""

    id: UUID
    first_name: str
    last_name: str
    handle: str | None
    email: str | None
    role: Role
    created_at: datetime
    closed_at: datetime | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


def card_of(user: User) -> PersonCard:
    """Return what staff see of a person."""
    return PersonCard(
        user.id,
        user.first_name,
        user.last_name,
        user.handle,
        user.email,
        user.role,
        user.created_at,
        user.closed_at,
    )


@dataclass(frozen=True, slots=True)
class WalletCard:
    """A wallet, whose it is, and when money moved last."""

    wallet: WalletView
    owner: PersonCard
    last_booked_at: datetime | None


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
class RefusedAttempt:
    """Something that the books refused; `amount` is in minor units."""

    id: UUID
    kind: Kind
    currency: Currency
    amount: int
    code: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class PeopleSearch:
    """Which people are asked for: a whole id, or words that something of theirs begins with."""

    words: tuple[str, ...] = ()
    id: UUID | None = None
    role: Role | None = None
    closed: bool | None = None


@dataclass(frozen=True, slots=True)
class WalletSearch:
    """Which wallets are asked for."""

    currency: str | None = None
    frozen: bool | None = None


@dataclass(frozen=True, slots=True)
class EventPlace:
    """Where a list of events goes on: behind the one of this time and id, towards older ones."""

    happened_at: datetime
    id: UUID


class BackOffice(Protocol):
    """What staff look at; reads only."""

    async def people(
        self, search: PeopleSearch, *, before: UUID | None, limit: int
    ) -> Sequence[PersonCard]:
        """Return the next `limit` people that are asked for with an id below `before`."""
        ...

    async def cards(self, ids: Sequence[UUID]) -> Mapping[UUID, PersonCard]:
        """Return these people, by id; who does not exist is left out."""
        ...

    async def wallets(
        self, search: WalletSearch, *, before: UUID | None, limit: int
    ) -> Sequence[WalletCard]:
        """Return the next `limit` wallets that are asked for with an id below `before`."""
        ...

    async def wallet(self, wallet_id: UUID) -> WalletCard | None:
        """Return one wallet, or None."""
        ...

    async def wallets_at(self, wallet_ids: Collection[UUID]) -> Mapping[UUID, WalletCard]:
        """Return these wallets, by id; what does not exist is left out."""
        ...

    async def wallets_of(self, owner_id: UUID) -> Sequence[WalletCard]:
        """Return a person's wallets, by currency."""
        ...

    async def movement(self, movement_id: UUID) -> Movement | None:
        """Return what moved under an id, or None."""
        ...

    async def referenced(self, reference: str, limit: int) -> Sequence[UUID]:
        """Return the ids of movements with this reference, newest first."""
        ...

    async def refusals(self, owner_id: UUID, limit: int) -> Sequence[RefusedAttempt]:
        """Return what was refused to a person lately, newest first."""
        ...

    async def events(
        self, person_id: UUID, *, before: EventPlace | None, limit: int
    ) -> Sequence[Event]:
        """Return the next `limit` events of a person, newest first, but for what is an act too."""
        ...
