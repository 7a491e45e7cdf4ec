"""Refunds: staff give a transfer back, from the one who got it to the one who paid it.

What was refunded of a transfer is rows of its own, guarded by the payer's lock: together they never
exceed the transfer. A freeze does not stop a refund, since those who freeze are those who refund.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from wallet.domain.accounts import InsufficientFunds
from wallet.domain.audit_trail import Act, ActKind, SubjectKind
from wallet.domain.controls import OverdraftLimitTooHigh
from wallet.domain.errors import NotFound, Rejected
from wallet.domain.journal import Details, Posting
from wallet.domain.ledger import Change, Decision, Header, StaffChange
from wallet.domain.money import BALANCE_MAX, Currency
from wallet.domain.staff import StaffMember

if TYPE_CHECKING:
    from wallet.domain.ledger import Book

METADATA_KEY = "refund_of"
"""Under this key of a refund's metadata both sides see which transfer was given back."""


class TransferNotFound(NotFound):
    """There is no such transfer."""

    code = "transfer-not-found"


class RefundExceedsTransfer(Rejected):
    """More would be refunded than was paid."""

    code = "refund-exceeds-transfer"


@dataclass(frozen=True, slots=True)
class BookedTransfer:
    """A transfer that was accepted, as its header says: none of it ever changes."""

    id: UUID
    account_id: UUID
    owner_id: UUID
    counterparty_id: UUID
    counterparty_owner_id: UUID
    amount: int
    currency: Currency


@dataclass(frozen=True, slots=True)
class Refund:
    """What one refund gave back of a transfer; guarded by `account_id`, which had paid it."""

    account_id: UUID
    transfer_id: UUID
    id: UUID
    source_id: UUID
    amount: int
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class RefundTransfer:
    """Move `header.amount` of a transfer back, from its payee's wallet to its payer's.

    With `force`, a payee without the money goes below their wallet's floor: into a debt of at most
    `debt_max` minor units, which what comes in repays before anything can be sent again.
    """

    header: Header
    transfer: BookedTransfer
    actor: StaffMember
    reason: str
    act_id: UUID
    force: bool = False
    debt_max: int = BALANCE_MAX
    details: Details | None = None
    funding_id: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the wallets of payee and payer."""
        return (self.transfer.counterparty_id, self.transfer.account_id)

    def decide(self, book: "Book") -> Decision:
        """Refuse, or move the amount back; what was refunded before counts."""
        transfer, amount = self.transfer, self.header.amount
        self.actor.require_other(transfer.owner_id, transfer.counterparty_owner_id)
        source, target = book.account(transfer.counterparty_id), book.account(transfer.account_id)
        refunded = book.refunded.get(transfer.id, 0)
        if refunded + amount > transfer.amount:
            return RefundExceedsTransfer(
                amount=transfer.amount, refunded=refunded, refundable=transfer.amount - refunded
            )
        refusal = source.refuse_debit(amount, despite_freeze=True)
        rest = source.available - amount
        debt = max(0, source.floor - rest)
        if self.force and isinstance(refusal, InsufficientFunds) and rest >= -BALANCE_MAX:
            refusal = None
            if debt > self.debt_max:
                refusal = OverdraftLimitTooHigh(
                    maximum=self.debt_max, currency=str(transfer.currency)
                )
        refusal = refusal or target.refuse_credit(amount, settled=True)
        if refusal is not None:
            return refusal
        refund = Refund(
            transfer.account_id, transfer.id, self.header.id, source.id, amount, book.booked_at
        )
        act = self._act(book, refunded, source.debt, debt)
        return Change(
            postings=(
                Posting(source.id, -amount, counterparty_id=target.id),
                Posting(target.id, amount, counterparty_id=source.id),
            ),
            staff=StaffChange(
                acts=(act,),
                refunds=(refund,),
                debts={source.id: debt} if debt else {},
            ),
        )

    def _act(self, book: "Book", refunded: int, debt: int, new_debt: int) -> Act:
        before, after = {"refunded": refunded}, {"refunded": refunded + self.header.amount}
        if new_debt:
            before["debt"], after["debt"] = debt, new_debt
        return Act(
            id=self.act_id,
            kind=ActKind.TRANSFER_REFUNDED,
            happened_at=book.booked_at,
            actor=self.actor,
            subject_kind=SubjectKind.TRANSACTION,
            subject_id=self.transfer.id,
            person_id=self.transfer.counterparty_owner_id,
            reason=self.reason,
            before=before,
            after={**after, "refund_id": str(self.header.id), "forced": self.force},
        )
