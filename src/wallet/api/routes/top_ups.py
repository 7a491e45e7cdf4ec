"""Top-ups: money comes in from a funding source."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Amount, Answer, Body, DefaultedCurrency, JsonObject
from wallet.api.idempotency import HEADER_PARAMETER, RESPONSE_HEADERS, money_answer
from wallet.api.money import BALANCE_EXAMPLE, MONEY, Balance
from wallet.api.problems import problem_responses
from wallet.api.state import idempotency_key, use_cases
from wallet.domain.funding import FundingStatus, TopUpDeclined
from wallet.domain.sessions import Principal

router = APIRouter(tags=["Wallets"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

TOP_UP_EXAMPLE: JsonObject = {
    "id": "0197a6f2-4f1a-7b6d-8d2e-1c3b5a7d9f02",
    "kind": "top-up",
    "status": "completed",
    "amount": 10000,
    "currency": "USD",
    "display": "100.00 USD",
    "wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a",
    "source": "sandbox",
    "created_at": "2026-11-22T11:59:00.123456Z",
    "booked_at": "2026-11-22T11:59:00.130021Z",
    "balance": {**BALANCE_EXAMPLE, "posted": 10000, "available": 10000, "version": 1},
}


class TopUpBody(Body):
    """How much money to add."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": 10000, "currency": "USD"}]}
    )

    amount: Amount
    currency: DefaultedCurrency = None


class TopUpAnswer(Answer):
    """A top-up; `balance` and `booked_at` are there once it is completed."""

    model_config = ConfigDict(json_schema_extra={"examples": [TOP_UP_EXAMPLE]})

    id: str
    kind: str
    status: str = Field(description="completed, or pending while the source has not decided.")
    amount: int
    currency: str
    display: str
    wallet_id: str
    source: str
    created_at: str
    booked_at: str | None
    balance: Balance | None


@router.post(
    "/wallets/topup",
    status_code=201,
    operation_id="createTopUp",
    summary="Add money to your wallet",
    response_model=TopUpAnswer,
    responses={
        201: {"headers": RESPONSE_HEADERS},
        202: {
            "model": TopUpAnswer,
            "description": "The funding source has not decided yet; repeat with the same key.",
        },
        **problem_responses(*MONEY, TopUpDeclined),
    },
    openapi_extra={"parameters": [HEADER_PARAMETER]},
)
async def create_top_up(request: Request, body: TopUpBody, person: Person) -> Response:
    """Charge your funding source and credit your wallet.

    In development the source is a sandbox that approves at once, except for amounts that end in
    90001 or 90002 (declined), 90003 (pending for ever) and 90004 (the source cannot be reached).
    """
    key = idempotency_key(request)
    top_up = await use_cases(request).top_ups.create(
        person.user_id, body.amount, body.currency, key
    )
    status = 202 if top_up.funding.status is FundingStatus.PENDING else 201
    return money_answer(answers.top_up(top_up), status=status, replayed=top_up.replayed)
