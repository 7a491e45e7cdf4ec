"""Statements of a wallet: what it held, every line of a period, and what it held then.

A period begins with its first instant and ends before its last. What is booked never changes, so a
statement of a period that is over is the same for ever; one that is not over yet says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Invalid
from wallet.domain.history import Line
from wallet.domain.money import Currency

LINES_MAX = 10_000
"""How many lines a statement has at most."""
SETTLING = timedelta(seconds=5)
"""A time is given when money is locked and seen when it is committed, which takes no longer."""


class PeriodInvalid(Invalid):
    """A period begins before it ends, and no later than now."""

    code = "period-invalid"


class StatementTooLong(Invalid):
    """There are too many lines in this period for one statement; ask for a shorter one."""

    code = "statement-too-long"


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` up to, but not including, `until`; both in UTC."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise PeriodInvalid

    @classmethod
    def month(cls, year: int, month: int) -> "Period":
        """Return a calendar month in UTC."""
        until = (year + month // 12, month % 12 + 1)
        return cls(datetime(year, month, 1, tzinfo=UTC), datetime(*until, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class BalanceAt:
    """What a wallet held after its entry of `version`, in minor units; 0 is before the first."""

    wallet_id: UUID
    currency: Currency
    version: int
    posted: int
    held: int
    booked_at: datetime | None

    @property
    def available(self) -> int:
        """What could be spent, without an overdraft."""
        return self.posted - self.held


@dataclass(frozen=True, slots=True)
class Totals:
    """How much came in and went out, in minor units, and in how many lines."""

    amount_in: int
    lines_in: int
    amount_out: int
    lines_out: int

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "Totals":
        """Sum up lines."""
        deltas = [line.entry.posted_delta for line in lines]
        came, went = [d for d in deltas if d > 0], [-d for d in deltas if d < 0]
        return cls(sum(came), len(came), sum(went), len(went))


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose statement it is."""

    user_id: UUID
    first_name: str
    last_name: str
    handle: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A period of one wallet; `lines` are in the order of the ledger, oldest first.

    `opening` is what the wallet held before the first of them, `closing` after the last. `final` is
    whether nothing can be added any more, `made_at` when it was put together.
    """

    holder: Holder
    wallet_id: UUID
    currency: Currency
    period: Period
    opening: BalanceAt
    closing: BalanceAt
    lines: Sequence[Line]
    made_at: datetime

    @property
    def totals(self) -> Totals:
        """How much came in and went out."""
        return Totals.of(self.lines)

    @property
    def final(self) -> bool:
        """Whether the period is over, and everything in it committed."""
        return self.period.until + SETTLING <= self.made_at


class StatementLines(Protocol):
    """What statements are made of."""

    async def balances_at(
        self, owner_id: UUID, wallet_id: UUID, instants: Sequence[datetime]
    ) -> Sequence[BalanceAt] | None:
        """Return what a wallet held right before each instant; None if it is not the owner's."""
        ...

    async def lines_between(
        self, wallet_id: UUID, after_version: int, up_to_version: int
    ) -> Sequence[Line]:
        """Return the lines of these versions, oldest first."""
        ...

    async def holder(self, owner_id: UUID) -> Holder:
        """Return whose wallet it is."""
        ...
