"""Wallets: a person's account in one currency, and what one may see of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.accounts import Account, Freeze
from wallet.domain.errors import Conflict, NotFound
from wallet.domain.money import Currency


class WalletNotFound(NotFound):
    """You have no wallet in this currency."""

    code = "wallet-not-found"


class WalletAlreadyOpen(Conflict):
    """You have a wallet in this currency already."""

    code = "wallet-already-open"


class WalletNotEmpty(Conflict):
    """The wallet still holds money, or money is on its way to it."""

    code = "wallet-not-empty"


@dataclass(frozen=True, slots=True)
class WalletView:
    """What the owner sees of a wallet; amounts are minor units."""

    id: UUID
    owner_id: UUID
    currency: Currency
    posted: int
    held: int
    version: int
    floor: int
    freeze: Freeze
    created_at: datetime
    closed_at: datetime | None = None

    @property
    def available(self) -> int:
        """What may be spent, in minor units, not counting an overdraft."""
        return self.posted - self.held

    @property
    def debt(self) -> int:
        """How far below its floor a forced refund has left it, in minor units; mostly 0."""
        return max(0, self.floor - self.available)


class Wallets(Protocol):
    """Wallets as they are opened, found, read and closed."""

    async def open(self, account: Account, created_at: datetime) -> None:
        """Open a wallet; raise `WalletAlreadyOpen` if the owner has one in its currency."""
        ...

    async def add_system_accounts(self, accounts: Sequence[Account], created_at: datetime) -> None:
        """Add those of a currency's system accounts that are not there yet."""
        ...

    async def find(self, owner_id: UUID, currency: str) -> UUID | None:
        """Return the id of the owner's wallet in a currency, or None."""
        ...

    async def find_many(
        self, places: Sequence[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], UUID]:
        """Return the ids of the wallets at these (owner id, currency) that there are."""
        ...

    async def default_currencies(self, owner_ids: Sequence[UUID]) -> Mapping[UUID, Currency]:
        """Return the currency of each one's default wallet; leave out who does not exist."""
        ...

    async def of_owner(self, owner_id: UUID) -> Sequence[WalletView]:
        """Return the owner's wallets, by currency."""
        ...

    async def get(self, owner_id: UUID, currency: str | None) -> WalletView | None:
        """Return one wallet; a currency of None means the owner's default one."""
        ...

    async def get_many(
        self, places: Sequence[tuple[UUID, str | None]]
    ) -> Mapping[tuple[UUID, str | None], WalletView]:
        """Return the wallets at these (owner id, currency) that there are, as `get` would."""
        ...

    async def close_all(self, owner_id: UUID, closed_at: datetime) -> None:
        """Lock, check and close the owner's wallets.

        Raises `WalletNotEmpty` if one holds money or awaits a pending funding.
        """
        ...

    async def control(
        self, wallet_id: UUID, freeze: Freeze, floor: int, closed_at: datetime | None
    ) -> None:
        """Write what staff decided about a locked wallet; closing is for good.

        Raises `WalletNotEmpty` if it is to be closed and awaits a pending funding.
        """
        ...
