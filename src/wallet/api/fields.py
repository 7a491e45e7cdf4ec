"""Fields that several bodies share: strict, bounded, and free of what cannot be stored."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

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
