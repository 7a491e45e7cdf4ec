"""How arguments as people have them become fields as the wire has them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from wallet_sdk._generated.types import UNSET, Unset
from wallet_sdk.money import Money

Id = str | UUID
Instant = datetime | date | str
T = TypeVar("T")


def given(value: T | None) -> T | Unset:
    """Return a value, or what stands for a missing one."""
    return UNSET if value is None else value


def id_of(value: Id | None) -> str | Unset:
    """Return an id as text."""
    return UNSET if value is None else str(value)


def instant_of(value: Instant | None) -> str | Unset:
    """Return a time as RFC 3339, or a date; raise ValueError for a time without its zone."""
    if value is None:
        return UNSET
    if isinstance(value, datetime) and value.utcoffset() is None:
        raise ValueError("a time needs a zone: datetime(2026, 11, 1, tzinfo=UTC)")
    return value if isinstance(value, str) else value.isoformat()


def amount_of(amount: Money | int, currency: str | None) -> tuple[int, str | Unset]:
    """Return minor units, and the currency if it was given.

    Raises TypeError for a float, and ValueError if two currencies are named.
    """
    if isinstance(amount, Money):
        if currency not in (None, amount.currency):
            raise ValueError(f"{amount} is not in {currency}")
        return amount.minor, amount.currency
    if type(amount) is not int:
        raise TypeError(f"an amount is Money, or an int of minor units, not {amount!r}")
    return amount, given(currency)


def metadata_of(values: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return metadata as they are; raise TypeError unless keys and values are text."""
    for key, value in (values or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata are text: {key!r}: {value!r}")
    return values
