"""Spending rules: budgets, caps, payees, and intervals that begin and end in UTC."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from wallet.domain.errors import Rejected
from wallet.domain.spending import (
    ApiKeyExpired,
    ApiKeyRevoked,
    Interval,
    PayeeNotAllowed,
    Spending,
    SpendingBudgetExceeded,
    SpendingPaymentTooLarge,
    SpendingRule,
)

WALLET, KEY, BOB, CAROL = (UUID(int=number) for number in (1, 2, 3, 4))
NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)  # a Wednesday
RULE = SpendingRule(WALLET, "USD", budget=100)


def begun(rule: SpendingRule = RULE, now: datetime = NOW) -> Spending:
    return Spending.begin(KEY, rule, now, None)


@pytest.mark.parametrize(
    ("interval", "moment", "begin", "end"),
    [
        ("day", "2026-11-25T00:00:00Z", "2026-11-25", "2026-11-26"),
        ("day", "2026-11-25T23:59:59.999999Z", "2026-11-25", "2026-11-26"),
        ("day", "2026-11-26T01:30:00+02:00", "2026-11-25", "2026-11-26"),
        ("day", "2028-02-28T12:00:00Z", "2028-02-28", "2028-02-29"),
        ("week", "2026-11-23T00:00:00Z", "2026-11-23", "2026-11-30"),
        ("week", "2026-11-29T23:59:59Z", "2026-11-23", "2026-11-30"),
        ("week", "2027-01-01T00:00:00Z", "2026-12-28", "2027-01-04"),
        ("month", "2026-11-01T00:00:00Z", "2026-11-01", "2026-12-01"),
        ("month", "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
        ("month", "2027-01-31T12:00:00Z", "2027-01-01", "2027-02-01"),
        ("month", "2028-02-29T12:00:00Z", "2028-02-01", "2028-03-01"),
    ],
)
def test_an_interval_begins_and_ends_at_the_calendar_of_utc(
    interval: str, moment: str, begin: str, end: str
) -> None:
    began = Interval(interval).begin(datetime.fromisoformat(moment))
    assert began == datetime.fromisoformat(f"{begin}T00:00:00Z")
    assert Interval(interval).end(began) == datetime.fromisoformat(f"{end}T00:00:00Z")


def test_a_budget_without_an_interval_never_begins_anew() -> None:
    spending = begun().paid(70)
    later = spending.at(NOW + timedelta(days=10_000))
    assert (later.spent, later.left, later.resets_at) == (70, 30, None)


def test_a_budget_begins_anew_right_at_the_end_of_its_interval() -> None:
    spending = begun(replace(RULE, interval=Interval.DAY)).at(NOW).paid(70)
    midnight = datetime(2026, 11, 26, tzinfo=UTC)
    before = spending.at(midnight - timedelta(microseconds=1))
    assert (before.spent, before.resets_at) == (70, midnight)
    after = spending.at(midnight)
    assert (after.spent, after.left) == (0, 100)
    assert after.resets_at == midnight + timedelta(days=1)


def test_intervals_without_a_payment_are_skipped() -> None:
    spending = begun(replace(RULE, interval=Interval.MONTH)).at(NOW).paid(100)
    later = spending.at(datetime(2027, 7, 4, tzinfo=UTC))
    assert (later.spent, later.period_start) == (0, datetime(2027, 7, 1, tzinfo=UTC))


def test_a_new_key_may_pay_even_if_the_clock_of_the_database_is_behind() -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    spending = begun(replace(RULE, interval=Interval.DAY), midnight)
    late = spending.at(midnight - timedelta(seconds=3))
    assert (late.left, late.resets_at) == (100, midnight)


def test_a_clock_of_another_zone_reads_the_same_interval() -> None:
    spending = begun(replace(RULE, interval=Interval.DAY)).at(NOW).paid(70)
    tokyo = timezone(timedelta(hours=9))
    assert spending.at(datetime(2026, 11, 26, 8, 59, tzinfo=tokyo)).spent == 70
    assert spending.at(datetime(2026, 11, 26, 9, 0, tzinfo=tokyo)).spent == 0


def test_exactly_what_is_left_may_be_paid_and_one_more_may_not() -> None:
    spending = begun().paid(60)
    assert spending.refuse(40, BOB, NOW) is None
    refusal = spending.refuse(41, BOB, NOW)
    assert isinstance(refusal, SpendingBudgetExceeded)
    assert dict(refusal.facts) == {
        "currency": "USD", "budget": 100, "left": 40, "amount": 41, "resets_at": None
    }  # fmt: skip


def test_a_refusal_tells_when_the_budget_begins_anew() -> None:
    spending = begun(replace(RULE, interval=Interval.WEEK)).at(NOW).paid(100)
    refusal = spending.refuse(1, BOB, NOW)
    assert refusal is not None
    assert refusal.facts["resets_at"] == "2026-11-30T00:00:00.000000Z"


def test_a_single_payment_may_be_as_large_as_its_cap() -> None:
    spending = begun(replace(RULE, per_payment_max=50))
    assert spending.refuse(50, BOB, NOW) is None
    refusal = spending.refuse(51, BOB, NOW)
    assert isinstance(refusal, SpendingPaymentTooLarge)
    assert dict(refusal.facts) == {"currency": "USD", "per_payment_max": 50, "amount": 51}


def test_only_who_is_listed_may_be_paid() -> None:
    spending = begun(replace(RULE, payee_ids=(BOB,)))
    assert spending.refuse(1, BOB, NOW) is None
    assert isinstance(spending.refuse(1, CAROL, NOW), PayeeNotAllowed)


def test_a_key_that_has_ended_is_no_refusal_of_the_books() -> None:
    ended = replace(begun(), ended=True)
    expired = replace(begun(), expires_at=NOW)
    assert isinstance(ended.refuse(1, BOB, NOW), ApiKeyRevoked)
    assert isinstance(expired.refuse(1, BOB, NOW), ApiKeyExpired)
    assert expired.refuse(1, BOB, NOW - timedelta(microseconds=1)) is None
    for error in (ApiKeyRevoked, ApiKeyExpired):
        assert not issubclass(error, Rejected)
