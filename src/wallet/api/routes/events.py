"""Events: what was missed, in the words of webhooks."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from wallet.api.cursors import CURSOR_LENGTH_MAX, decode_cursor, encode_cursor
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.event_documents import EVENT_EXAMPLE, EventAnswer, event_document
from wallet.api.fields import Answer
from wallet.api.money import SIGNED_IN
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.application.event_log import LIMIT_MAX
from wallet.domain.events import (
    EVENT_TYPES,
    EventIdInvalid,
    EventNotFound,
    EventTypeUnknown,
    known_types,
)
from wallet.domain.history import CursorInvalid
from wallet.domain.live import LastEventIdInvalid, positions_of
from wallet.domain.sessions import Principal

router = APIRouter(tags=["Events"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

AFTER_LENGTH_MAX = 8_000
NOW: Literal["now"] = "now"
_CURSORS = b"events"


class EventsQuery(BaseModel):
    """Which events, and where to go on."""

    model_config = ConfigDict(extra="forbid")

    after: str | None = Field(
        None,
        max_length=max(AFTER_LENGTH_MAX, CURSOR_LENGTH_MAX),
        description="A `position` or `next_cursor` of this list, or the id of the last event you "
        "have seen (of a webhook or a live stream; several with commas between). `now` begins "
        "behind everything there is. Without it, the list begins with your first event.",
        examples=["now"],
    )
    types: list[str] = Field(
        [], max_length=len(EVENT_TYPES), description="Only events of these types."
    )
    limit: int = Field(50, ge=1, le=LIMIT_MAX)


class EventList(Answer):
    """Some events, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [EVENT_EXAMPLE], "next_cursor": None, "position": "Xw4PSAGXpvJBt3zAilI"}
            ]
        }
    )

    items: list[EventAnswer]
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")
    position: str = Field(
        description="The place behind these events, also on the last page: keep it, and give it "
        "as `after` to learn what has happened since."
    )


@router.get(
    "/events",
    operation_id="listEvents",
    summary="Catch up on what has happened",
    response_model=EventList,
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, EventIdInvalid, EventTypeUnknown, CursorInvalid
    ),
)
async def list_events(
    request: Request, person: Person, query: Annotated[EventsQuery, Query()]
) -> dict[str, Any]:
    """Return events, oldest first, with the ids that they have on webhooks and live streams.

    Nothing is left out, and in each wallet the order is that of the books. After an event id some
    events of other wallets may come a second time: look at the ids. After a `position` none does.
    """
    events = use_cases(request).event_log
    if query.after == NOW:
        page = await events.now(person.user_id)
    else:
        place = None if query.after is None else place_of(query.after)
        page = await events.page(
            person.user_id, place, types=known_types(query.types), limit=query.limit
        )
    position = encode_cursor(page.place, _CURSORS)
    return {
        "items": [event_document(event) for event in page.events],
        "next_cursor": position if page.more else None,
        "position": position,
    }


@router.get(
    "/events/{id}",
    operation_id="getEvent",
    summary="See one event",
    response_model=EventAnswer,
    responses=problem_responses(*SIGNED_IN, EventNotFound),
)
async def get_event(request: Request, id: str, person: Person) -> dict[str, Any]:  # noqa: A002
    """Return one event by its id, such as the `webhook-id` of a webhook."""
    try:
        ((stream_id, version),) = positions_of([id]).items()
    except (LastEventIdInvalid, ValueError):
        raise EventNotFound from None
    return event_document(
        await use_cases(request).event_log.one(person.user_id, stream_id, version)
    )


def place_of(text: str) -> dict[UUID, int]:
    """Return the place that a cursor or event ids name; raise `EventIdInvalid`."""
    try:
        return positions_of([text]) if ":" in text else decode_cursor(text, _CURSORS)
    except (LastEventIdInvalid, CursorInvalid):
        raise EventIdInvalid from None
