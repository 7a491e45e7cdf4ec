"""The back office: people, wallets and movements as staff see them; nothing here is a credential.

Lists go by id, newest first (an id begins with its time), and each of them walks an index.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.cards import PersonCard, WalletCard
from wallet.domain.errors import NotFound
from wallet.domain.events import Event
from wallet.domain.movements import Refusal
from wallet.domain.users import Role

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

    async def refusals(self, owner_id: UUID, limit: int) -> Sequence[Refusal]:
        """Return what was refused to a person lately, newest first."""
        ...

    async def events(
        self, person_id: UUID, *, before: EventPlace | None, limit: int
    ) -> Sequence[Event]:
        """Return the next `limit` events of a person, newest first, but for what is an act too."""
        ...
