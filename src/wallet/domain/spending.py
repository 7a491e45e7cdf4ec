"""Spending keys: how much of one wallet an API key may pay, to whom, and in which time.

What a key has spent hangs off the wallet it pays from and is guarded by that account's lock: it is
read after the lock and written with the entries, so no number of processes can spend a budget
twice. The times of the database decide, and intervals begin and end in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from wallet.domain.errors import Rejected, Unauthenticated, WalletError

PAYEES_MAX = 100


class ApiKeyRevoked(Unauthenticated):
    """The API key was revoked, or its secret was replaced by another."""

    code = "api-key-revoked"


class ApiKeyExpired(Unauthenticated):
    """The API key has expired."""

    code = "api-key-expired"


class SpendingBudgetExceeded(Rejected):
    """The payment is more than what is left of the API key's budget."""

    code = "spending-budget-exceeded"


class SpendingPaymentTooLarge(Rejected):
    """The payment is larger than the API key may make at once."""

    code = "spending-payment-too-large"


class PayeeNotAllowed(Rejected):
    """The API key may not pay this person."""

    code = "payee-not-allowed"


class SpendingWalletOther(Rejected):
    """The API key pays from another wallet than this one."""

    code = "spending-wallet-other"


class Interval(StrEnum):
    """How often a budget begins anew: at midnight, on Monday, on the first; always in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def begin(self, moment: datetime) -> datetime:
        """Return when the interval that `moment` lies in began."""
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Interval.WEEK:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self is Interval.MONTH else day

    def end(self, begin: datetime) -> datetime:
        """Return when the interval that began at `begin` ends and the next one begins."""
        if self is Interval.MONTH:
            return (begin + timedelta(days=32)).replace(day=1)
        return begin + timedelta(days=7 if self is Interval.WEEK else 1)


@dataclass(frozen=True, slots=True)
class SpendingRule:
    """What a spending key may do; it never changes. Amounts are minor units.

    Without an interval the budget is one in total. `payee_ids` of None is anybody.
    """

    account_id: UUID
    currency: str
    budget: int
    per_payment_max: int | None = None
    payee_ids: Sequence[UUID] | None = None
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """A rule and what has been spent under it, as the lock of its account shows it.

    `spent` counts since `period_start`, or in total without an interval. `ended` says that the key
    was revoked: nothing is paid with it from then on.
    """

    api_key_id: UUID
    rule: SpendingRule
    expires_at: datetime | None = None
    spent: int = 0
    period_start: datetime | None = None
    ended: bool = False

    @classmethod
    def begin(
        cls, api_key_id: UUID, rule: SpendingRule, now: datetime, expires_at: datetime | None
    ) -> Self:
        """Return the spending of a new key.

        Its interval is the one before: the first payment begins the present one, by the clock of
        the database, which may be behind.
        """
        period_start = None
        if rule.interval is not None:
            begin = rule.interval.begin(now)
            period_start = rule.interval.begin(begin - timedelta(microseconds=1))
        return cls(api_key_id, rule, expires_at, 0, period_start)

    @property
    def place(self) -> tuple[UUID, UUID]:
        """The account and the API key, as it is looked up by."""
        return (self.rule.account_id, self.api_key_id)

    @property
    def left(self) -> int:
        """What may still be spent before the budget begins anew, in minor units."""
        return self.rule.budget - self.spent

    @property
    def resets_at(self) -> datetime | None:
        """When the budget begins anew, or None if it never does."""
        if self.rule.interval is None or self.period_start is None:
            return None
        return self.rule.interval.end(self.period_start)

    def at(self, moment: datetime) -> Self:
        """Return the spending as it is at `moment`: in a new interval nothing has been spent."""
        resets_at = self.resets_at
        if self.rule.interval is None or resets_at is None or moment < resets_at:
            return self
        return replace(self, spent=0, period_start=self.rule.interval.begin(moment))

    def refuse(self, amount: int, payee_id: UUID, booked_at: datetime) -> WalletError | None:
        """Return why `amount` (minor units) cannot be paid, or None; call it on what `at` returns.

        A key that has ended is no refusal: nothing is decided then, and nothing stored.
        """
        rule = self.rule
        if self.ended:
            return ApiKeyRevoked()
        if self.expires_at is not None and booked_at >= self.expires_at:
            return ApiKeyExpired()
        if rule.payee_ids is not None and payee_id not in rule.payee_ids:
            return PayeeNotAllowed()
        if rule.per_payment_max is not None and amount > rule.per_payment_max:
            return SpendingPaymentTooLarge(
                currency=rule.currency, per_payment_max=rule.per_payment_max, amount=amount
            )
        if amount > self.left:
            return SpendingBudgetExceeded(
                currency=rule.currency,
                budget=rule.budget,
                left=self.left,
                amount=amount,
                resets_at=_told(self.resets_at),
            )
        return None

    def paid(self, amount: int) -> Self:
        """Return the spending after a payment of `amount` minor units."""
        return replace(self, spent=self.spent + amount)


def _told(moment: datetime | None) -> str | None:
    """Return a moment as facts hold it."""
    return None if moment is None else moment.isoformat(timespec="microseconds")[:-6] + "Z"
