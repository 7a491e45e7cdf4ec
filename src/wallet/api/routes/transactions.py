"""Transactions: the lines of a person's history."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from wallet.api import answers
from wallet.api.cursors import CURSOR_LENGTH_MAX, decode_cursor, encode_cursor
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer, JsonObject
from wallet.api.hot_routes import HotRoute
from wallet.api.money import BALANCE_EXAMPLE, SIGNED_IN, Balance
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.domain.history import PAGE_LIMIT_MAX, CursorInvalid, TransactionNotFound
from wallet.domain.sessions import Principal

router = APIRouter(tags=["Transactions"], route_class=HotRoute)
line_router = APIRouter(tags=["Transactions"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]


class Party(Answer):
    """The other side, as far as you may know it."""

    user_id: str
    handle: str | None
    first_name: str
    initial: str


TRANSACTION_EXAMPLE: JsonObject = {
    "id": "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c21",
    "kind": "transfer",
    "direction": "out",
    "status": "completed",
    "amount": 2500,
    "currency": "USD",
    "display": "-25.00 USD",
    "wallet_id": BALANCE_EXAMPLE["wallet_id"],
    "counterparty": {
        "user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
        "handle": "bob",
        "first_name": "Bob",
        "initial": "B",
    },
    "note": "Lunch",
    "reference": None,
    "metadata": {},
    "booked_at": "2026-11-22T12:00:00.123456Z",
    "balance": BALANCE_EXAMPLE,
}


class Transaction(Answer):
    """One line of your history; `balance` is that of your wallet right after it."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRANSACTION_EXAMPLE]})

    id: str
    kind: str = Field(description="transfer or top-up.")
    direction: str = Field(description="in or out.")
    status: str
    amount: int = Field(description="In minor units, always positive.")
    currency: str
    display: str = Field(description="The amount with its sign, for people.")
    wallet_id: str
    counterparty: Party | None
    note: str | None
    reference: str | None
    metadata: dict[str, str]
    booked_at: str
    balance: Balance


class TransactionPage(Answer):
    """Some lines, newest first; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [TRANSACTION_EXAMPLE], "next_cursor": None}]}
    )

    items: list[Transaction]
    next_cursor: str | None


def _digits(value: object) -> object:
    """Refuse other ways to write a number that Python knows, such as 1_0 and +5."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("must be a whole number")
    return value


class PageQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, BeforeValidator(_digits)] = Field(50, ge=1, le=PAGE_LIMIT_MAX)
    cursor: str | None = Field(None, max_length=CURSOR_LENGTH_MAX)


@router.get(
    "/transactions",
    operation_id="listTransactions",
    summary="See everything that moved",
    response_model=TransactionPage,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, CursorInvalid),
)
async def list_transactions(
    request: Request, person: Person, query: Annotated[PageQuery, Query()]
) -> JsonObject:
    """Return the history of all your wallets, newest first, 50 lines at a time by default.

    Follow `next_cursor` until it is null. New movements do not disturb the pages that follow.
    """
    before = None if query.cursor is None else decode_cursor(query.cursor)
    page = await use_cases(request).activity.page(
        person.user_id, before_versions=before, limit=query.limit
    )
    return {
        "items": [answers.line(line) for line in page.lines],
        "next_cursor": None if page.next_versions is None else encode_cursor(page.next_versions),
    }


@line_router.get(
    "/transactions/{id}",
    operation_id="getTransaction",
    summary="See one movement",
    response_model=Transaction,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, TransactionNotFound),
)
async def get_transaction(request: Request, id: UUID, person: Person) -> dict[str, Any]:  # noqa: A002
    """Return one line of your history by the id that the transfer or top-up was answered with."""
    return answers.line(await use_cases(request).activity.line(person.user_id, id))
