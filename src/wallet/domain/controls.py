"""Controls: what staff decide about a wallet besides its money: freeze, close, overdraft.

They act on the account under its lock and are no entries: the version rises with money alone. The
audit trail keeps each of them, and the verifier compares the account with the last one.
"""

from dataclasses import dataclass
from typing import Self

from wallet.domain.accounts import Account, Freeze, WalletClosed
from wallet.domain.errors import Conflict, Rejected
from wallet.domain.wallets import WalletNotEmpty


class OverdraftInUse(Conflict):
    """The wallet is further below zero than that."""

    code = "overdraft-in-use"


class OverdraftLimitTooHigh(Rejected):
    """One administrator alone may not let a wallet go that far below zero."""

    code = "overdraft-limit-too-high"


@dataclass(frozen=True, slots=True)
class Controls:
    """What staff have decided about a wallet; `floor` is in minor units, at most 0."""

    freeze: Freeze
    floor: int
    closed: bool

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return those of a locked account."""
        return cls(account.freeze, account.floor, account.closed)

    def facts(self) -> dict[str, object]:
        """Return them as the audit trail tells them."""
        return {
            "frozen": freeze_word(self.freeze),
            "overdraft_limit": -self.floor,
            "status": "closed" if self.closed else "open",
        }


def freeze_word(freeze: Freeze) -> str:
    """Return none, send, receive or both."""
    return (freeze.name or "none").lower()


def frozen(account: Account, direction: Freeze) -> Controls:
    """Freeze a direction as well: freezing never lets go of another one. Raises `WalletClosed`."""
    _require_open(account)
    return Controls(account.freeze | direction, account.floor, closed=False)


def unfrozen(account: Account) -> Controls:
    """Let go of both directions. Raises `WalletClosed`."""
    _require_open(account)
    return Controls(Freeze.NONE, account.floor, closed=False)


def with_overdraft(account: Account, limit: int, maximum: int) -> Controls:
    """Let a wallet go down to `limit` minor units below zero; 0 takes the overdraft away.

    Raises `WalletClosed`; `OverdraftLimitTooHigh` if that is more than `maximum` and than it may
    now; `OverdraftInUse` if that is less than it may now and it is further down already.
    """
    _require_open(account)
    if limit > max(maximum, -account.floor):
        raise OverdraftLimitTooHigh(maximum=maximum, currency=str(account.currency))
    if -limit > account.floor and account.available < -limit:
        raise OverdraftInUse(available=account.available, limit=limit)
    return Controls(account.freeze, -limit, closed=False)


def closed(account: Account) -> Controls:
    """Close a wallet that holds nothing. Raises `WalletNotEmpty`."""
    if account.posted or account.held:
        raise WalletNotEmpty(posted=account.posted, held=account.held)
    return Controls(account.freeze, account.floor, closed=True)


def _require_open(account: Account) -> None:
    if account.closed:
        raise WalletClosed(wallet_id=str(account.id))
