"""Adjustments: a correction of a balance that one administrator asks for and another approves."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Strict

from wallet.api.fields import Answer, Body, JsonObject
from wallet.api.routes.staff.shapes import (
    MOMENT,
    STAFF_EXAMPLE,
    WALLET_EXAMPLE,
    WALLET_ID,
    Reason,
    StaffPerson,
    StaffWallet,
)
from wallet.domain.money import AMOUNT_MAX

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

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=500)
    status: Literal["pending", "approved", "rejected"] | None = None


# POST /admin/adjustments (AdjustmentBody, Idempotency-Key) -> 201 Adjustment
# GET /admin/adjustments (AdjustmentsQuery) -> AdjustmentPage
# GET /admin/adjustments/{id} -> Adjustment
# POST /admin/adjustments/{id}/approve, /reject (ReasonBody) -> Adjustment
