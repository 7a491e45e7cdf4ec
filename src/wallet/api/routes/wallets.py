"""Wallets: balances, top-ups and transfers."""

from typing import Annotated, Any, Self

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field, model_validator

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Amount, Answer, Body, CurrencyCode, JsonObject, Metadata, Text, UserId
from wallet.api.idempotency import (
    HEADER_PARAMETER,
    RESPONSE_HEADERS,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    money_answer,
)
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import idempotency_key, use_cases
from wallet.api.throughput import ThroughputExceeded
from wallet.application.directory import Recipient
from wallet.application.transfers import TransferRequest
from wallet.application.unit_of_work import Interrupted
from wallet.domain.accounts import (
    BalanceLimitExceeded,
    InsufficientFunds,
    WalletClosed,
    WalletFrozen,
)
from wallet.domain.errors import OutcomeUnknown, Overloaded, Unauthenticated
from wallet.domain.funding import FundingStatus, TopUpDeclined
from wallet.domain.ledger import IdempotencyKeyReused
from wallet.domain.money import UnknownCurrency
from wallet.domain.sessions import Principal
from wallet.domain.transfers import (
    NOTE_LENGTH_MAX,
    REFERENCE_LENGTH_MAX,
    RecipientHasNoWallet,
    RecipientNotFound,
    SelfTransfer,
)
from wallet.domain.wallets import WalletAlreadyOpen, WalletNotFound

router = APIRouter(tags=["Wallets"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

BALANCE_EXAMPLE: JsonObject = {
    "wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a",
    "currency": "USD",
    "posted": 7500,
    "held": 0,
    "available": 7500,
    "version": 2,
    "display": "75.00 USD",
}
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
SIGNED_IN = (Unauthenticated, ThroughputExceeded, Interrupted, Overloaded)
MONEY = (
    *SIGNED_IN,
    ValidationFailed,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    UnknownCurrency,
    WalletNotFound,
    WalletFrozen,
    WalletClosed,
    BalanceLimitExceeded,
    OutcomeUnknown,
)


class Balance(Answer):
    """What a wallet holds, in minor units; `version` rises with every entry."""

    model_config = ConfigDict(json_schema_extra={"examples": [BALANCE_EXAMPLE]})

    wallet_id: str
    currency: str
    posted: int
    held: int
    available: int
    version: int
    display: str


class Wallet(Balance):
    """A wallet and its balance."""

    model_config = ConfigDict(json_schema_extra={})

    id: str
    frozen: str = Field(description="none, send, receive or both.")
    status: str = Field(description="open or closed.")
    created_at: str


class WalletList(Answer):
    """All of a person's wallets; there are never more than there are currencies."""

    items: list[Wallet]
    next_cursor: None = None


class OpenWallet(Body):
    """Which currency to open a wallet in."""

    currency: CurrencyCode


class TopUpBody(Body):
    """How much money to add."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"amount": 10000, "currency": "USD"}]}
    )

    amount: Amount
    currency: CurrencyCode | None = None


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


class TransferBody(Body):
    """Whom to pay, how much, and what it is for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"to_handle": "bob", "amount": 2500, "currency": "USD", "note": "Lunch"}]
        }
    )

    to_user_id: UserId | None = Field(None, description="The recipient by id,")
    to_email: Annotated[Text, Field(max_length=254)] | None = Field(
        None, description="or by verified e-mail address,"
    )
    to_handle: Annotated[Text, Field(max_length=31)] | None = Field(
        None, description="or by handle: exactly one of the three."
    )
    amount: Amount
    currency: CurrencyCode | None = None
    note: Annotated[Text, Field(max_length=NOTE_LENGTH_MAX)] | None = Field(
        None, description="Both sides see it."
    )
    reference: Annotated[Text, Field(max_length=REFERENCE_LENGTH_MAX)] | None = Field(
        None, description="A name of your own for this payment."
    )
    metadata: Metadata | None = None
    dry_run: bool = Field(False, description="Answer what would happen, and store nothing.")

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
        )


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


class BalanceQuery(Body):
    """Which wallet."""

    currency: CurrencyCode | None = None


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
            *MONEY, InsufficientFunds, RecipientHasNoWallet, RecipientNotFound, SelfTransfer
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


@router.get(
    "/wallets/my-balance",
    operation_id="getBalance",
    summary="See a balance",
    response_model=Balance,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, UnknownCurrency, WalletNotFound),
)
async def get_balance(
    request: Request, person: Person, query: Annotated[BalanceQuery, Query()]
) -> dict[str, Any]:
    """Return the balance of your default wallet, or of the one in `currency`."""
    wallet = await use_cases(request).wallets.balance(person.user_id, query.currency)
    return answers.balance(wallet)


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


@router.get(
    "/wallets",
    operation_id="listWallets",
    summary="List your wallets",
    response_model=WalletList,
    responses=problem_responses(*SIGNED_IN),
)
async def list_wallets(request: Request, person: Person) -> dict[str, Any]:
    """Return all of your wallets with their balances, by currency."""
    wallets = await use_cases(request).wallets.of_person(person.user_id)
    return {"items": [answers.wallet_document(w) for w in wallets], "next_cursor": None}


@router.post(
    "/wallets",
    status_code=201,
    operation_id="openWallet",
    summary="Open a wallet in another currency",
    response_model=Wallet,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, UnknownCurrency, WalletAlreadyOpen),
)
async def open_wallet(request: Request, body: OpenWallet, person: Person) -> dict[str, Any]:
    """Open a wallet in a currency you have none in."""
    wallet = await use_cases(request).wallets.open(person.user_id, body.currency)
    return answers.wallet_document(wallet)
