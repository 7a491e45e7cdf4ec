"""Ledger accounts: what they hold, what they may hold, and who may move it.

A wallet is one account of a person in one currency. Money enters and leaves only through *system
accounts*, which may be below zero and come in `STRIPES` per currency, so that two batches at the
same time need not wait for each other's.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag, StrEnum
from functools import lru_cache
from uuid import NAMESPACE_URL, UUID, uuid5

from wallet.domain.errors import Rejected
from wallet.domain.money import BALANCE_MAX, SYSTEM_BALANCE_MAX, Currency

STRIPES = 16
GENESIS_HASH = bytes(32)
"""What stands in for the hash before an account's first entry."""


class Purpose(StrEnum):
    """What an account is for."""

    WALLET = "wallet"
    FUNDING = "funding"
    ADJUSTMENT = "adjustment"


class Freeze(IntFlag):
    """Which directions an operator has frozen."""

    NONE = 0
    SEND = 1
    RECEIVE = 2
    BOTH = 3


class InsufficientFunds(Rejected):
    """The wallet does not hold enough available money."""

    code = "insufficient-funds"


class BalanceLimitExceeded(Rejected):
    """The balance would leave the range that this service keeps exact."""

    code = "balance-limit-exceeded"


class WalletFrozen(Rejected):
    """The wallet is frozen in this direction."""

    code = "wallet-frozen"


class WalletClosed(Rejected):
    """The wallet is closed."""

    code = "wallet-closed"


@dataclass(slots=True)
class Account:
    """One account as its lock shows it; a working copy that lives as long as its `Book`.

    `posted`, `held` and `floor` are minor units; `head_hash` is the hash of entry `version`, and
    `head_booked_at` its time (None before the first entry).
    """

    id: UUID
    currency: Currency
    purpose: Purpose
    owner_id: UUID | None
    posted: int = 0
    held: int = 0
    version: int = 0
    head_hash: bytes = GENESIS_HASH
    head_booked_at: datetime | None = None
    floor: int = 0
    freeze: Freeze = Freeze.NONE
    closed: bool = False

    def copy(self) -> "Account":
        """Return another working copy, for whoever may have to undo what follows."""
        return Account(
            self.id,
            self.currency,
            self.purpose,
            self.owner_id,
            self.posted,
            self.held,
            self.version,
            self.head_hash,
            self.head_booked_at,
            self.floor,
            self.freeze,
            self.closed,
        )

    @property
    def available(self) -> int:
        """What may be spent or held, in minor units, not counting an overdraft."""
        return self.posted - self.held

    @property
    def debt(self) -> int:
        """How far below its floor a forced refund has left it, in minor units; mostly 0."""
        return max(0, self.floor - self.available)

    @property
    def balance_max(self) -> int:
        """How far from zero the balance may be, in minor units."""
        return BALANCE_MAX if self.purpose is Purpose.WALLET else SYSTEM_BALANCE_MAX

    def refuse_closed(self) -> Rejected | None:
        """Return why nothing can be done with this account any more, or None if it is open."""
        return WalletClosed(wallet_id=str(self.id)) if self.closed else None

    def refuse_debit(self, amount: int, *, despite_freeze: bool = False) -> Rejected | None:
        """Return why `amount` (minor units) cannot leave this account, or None if it can.

        What staff move goes `despite_freeze`: it was they who froze.
        """
        if self.closed:
            return WalletClosed(wallet_id=str(self.id))
        if self.freeze and self.freeze & Freeze.SEND and not despite_freeze:
            return WalletFrozen(wallet_id=str(self.id), direction="send")
        if self.available - amount < self.floor:
            return InsufficientFunds(
                wallet_id=str(self.id),
                currency=self.currency,
                available=self.available,
                amount=amount,
            )
        return None

    def refuse_credit(self, amount: int, *, settled: bool = False) -> Rejected | None:
        """Return why `amount` (minor units) cannot enter this account, or None if it can.

        `settled` money has left its source already, so a freeze does not turn it away. The facts
        name nothing of the account's balance: the caller may be somebody else.
        """
        if self.closed:
            return WalletClosed()
        if self.freeze and self.freeze & Freeze.RECEIVE and not settled:
            return WalletFrozen(direction="receive")
        if self.posted + amount > self.balance_max:
            return BalanceLimitExceeded(maximum=BALANCE_MAX)
        return None


@lru_cache(maxsize=4096)
def system_account_id(purpose: Purpose, currency: str, stripe: int) -> UUID:
    """Return the id of a system account; it follows from what the account is."""
    return uuid5(NAMESPACE_URL, f"wallet:system:{purpose}:{currency}:{stripe}")


def system_accounts(currency: Currency) -> list[Account]:
    """Return every system account that `currency` needs, all stripes, untouched."""
    return _stripes(Purpose.FUNDING, currency)


def adjustment_accounts(currency: Currency) -> list[Account]:
    """Return the system accounts that a currency needs once a balance in it is adjusted."""
    return _stripes(Purpose.ADJUSTMENT, currency)


def _stripes(purpose: Purpose, currency: Currency) -> list[Account]:
    return [
        Account(
            id=system_account_id(purpose, currency, stripe),
            currency=currency,
            purpose=purpose,
            owner_id=None,
            floor=-SYSTEM_BALANCE_MAX,
        )
        for stripe in range(STRIPES)
    ]
