"""Transfers: one person pays another."""

from typing import Annotated, Self

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, model_validator

from wallet.api import answers
from wallet.api.dependencies import current_person
from wallet.api.fields import (
    Amount,
    Answer,
    Body,
    DefaultedCurrency,
    JsonObject,
    Metadata,
    Text,
    UserId,
)
from wallet.api.hot_routes import HotRoute
from wallet.api.idempotency import HEADER_PARAMETER, RESPONSE_HEADERS, money_answer
from wallet.api.money import BALANCE_EXAMPLE, MONEY, Balance
from wallet.api.people_fields import GivenEmail
from wallet.api.problems import problem_responses
from wallet.api.state import idempotency_key, use_cases
from wallet.application.directory import Recipient
from wallet.application.transfers import TransferRequest
from wallet.domain.accounts import InsufficientFunds
from wallet.domain.guards import GuardTripped
from wallet.domain.sessions import Principal
from wallet.domain.spending import (
    PayeeNotAllowed,
    SpendingBudgetExceeded,
    SpendingPaymentTooLarge,
    SpendingWalletOther,
)
from wallet.domain.transfers import (
    NOTE_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
    RecipientHasNoWallet,
    RecipientNotFound,
    SelfTransfer,
)

router = APIRouter(tags=["Wallets"], route_class=HotRoute)
Person = Annotated[Principal, Depends(current_person)]

TRANSFER_EXAMPLE: JsonObject = {
    "id": "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c21",
    "kind": "transfer",
    "status": "completed",
    "amount": 2500,
    "currency": "USD",
    "display": "25.00 USD",
    "wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a",
    "to_user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "note": "Lunch",
    "reference": None,
    "metadata": {},
    "booked_at": "2026-11-22T12:00:00.123456Z",
    "balance": BALANCE_EXAMPLE,
}
PREVIEW_EXAMPLE: JsonObject = {
    "dry_run": True,
    "outcome": "refused",
    "transfer": None,
    "refusal": {
        "code": "insufficient-funds",
        "title": "The wallet does not hold enough available money",
        "wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a",
        "currency": "USD",
        "available": 1200,
        "amount": 2500,
    },
}


class TransferFields(Body):
    """Whom to pay, how much, and what it is for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"to_handle": "bob", "amount": 2500, "currency": "USD", "note": "Lunch"}]
        }
    )

    to_user_id: UserId | None = Field(None, description="Whom to pay, by id; exactly one of three.")
    to_email: GivenEmail | None = Field(
        None, description="Whom to pay, by e-mail; only verified addresses are found."
    )
    to_handle: Annotated[Text, Field(max_length=31)] | None = Field(
        None, description="Whom to pay, by handle."
    )
    amount: Amount
    currency: DefaultedCurrency = None
    note: Annotated[Text, Field(max_length=NOTE_LENGTH_MAX)] | None = Field(
        None, description="Both sides see it."
    )
    reference: Annotated[Text, Field(max_length=REFERENCE_LENGTH_MAX)] | None = Field(
        None, description="What this payment is for, such as an invoice; both sides see it."
    )
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _one_recipient(self) -> Self:
        named = (self.to_user_id, self.to_email, self.to_handle)
        if sum(name is not None for name in named) != 1:
            raise ValueError("exactly one of to_user_id, to_email and to_handle is needed")
        return self

    def to_request(self, person: Principal) -> TransferRequest:
        """Return what the payer asks for."""
        return TransferRequest(
            payer_id=person.user_id,
            recipient=Recipient(self.to_user_id, self.to_email, self.to_handle),
            amount=self.amount,
            currency=self.currency,
            note=self.note,
            reference=self.reference,
            metadata=self.metadata,
            api_key_id=person.spending_key_id,
        )


class TransferBody(TransferFields):
    """A transfer, or with `dry_run` the question what would become of it."""

    dry_run: bool = Field(False, description="Answer what would happen, and store nothing.")


class TransferAnswer(Answer):
    """A transfer as its payer sees it, with the payer's balance after it."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRANSFER_EXAMPLE]})

    id: str
    kind: str
    status: str
    amount: int
    currency: str
    display: str
    wallet_id: str
    to_user_id: str
    note: str | None
    reference: str | None
    metadata: dict[str, str]
    booked_at: str
    balance: Balance


class PreviewAnswer(Answer):
    """What a transfer would come to now; nothing was stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREVIEW_EXAMPLE]})

    dry_run: bool
    outcome: str = Field(description="accepted or refused.")
    transfer: JsonObject | None
    refusal: JsonObject | None = Field(description="The code and facts of the refusal it meets.")


@router.post(
    "/wallets/transfer",
    status_code=201,
    operation_id="createTransfer",
    summary="Send money to another person",
    response_model=TransferAnswer,
    responses={
        201: {"headers": RESPONSE_HEADERS},
        200: {"model": PreviewAnswer, "description": "The preview that `dry_run` asked for."},
        **problem_responses(
            *MONEY,
            InsufficientFunds,
            RecipientHasNoWallet,
            RecipientNotFound,
            SelfTransfer,
            SpendingBudgetExceeded,
            SpendingPaymentTooLarge,
            SpendingWalletOther,
            PayeeNotAllowed,
            GuardTripped,
        ),
    },
    openapi_extra={"parameters": [HEADER_PARAMETER]},
)
async def create_transfer(request: Request, body: TransferBody, person: Person) -> Response:
    """Move money from your wallet to another person's, at once and for good.

    Send an `Idempotency-Key`, and repeat the request with it until you have a definite answer:
    the money moves once. With `dry_run` nothing moves, and the answer says what would happen.
    """
    transfers = use_cases(request).transfers
    asked = body.to_request(person)
    if body.dry_run:
        document = answers.preview(await transfers.preview(asked))
        return Response(orjson.dumps(document), media_type="application/json")
    key = idempotency_key(request)
    outcome = await transfers.create(asked, key)
    return money_answer(answers.transfer(outcome), status=201, replayed=outcome.replayed)
