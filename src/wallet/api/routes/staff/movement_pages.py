"""What the lists of movements and of refusals have in common: filters, cursors, and their pages."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from wallet.api.answers import moment
from wallet.api.cursors import decode_place, encode_place
from wallet.api.fields import CurrencyCode, Instant, JsonObject
from wallet.api.routes.staff.shapes import PageLimit
from wallet.api.routes.transactions import SearchedAmount
from wallet.domain.journal import Kind
from wallet.domain.movements import MovementPlace, MovementSearch

SCANNED_TO: Any = Field(
    description="How far this page has looked, where it ended before it was full: one page looks "
    "at a stretch of the books. Go on with `next_cursor`."
)


class MovementsQuery(BaseModel):
    """The filters of both lists."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = 50
    cursor: str | None = Field(
        None,
        max_length=500,
        description="The `next_cursor` of the page before, with the same filters.",
    )
    currency: CurrencyCode | None = None
    amount_min: SearchedAmount | None = Field(None, description="In minor units.")
    amount_max: SearchedAmount | None = Field(None, description="In minor units.")
    booked_from: Instant | None = Field(
        None, description="At this time or later: RFC 3339, or a date (in UTC)."
    )
    booked_to: Instant | None = Field(
        None, description="Before this time: RFC 3339, or a date (in UTC)."
    )

    def to_search(self, kinds: tuple[Kind, ...], code: str | None = None) -> MovementSearch:
        """Return what is asked for, in the words of the domain."""
        return MovementSearch(
            kinds=tuple(sorted(set(kinds))),
            amount_min=self.amount_min,
            amount_max=self.amount_max,
            since=self.booked_from,
            until=self.booked_to,
            currency=self.currency,
            code=code,
        )


def place_of(listing: str, cursor: str | None) -> MovementPlace | None:
    """Return where a cursor goes on; raise `CursorInvalid`."""
    if cursor is None:
        return None
    at, id_ = decode_place(listing, cursor, "ti")
    return MovementPlace(at, id_)


def movements_page(
    listing: str, items: list[JsonObject], following: MovementPlace | None, limit: int
) -> JsonObject:
    """Return a page of either list."""
    ended_early = following is not None and len(items) < limit
    return {
        "items": items,
        "next_cursor": None if following is None else encode_place(listing, *_parts(following)),
        "scanned_to": moment(following.at) if following is not None and ended_early else None,
    }


def _parts(place: MovementPlace) -> tuple[Any, Any]:
    return place.at, place.id
