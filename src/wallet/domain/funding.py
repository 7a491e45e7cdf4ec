"""Funding: how money enters from outside, in three steps that each survive a crash.

1. `RequestTopUp` records a pending funding under the caller's key; no money moves.
2. The gateway is called with the funding's id as its key, outside any ledger transaction.
3. `SettleTopUp` credits the wallet from a system account, or `DeclineTopUp` ends it.

A funding's id is the id of its settlement too, so the line of a person's history carries the id
that the top-up was answered with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from wallet.domain.accounts import Purpose, system_account_id
from wallet.domain.errors import NotFound, Rejected, Unavailable
from wallet.domain.journal import Posting
from wallet.domain.ledger import Book, Change, Decision, Header
from wallet.domain.transfers import NotYourWallet


class FundingStatus(StrEnum):
    """How far a funding has come."""

    PENDING = "pending"
    SETTLED = "settled"
    DECLINED = "declined"


class TopUpDeclined(Rejected):
    """The funding source declined the top-up."""

    code = "top-up-declined"


class FundingAlreadyDecided(Rejected):
    """The funding was settled or declined before."""

    code = "funding-already-decided"


class FundingNotSettled(Unavailable):
    """The money has been paid, but cannot be credited yet."""

    code = "funding-not-settled"


class FundingNotFound(NotFound):
    """There is no such funding."""

    code = "funding-not-found"


@dataclass(frozen=True, slots=True)
class Funding:
    """Money on its way in; guarded by its wallet's lock. `amount` is in minor units."""

    id: UUID
    account_id: UUID
    owner_id: UUID
    amount: int
    currency: str
    source: str
    status: FundingStatus
    created_at: datetime
    decided_at: datetime | None = None
    reason: str | None = None


class Verdict(StrEnum):
    """What a funding source says."""

    APPROVED = "approved"
    DECLINED = "declined"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """A funding source's answer; `reason` says why it declined."""

    verdict: Verdict
    reason: str | None = None


class FundingGateway(Protocol):
    """A source of money outside; charging twice under one id charges once."""

    @property
    def name(self) -> str:
        """The name that fundings are recorded under."""
        ...

    async def charge(self, funding: Funding) -> GatewayAnswer:
        """Charge the source under the funding's id; raise `Unavailable` if it cannot be asked."""
        ...


class Fundings(Protocol):
    """The fundings that are kept, read without the wallet's lock."""

    async def get(self, account_id: UUID, funding_id: UUID) -> Funding | None:
        """Return one funding, or None."""
        ...

    async def pending(
        self, *, before: datetime, after: Funding | None, limit: int
    ) -> Sequence[Funding]:
        """Return pending fundings created before a moment, oldest first, beyond another one."""
        ...


def funding_id_of(request_id: UUID) -> UUID:
    """Return the id of the funding that a request makes; a repeated request finds it again."""
    return UUID(int=request_id.int ^ 1)


@dataclass(frozen=True, slots=True)
class RequestTopUp:
    """Record a pending funding of the actor's own wallet."""

    header: Header
    actor_id: UUID
    source: str
    details: None = None
    funding_id: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the wallet."""
        return (self.header.account_id,)

    def decide(self, book: Book) -> Decision:
        """Refuse what could not be credited; otherwise record it as pending."""
        wallet = book.account(self.header.account_id)
        if wallet.owner_id != self.actor_id:
            return NotYourWallet()
        refusal = wallet.refuse_credit(self.header.amount)
        if refusal is not None:
            return refusal
        funding = Funding(
            id=funding_id_of(self.header.id),
            account_id=wallet.id,
            owner_id=self.actor_id,
            amount=self.header.amount,
            currency=wallet.currency,
            source=self.source,
            status=FundingStatus.PENDING,
            created_at=book.booked_at,
        )
        return Change(fundings=(funding,))


def _pending(book: Book, funding_id: UUID) -> Funding | Rejected | NotFound:
    funding = book.fundings.get(funding_id)
    if funding is None:
        return FundingNotFound()
    if funding.status is not FundingStatus.PENDING:
        return FundingAlreadyDecided(status=funding.status.value)
    return funding


@dataclass(frozen=True, slots=True)
class SettleTopUp:
    """Credit the wallet with what the funding source has paid."""

    header: Header
    funding_id: UUID
    details: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the wallet and this batch's system account."""
        header = self.header
        return (
            header.account_id,
            system_account_id(Purpose.FUNDING, header.currency, stripe),
        )

    def decide(self, book: Book) -> Decision:
        """Credit the wallet once; a freeze does not turn money away that has been paid."""
        funding = _pending(book, self.funding_id)
        if not isinstance(funding, Funding):
            return funding
        wallet = book.account(funding.account_id)
        outside = book.account(system_account_id(Purpose.FUNDING, funding.currency, book.stripe))
        refusal = wallet.refuse_credit(funding.amount, settled=True) or outside.refuse_debit(
            funding.amount
        )
        if refusal is not None:
            # The source has paid: nothing is decided for good, and it is tried again.
            return FundingNotSettled(reason=refusal.code)
        return Change(
            postings=(
                Posting(wallet.id, funding.amount, counterparty_id=outside.id),
                Posting(outside.id, -funding.amount, counterparty_id=wallet.id),
            ),
            fundings=(replace(funding, status=FundingStatus.SETTLED, decided_at=book.booked_at),),
        )


@dataclass(frozen=True, slots=True)
class DeclineTopUp:
    """End a funding whose source said no."""

    header: Header
    funding_id: UUID
    reason: str
    details: None = None
    parts: None = None
    api_key_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the wallet, whose lock guards the funding."""
        return (self.header.account_id,)

    def decide(self, book: Book) -> Decision:
        """Mark the funding as declined, once."""
        funding = _pending(book, self.funding_id)
        if not isinstance(funding, Funding):
            return funding
        return Change(
            fundings=(
                replace(
                    funding,
                    status=FundingStatus.DECLINED,
                    decided_at=book.booked_at,
                    reason=self.reason,
                ),
            )
        )
