"""Adjustments: a correction of a balance that one administrator asks for and another approves."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, Strict

from wallet.api import staff_answers
from wallet.api.cursors import (
    decode_place,
    encode_place,
)
from wallet.api.deadlines import BoundedRoute
from wallet.api.fields import Answer, Body, JsonObject
from wallet.api.idempotency import (
    HEADER_PARAMETER,
    RESPONSE_HEADERS,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    money_answer,
)
from wallet.api.problems import problem_responses
from wallet.api.routes.staff.access import (
    STAFF,
    STAFF_ACT,
    TAG,
    AdjustmentDecider,
    AdjustmentRequester,
    Reader,
    staff_side,
)
from wallet.api.routes.staff.shapes import (
    MOMENT,
    STAFF_EXAMPLE,
    WALLET_EXAMPLE,
    WALLET_ID,
    PageLimit,
    Reason,
    ReasonBody,
    StaffPerson,
    StaffWallet,
)
from wallet.api.state import idempotency_key
from wallet.domain.accounts import WalletClosed
from wallet.domain.adjustments import (
    AdjustmentAlreadyDecided,
    AdjustmentAmountInvalid,
    AdjustmentNotBooked,
    AdjustmentNotFound,
    AdjustmentStatus,
    SecondApproverNeeded,
)
from wallet.domain.back_office import StaffWalletNotFound
from wallet.domain.history import CursorInvalid
from wallet.domain.ledger import IdempotencyKeyReused
from wallet.domain.money import AMOUNT_MAX
from wallet.domain.safe_mode import SafeModeOn

router = APIRouter(prefix="/admin", tags=[TAG], route_class=BoundedRoute)

ADJUSTMENT_EXAMPLE: JsonObject = {
    "id": "0197a6f4-1c10-7e1b-9c44-0d9f7a6b5c33",
    "status": "pending",
    "wallet": WALLET_EXAMPLE,
    "amount": -2500,
    "currency": "USD",
    "display": "-25.00 USD",
    "reason": "Credited twice on 20 November, ticket 4711.",
    "requested_by": STAFF_EXAMPLE,
    "requested_at": MOMENT,
    "decided_by": None,
    "decided_at": None,
    "decision_reason": None,
}


class AdjustmentBody(Body):
    """What a balance is to be corrected by, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "wallet_id": WALLET_ID,
                    "amount": -2500,
                    "reason": "Credited twice on 20 November, ticket 4711.",
                }
            ]
        }
    )

    wallet_id: Annotated[UUID, Strict(strict=False)]
    amount: Annotated[int, Field(strict=True, ge=-AMOUNT_MAX, le=AMOUNT_MAX)] = Field(
        description="In minor units: above zero adds money, below takes it; never 0."
    )
    reason: Reason


class Adjustment(Answer):
    """A correction that was asked for; money moves when somebody else approves it."""

    model_config = ConfigDict(json_schema_extra={"examples": [ADJUSTMENT_EXAMPLE]})

    id: str = Field(description="That of the movement, too, once it is approved.")
    status: str = Field(description="pending, approved or rejected.")
    wallet: StaffWallet
    amount: int
    currency: str
    display: str
    reason: str
    requested_by: StaffPerson
    requested_at: str
    decided_by: StaffPerson | None
    decided_at: str | None
    decision_reason: str | None


class AdjustmentPage(Answer):
    """Some adjustments; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [ADJUSTMENT_EXAMPLE], "next_cursor": None}]}
    )

    items: list[Adjustment]
    next_cursor: str | None


class AdjustmentsQuery(BaseModel):
    """Which adjustments, the newest first."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = 50
    cursor: str | None = Field(None, max_length=500)
    status: Literal["pending", "approved", "rejected"] | None = None


@router.post(
    "/adjustments",
    status_code=201,
    operation_id="requestAdjustment",
    summary="Ask for a balance to be corrected",
    response_model=Adjustment,
    responses={
        201: {"headers": RESPONSE_HEADERS},
        **problem_responses(
            *STAFF_ACT,
            AdjustmentAmountInvalid,
            IdempotencyKeyInvalid,
            IdempotencyKeyMissing,
            IdempotencyKeyReused,
            StaffWalletNotFound,
            WalletClosed,
            SafeModeOn,
        ),
    },
    openapi_extra={"parameters": [HEADER_PARAMETER]},
)
async def request_adjustment(
    request: Request, body: AdjustmentBody, staff: AdjustmentRequester
) -> Response:
    """Ask for a correction; no money moves before another administrator has approved it."""
    key = idempotency_key(request)
    view = await staff_side(request).adjustments.request(
        staff, body.wallet_id, body.amount, body.reason, key
    )
    return money_answer(staff_answers.adjustment(view), status=201, replayed=view.replayed)


@router.get(
    "/adjustments",
    operation_id="listAdjustments",
    summary="List corrections",
    response_model=AdjustmentPage,
    responses=problem_responses(*STAFF, CursorInvalid),
)
async def list_adjustments(
    request: Request, staff: Reader, query: Annotated[AdjustmentsQuery, Query()]
) -> JsonObject:
    """Return corrections that were asked for, the newest first."""
    listing = f"adjustments {query.status}"
    before = None if query.cursor is None else decode_place(listing, query.cursor, "i")[0]
    status = None if query.status is None else AdjustmentStatus(query.status)
    views = await staff_side(request).adjustments.page(status, before=before, limit=query.limit + 1)
    shown = views[: query.limit]
    more = len(views) > query.limit
    return {
        "items": [staff_answers.adjustment(view) for view in shown],
        "next_cursor": encode_place(listing, shown[-1].adjustment.id) if more else None,
    }


@router.get(
    "/adjustments/{id}",
    operation_id="getAdjustment",
    summary="See a correction",
    response_model=Adjustment,
    responses=problem_responses(*STAFF, AdjustmentNotFound),
)
async def get_adjustment(request: Request, id: UUID, staff: Reader) -> JsonObject:  # noqa: A002
    """Return a correction as far as it has come."""
    return staff_answers.adjustment(await staff_side(request).adjustments.view(id))


@router.post(
    "/adjustments/{id}/approve",
    operation_id="approveAdjustment",
    summary="Approve a correction",
    response_model=Adjustment,
    responses=problem_responses(
        *STAFF_ACT,
        AdjustmentNotFound,
        AdjustmentAlreadyDecided,
        AdjustmentNotBooked,
        SecondApproverNeeded,
        SafeModeOn,
    ),
)
async def approve_adjustment(
    request: Request,
    id: UUID,  # noqa: A002
    body: ReasonBody,
    staff: AdjustmentDecider,
) -> JsonObject:
    """Move the money of a correction that somebody else asked for, once.

    Approved by two at once, it is booked once, and both are told who was first. What the books
    refuse as things are (too little money, say) stays pending.
    """
    view = await staff_side(request).adjustments.approve(staff, id, body.reason)
    return staff_answers.adjustment(view)


@router.post(
    "/adjustments/{id}/reject",
    operation_id="rejectAdjustment",
    summary="Reject a correction",
    response_model=Adjustment,
    responses=problem_responses(*STAFF_ACT, AdjustmentNotFound, AdjustmentAlreadyDecided),
)
async def reject_adjustment(
    request: Request,
    id: UUID,  # noqa: A002
    body: ReasonBody,
    staff: AdjustmentDecider,
) -> JsonObject:
    """End a correction that nobody approved; who asked for it may take it back like this."""
    view = await staff_side(request).adjustments.reject(staff, id, body.reason)
    return staff_answers.adjustment(view)
