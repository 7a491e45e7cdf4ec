"""Refusals as staff see them: what the books would not do, for whom, and why."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict, Field

from wallet.api import staff_answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.fields import Answer, JsonObject
from wallet.api.problems import problem_responses
from wallet.api.routes.staff.access import STAFF, TAG, Reader, staff_side
from wallet.api.routes.staff.movement_pages import (
    SCANNED_TO,
    MovementsQuery,
    movements_page,
    place_of,
)
from wallet.api.routes.staff.shapes import (
    MOMENT,
    PERSON_EXAMPLE,
    TRANSFER_ID,
    WALLET_ID,
    StaffPerson,
)
from wallet.domain.history import CursorInvalid
from wallet.domain.journal import Kind
from wallet.domain.movements import RefusalNotFound

router = APIRouter(prefix="/admin", tags=[TAG], route_class=BoundedRoute)

KINDS = {kind.word: kind for kind in Kind}
REFUSAL_EXAMPLE: JsonObject = {
    "id": TRANSFER_ID,
    "kind": "transfer",
    "amount": 2500,
    "currency": "USD",
    "display": "25.00 USD",
    "code": "insufficient-funds",
    "title": "The wallet does not hold enough available money",
    "happened_at": MOMENT,
    "facts": {"wallet_id": WALLET_ID, "currency": "USD", "available": 1200, "amount": 2500},
    "account_id": WALLET_ID,
    "owner": PERSON_EXAMPLE,
    "counterparty": PERSON_EXAMPLE,
}


class RefusedAttempt(Answer):
    """Something that the books refused."""

    id: str
    kind: str
    amount: int
    currency: str
    display: str
    code: str
    title: str
    happened_at: str


class StaffRefusal(RefusedAttempt):
    """Something that the books refused, why, and whom it is about."""

    model_config = ConfigDict(json_schema_extra={"examples": [REFUSAL_EXAMPLE]})

    facts: dict[str, Any] = Field(description="What the problem told besides its code.")
    account_id: str = Field(description="The wallet that it was asked of.")
    owner: StaffPerson | None = Field(description="Whose wallet that is.")
    counterparty: StaffPerson | None = Field(description="Who would have been the other side.")


class StaffRefusalPage(Answer):
    """Some refusals; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [REFUSAL_EXAMPLE], "next_cursor": None, "scanned_to": None}]
        }
    )

    items: list[StaffRefusal]
    next_cursor: str | None = Field(description="Null on the last page.")
    scanned_to: str | None = SCANNED_TO


class StaffRefusalsQuery(MovementsQuery):
    """Which refusals, the newest first. One must meet everything that is asked for."""

    kind: Annotated[
        list[Literal["transfer", "top-up-request", "transfer-batch", "refund"]],
        Field(max_length=len(KINDS)),
    ] = Field([], description="One or several.")
    code: Annotated[str, Field(min_length=1, max_length=60, pattern="^[a-z-]+$")] | None = Field(
        None, description="Why, such as `insufficient-funds`."
    )


@router.get(
    "/refusals",
    operation_id="listRefusals",
    summary="List what the books refused",
    response_model=StaffRefusalPage,
    responses=problem_responses(*STAFF, CursorInvalid),
)
async def list_refusals(
    request: Request, staff: Reader, query: Annotated[StaffRefusalsQuery, Query()]
) -> JsonObject:
    """Return what was refused to anybody, the newest first. Refusals are kept for seven days.

    Follow `next_cursor` until it is null, as of movements.
    """
    asked = query.to_search(tuple(KINDS[word] for word in query.kind), query.code)
    listing = f"refusals {asked!r}"
    page = await staff_side(request).movements.refusals(
        asked, place=place_of(listing, query.cursor), limit=query.limit
    )
    items = [staff_answers.refusal(view) for view in page.items]
    return movements_page(listing, items, page.next_place, query.limit)


@router.get(
    "/refusals/{id}",
    operation_id="getRefusal",
    summary="See what the books refused",
    response_model=StaffRefusal,
    responses=problem_responses(*STAFF, RefusalNotFound),
)
async def get_refusal(request: Request, id: UUID, staff: Reader) -> JsonObject:  # noqa: A002
    """Return a refusal by its id, as a person's page and the list tell it."""
    return staff_answers.refusal(await staff_side(request).movements.refusal(id))
