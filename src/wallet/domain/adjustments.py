"""Adjustments: a balance is corrected against a system account, by two administrators.

One asks (`RequestAdjustment`, which moves nothing), another approves (`BookAdjustment`, which moves
the money and decides it in one transaction) or rejects. An adjustment's id is that of its booking,
so a person's line carries it; its wallet's lock guards it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self
from uuid import UUID

from wallet.domain.accounts import Purpose, system_account_id
from wallet.domain.audit_trail import Act, ActKind, SubjectKind
from wallet.domain.errors import Conflict, Forbidden, Invalid, NotFound
from wallet.domain.journal import Posting
from wallet.domain.ledger import Book, Change, Decision, Header, StaffChange
from wallet.domain.money import AMOUNT_MAX, Currency
from wallet.domain.staff import StaffMember


class AdjustmentNotFound(NotFound):
    """There is no such adjustment."""

    code = "adjustment-not-found"


class AdjustmentAlreadyDecided(Conflict):
    """The adjustment was approved or rejected before."""

    code = "adjustment-already-decided"


class AdjustmentNotBooked(Conflict):
    """The books refuse this adjustment as things are; it stays pending."""

    code = "adjustment-not-booked"


class SecondApproverNeeded(Forbidden):
    """Somebody other than who asked for an adjustment must approve it."""

    code = "second-approver-needed"


class AdjustmentAmountInvalid(Invalid):
    """An adjustment adds or takes something."""

    code = "adjustment-amount-invalid"


class AdjustmentStatus(StrEnum):
    """How far an adjustment has come."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A correction of a wallet by `amount` minor units: above zero adds, below takes."""

    id: UUID
    account_id: UUID
    owner_id: UUID
    currency: Currency
    amount: int
    reason: str
    requested_by: UUID
    requested_at: datetime
    status: AdjustmentStatus = AdjustmentStatus.PENDING
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None

    def decided(self, status: AdjustmentStatus, by: StaffMember, reason: str, at: datetime) -> Self:
        """Return the adjustment after a decision.

        Raises `AdjustmentAlreadyDecided`, or `SecondApproverNeeded` if who asked approves.
        """
        if self.status is not AdjustmentStatus.PENDING:
            raise AdjustmentAlreadyDecided(status=self.status.value)
        if status is AdjustmentStatus.APPROVED and by.id in (None, self.requested_by):
            raise SecondApproverNeeded
        return replace(self, status=status, decided_by=by.id, decided_at=at, decision_reason=reason)

    def act(self, id_: UUID, kind: ActKind, actor: StaffMember, reason: str, at: datetime) -> Act:
        """Return what the audit trail says of a step of this adjustment."""
        asked = kind is ActKind.ADJUSTMENT_REQUESTED
        after: dict[str, object] = {"status": self.status.value}
        if asked:
            after |= {
                "amount": self.amount,
                "currency": str(self.currency),
                "wallet_id": str(self.account_id),
            }
        return Act(
            id=id_,
            kind=kind,
            happened_at=at,
            actor=actor,
            subject_kind=SubjectKind.ADJUSTMENT,
            subject_id=self.id,
            person_id=self.owner_id,
            reason=reason,
            before={} if asked else {"status": AdjustmentStatus.PENDING.value},
            after=after,
        )


def adjustment_id_of(request_id: UUID) -> UUID:
    """Return the id of the adjustment that a request makes; a repeated request finds it again."""
    return UUID(int=request_id.int ^ 1)


def check_adjustment(amount: int) -> int:
    """Return a signed amount in minor units; raise `AdjustmentAmountInvalid` for 0 or too much."""
    if not 1 <= abs(amount) <= AMOUNT_MAX:
        raise AdjustmentAmountInvalid(minimum=1, maximum=AMOUNT_MAX)
    return amount


@dataclass(frozen=True, slots=True)
class RequestAdjustment:
    """Record a pending adjustment of the wallet that it is filed under; no money moves."""

    header: Header
    amount: int
    actor: StaffMember
    reason: str
    act_id: UUID
    details: None = None
    funding_id: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the wallet."""
        return (self.header.account_id,)

    def decide(self, book: Book) -> Decision:
        """Refuse a wallet that is closed; otherwise record it as pending."""
        wallet = book.account(self.header.account_id)
        if self.actor.id is None or wallet.owner_id is None:
            return AdjustmentNotFound()
        self.actor.require_other(wallet.owner_id)
        refusal = wallet.refuse_closed()
        if refusal is not None:
            return refusal
        adjustment = Adjustment(
            id=adjustment_id_of(self.header.id),
            account_id=wallet.id,
            owner_id=wallet.owner_id,
            currency=wallet.currency,
            amount=self.amount,
            reason=self.reason,
            requested_by=self.actor.id,
            requested_at=book.booked_at,
        )
        act = adjustment.act(
            self.act_id, ActKind.ADJUSTMENT_REQUESTED, self.actor, self.reason, book.booked_at
        )
        return Change(staff=StaffChange(acts=(act,), adjustments=(adjustment,)))


@dataclass(frozen=True, slots=True)
class BookAdjustment:
    """Approve a pending adjustment and move its money, once: its key follows from its id.

    What cannot be booked now is no outcome: nothing is stored, and it may be approved later.
    """

    header: Header
    adjustment_id: UUID
    actor: StaffMember
    reason: str
    act_id: UUID
    details: None = None
    funding_id: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the wallet and this batch's system account."""
        header = self.header
        return (
            header.account_id,
            system_account_id(Purpose.ADJUSTMENT, header.currency, stripe),
        )

    def decide(self, book: Book) -> Decision:
        """Move the money and mark it as approved, or say why not; a freeze is no reason."""
        adjustment = book.adjustments.get(self.adjustment_id)
        if adjustment is None:
            return AdjustmentNotFound()
        self.actor.require_other(adjustment.owner_id)
        approved = adjustment.decided(
            AdjustmentStatus.APPROVED, self.actor, self.reason, book.booked_at
        )
        wallet = book.account(adjustment.account_id)
        outside = book.account(
            system_account_id(Purpose.ADJUSTMENT, adjustment.currency, book.stripe)
        )
        amount = adjustment.amount
        payer, payee = (outside, wallet) if amount > 0 else (wallet, outside)
        refusal = payer.refuse_debit(abs(amount), despite_freeze=True) or payee.refuse_credit(
            abs(amount), settled=True
        )
        if refusal is not None:
            return AdjustmentNotBooked(reason=refusal.code, available=wallet.available)
        act = approved.act(
            self.act_id, ActKind.ADJUSTMENT_APPROVED, self.actor, self.reason, book.booked_at
        )
        return Change(
            postings=(
                Posting(wallet.id, amount, counterparty_id=outside.id),
                Posting(outside.id, -amount, counterparty_id=wallet.id),
            ),
            staff=StaffChange(acts=(act,), adjustments=(approved,)),
        )


class Adjustments(Protocol):
    """The adjustments that are kept, read without the wallet's lock, and rejected under it."""

    async def get(self, adjustment_id: UUID) -> Adjustment | None:
        """Return one adjustment, or None."""
        ...

    async def page(
        self, status: AdjustmentStatus | None, *, before: UUID | None, limit: int
    ) -> Sequence[Adjustment]:
        """Return the next `limit` adjustments with an id below `before`, newest first."""
        ...

    async def reject(self, adjustment: Adjustment) -> None:
        """Write a rejection; the wallet is locked."""
        ...
