"""Dates, periods and amounts as an English reader expects them; days and times are in UTC."""

from datetime import UTC, date, datetime, timedelta

from wallet.domain.statements import Period
from wallet.infrastructure.statements.words import decimal

MINUS = "\N{MINUS SIGN}"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def day(value: date) -> str:
    """Return a day: ``3 November 2026``."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def short_day(value: date) -> str:
    """Return a day for a narrow column: ``3 Nov 2026``."""
    return f"{value.day} {_MONTHS[value.month - 1][:3]} {value.year}"


def clock(value: datetime) -> str:
    """Return the time of a day in UTC: ``14:05``."""
    return f"{value.astimezone(UTC):%H:%M}"


def instant(value: datetime) -> str:
    """Return a time: ``3 November 2026, 14:05 UTC``."""
    return f"{day(value.astimezone(UTC))}, {clock(value)} UTC"


def period_of(period: Period) -> str:
    """Return a period: a month, a day, a range of days, or a range of times."""
    since, until = period.since.astimezone(UTC), period.until.astimezone(UTC)
    if any(value.time() != value.min.time() for value in (since, until)):
        return f"{instant(since)} to {instant(until)}"
    last = until - timedelta(days=1)
    if period == Period.month(since.year, since.month):
        return f"{_MONTHS[since.month - 1]} {since.year}"
    return day(since) if last == since else f"{day(since)} to {day(last)}"


def grouped(amount: int, currency: str) -> str:
    """Return minor units with thousands set apart and a real minus: ``1,234.50``."""
    whole, point, fraction = decimal(abs(amount), currency).partition(".")
    return f"{MINUS if amount < 0 else ''}{int(whole):,}{point}{fraction}"


def signed(amount: int, currency: str) -> str:
    """Return minor units that came in or went out, with their sign: ``+1,234.50``."""
    return f"{'+' if amount > 0 else ''}{grouped(amount, currency)}"


def movements(count: int) -> str:
    """Return how many lines there are: ``1 movement``."""
    return f"{count:,} movement{'' if count == 1 else 's'}"
