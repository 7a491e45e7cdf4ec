"""Fields that several bodies share: strict, bounded, and free of what cannot be stored."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from wallet.domain.money import AMOUNT_MAX
from wallet.domain.transfers import (
    METADATA_KEY_LENGTH_MAX,
    METADATA_KEYS_MAX,
    METADATA_VALUE_LENGTH_MAX,
)


class Body(BaseModel):
    """A request body: nothing is converted, and nothing unknown is accepted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Answer(BaseModel):
    """A response body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def storable(text: str) -> str:
    """Return text that PostgreSQL can keep; raise ValueError for NUL and lone surrogates."""
    if "\x00" in text:
        raise ValueError("must not contain the character NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode, without lone surrogates") from None
    return text


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_YEARS = range(1970, 2300)


def instant_of(text: object) -> datetime:
    """Return a time given by RFC 3339, or the beginning of a date in UTC.

    Raises ValueError, also for years outside of 1970 to 2299.
    """
    if isinstance(text, datetime):
        return text
    try:
        if isinstance(text, str) and _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            found = datetime(day.year, day.month, day.day, tzinfo=UTC)
        elif isinstance(text, str) and _INSTANT.fullmatch(text):
            found = datetime.fromisoformat(text.upper()).astimezone(UTC)
        else:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a time such as 2026-11-22T12:00:00Z, or a date such as 2026-11-22"
        ) from None
    if found.year not in _YEARS:
        raise ValueError("must be in the years 1970 to 2299")
    return found


def _text_map(values: dict[str, str]) -> dict[str, str]:
    for key, value in values.items():
        storable(key)
        storable(value)
    return values


Text = Annotated[str, AfterValidator(storable)]

Amount = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=AMOUNT_MAX,
        description="In minor units of the currency (cents for USD): an integer, never a float.",
        examples=[2500],
    ),
]
CurrencyCode = Annotated[
    str,
    Field(pattern="^[A-Z]{3}$", description="An ISO 4217 code.", examples=["USD"]),
]
DefaultedCurrency = Annotated[
    CurrencyCode | None,
    Field(description="An ISO 4217 code; without one, your default wallet."),
]
Instant = Annotated[
    datetime,
    BeforeValidator(instant_of),
    Field(
        json_schema_extra={"type": "string", "examples": ["2026-11-22T12:00:00Z"]},
    ),
]
UserId = Annotated[UUID, Strict(strict=False)]
Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=METADATA_KEY_LENGTH_MAX)],
        Annotated[str, Field(max_length=METADATA_VALUE_LENGTH_MAX)],
    ],
    Field(
        max_length=METADATA_KEYS_MAX,
        description="Up to 50 keys of your own, of up to 500 characters; both sides see them.",
        examples=[{"order": "4711"}],
    ),
    AfterValidator(_text_map),
]
JsonObject = dict[str, Any]
