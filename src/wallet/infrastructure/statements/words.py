"""What all renderings say alike: decimals, times, and the last day that a statement is about."""

import re
from datetime import UTC, date, datetime, timedelta

from wallet.domain.history import Counterparty
from wallet.domain.money import display
from wallet.domain.statements import Statement

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_INSTANT = timedelta(microseconds=1)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NO_CHARACTERS = re.compile("[\ud800-\udfff\ufffe\uffff]")


def decimal(amount: int, currency: str) -> str:
    """Return minor units as a plain number: ``decimal(-1234, "USD") == "-12.34"``."""
    return display(amount, currency).removesuffix(f" {currency}")


def moment(value: datetime) -> str:
    """Return a time as RFC 3339 in UTC, always with six digits of a second."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def known_until(statement: Statement) -> datetime:
    """Return the time of the closing balance: the end of the period, or when it was made."""
    return min(statement.period.until, statement.made_at)


def last_moment(statement: Statement) -> datetime:
    """Return the last instant of the period; its `until` is the first one after it."""
    return statement.period.until - _INSTANT


def last_day(statement: Statement) -> date:
    """Return the day in UTC of the closing balance."""
    return (known_until(statement) - _INSTANT).astimezone(UTC).date()


def name_of(party: Counterparty) -> str:
    """Return a counterparty as the holder may know them: first name and initial."""
    return f"{party.first_name} {party.initial}.".strip() if party.initial else party.first_name


def writable(text: str) -> str:
    """Return text without control characters (but tab and line ends) and what is no character.

    What is left may stand in UTF-8 and in XML 1.0; half a surrogate pair becomes U+FFFD.
    """
    return _NO_CHARACTERS.sub(REPLACEMENT, _CONTROLS.sub("", text))
