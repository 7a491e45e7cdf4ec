"""Transactions as staff see them: both sides, and the refund of a transfer."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field

from wallet.api import staff_answers
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
    Reader,
    Refunder,
    staff_side,
)
from wallet.api.routes.staff.movement_pages import (
    SCANNED_TO,
    MovementsQuery,
    movements_page,
    place_of,
)
from wallet.api.routes.staff.shapes import (
    ADA_ID,
    MOMENT,
    PERSON_EXAMPLE,
    TRANSFER_ID,
    WALLET_ID,
    Reason,
    StaffPerson,
)
from wallet.api.routes.transactions import KINDS
from wallet.api.state import idempotency_key
from wallet.domain.accounts import BalanceLimitExceeded, InsufficientFunds, WalletClosed
from wallet.domain.controls import OverdraftLimitTooHigh
from wallet.domain.history import CursorInvalid
from wallet.domain.ledger import IdempotencyKeyReused
from wallet.domain.movements import MovementNotFound
from wallet.domain.refunds import RefundExceedsTransfer, TransferNotFound
from wallet.domain.safe_mode import SafeModeOn

router = APIRouter(prefix="/admin", tags=[TAG], route_class=BoundedRoute)

REFUND_ID = "0197a6f3-0a10-7e1b-9c44-0d9f7a6b5c99"
SIDE_EXAMPLE: JsonObject = {
    "account_id": WALLET_ID,
    "purpose": "wallet",
    "owner": PERSON_EXAMPLE,
    "version": 2,
    "posted_after": 7500,
    "held_after": 0,
    "display_after": "75.00 USD",
}
REFUND_EXAMPLE: JsonObject = {
    "id": REFUND_ID,
    "kind": "refund",
    "status": "completed",
    "amount": 2500,
    "currency": "USD",
    "display": "25.00 USD",
    "transfer_id": TRANSFER_ID,
    "from_wallet_id": WALLET_ID,
    "from_user_id": ADA_ID,
    "to_wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4b",
    "to_user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5b",
    "booked_at": MOMENT,
}
MOVEMENT_EXAMPLE: JsonObject = {
    "id": TRANSFER_ID,
    "kind": "transfer",
    "status": "completed",
    "amount": 2500,
    "currency": "USD",
    "display": "25.00 USD",
    "booked_at": MOMENT,
    "source": SIDE_EXAMPLE,
    "target": SIDE_EXAMPLE,
    "note": "Lunch",
    "reference": None,
    "metadata": {},
    "refunded": 0,
    "refundable": 2500,
    "refunds": [],
    "refund_of": None,
}


class Side(Answer):
    """One of the two accounts that a movement changed, and its balance right after."""

    account_id: str = Field(description="The wallet's id, or that of a system account.")
    purpose: str = Field(description="wallet, or funding or adjustment for a system account.")
    owner: StaffPerson | None = Field(description="Null for a system account.")
    version: int
    posted_after: int
    held_after: int
    display_after: str


class RefundLink(Answer):
    """A refund of this transfer."""

    id: str
    amount: int
    booked_at: str


class StaffTransaction(Answer):
    """A movement with both of its sides."""

    model_config = ConfigDict(json_schema_extra={"examples": [MOVEMENT_EXAMPLE]})

    id: str
    kind: str = Field(description="transfer, top-up, refund or adjustment.")
    status: str
    amount: int = Field(description="In minor units, always positive.")
    currency: str
    display: str
    booked_at: str
    source: Side = Field(description="The account that the money left.")
    target: Side = Field(description="The account that it reached.")
    note: str | None
    reference: str | None
    metadata: dict[str, str]
    refunded: int = Field(description="How much of a transfer has been refunded.")
    refundable: int = Field(description="How much of it could be; 0 for what is no transfer.")
    refunds: list[RefundLink]
    refund_of: str | None = Field(description="The transfer that this is a refund of.")


class StaffTransactionPage(Answer):
    """Some movements; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [MOVEMENT_EXAMPLE], "next_cursor": None, "scanned_to": None}]
        }
    )

    items: list[StaffTransaction]
    next_cursor: str | None = Field(description="Null on the last page.")
    scanned_to: str | None = SCANNED_TO


class StaffTransactionsQuery(MovementsQuery):
    """Which movements, the newest first. One must meet everything that is asked for."""

    kind: Annotated[
        list[Literal["transfer", "top-up", "refund", "adjustment"]], Field(max_length=len(KINDS))
    ] = Field([], description="One or several.")


class RefundBody(Body):
    """Why a transfer is refunded."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Paid twice by mistake, ticket 4711."}]}
    )

    reason: Reason
    force: bool = Field(
        False,
        description="Take the money even if the receiver does not have it (administrators only): "
        "their wallet is in debt then, and sends nothing until what comes in has repaid it.",
    )


class RefundAnswer(Answer):
    """A refund that was carried out."""

    model_config = ConfigDict(json_schema_extra={"examples": [REFUND_EXAMPLE]})

    id: str
    kind: str
    status: str
    amount: int
    currency: str
    display: str
    transfer_id: str
    from_wallet_id: str
    from_user_id: str
    to_wallet_id: str
    to_user_id: str
    booked_at: str


@router.get(
    "/transactions",
    operation_id="listStaffTransactions",
    summary="List movements",
    response_model=StaffTransactionPage,
    responses=problem_responses(*STAFF, CursorInvalid),
)
async def list_staff_transactions(
    request: Request, staff: Reader, query: Annotated[StaffTransactionsQuery, Query()]
) -> JsonObject:
    """Return everybody's movements with both of their sides, the newest first.

    Follow `next_cursor` until it is null: a search for what is rare may answer pages with few
    movements or none, each of which says in `scanned_to` how far it has looked.
    """
    asked = query.to_search(tuple(KINDS[word] for word in query.kind))
    listing = f"transactions {asked!r}"
    page = await staff_side(request).movements.page(
        asked, place=place_of(listing, query.cursor), limit=query.limit
    )
    items = [staff_answers.movement(movement) for movement in page.items]
    return movements_page(listing, items, page.next_place, query.limit)


@router.get(
    "/transactions/{id}",
    operation_id="getStaffTransaction",
    summary="See a movement with both of its sides",
    response_model=StaffTransaction,
    responses=problem_responses(*STAFF, MovementNotFound),
)
async def get_staff_transaction(request: Request, id: UUID, staff: Reader) -> JsonObject:  # noqa: A002
    """Return a transfer, top-up, refund or adjustment by its id, whoever's it is."""
    return staff_answers.movement(await staff_side(request).movements.movement(id))


@router.post(
    "/transactions/{id}/refund",
    status_code=201,
    operation_id="refundTransfer",
    summary="Give a transfer back",
    response_model=RefundAnswer,
    responses={
        201: {"headers": RESPONSE_HEADERS},
        **problem_responses(
            *STAFF_ACT,
            IdempotencyKeyInvalid,
            IdempotencyKeyMissing,
            IdempotencyKeyReused,
            TransferNotFound,
            RefundExceedsTransfer,
            InsufficientFunds,
            OverdraftLimitTooHigh,
            WalletClosed,
            BalanceLimitExceeded,
            SafeModeOn,
        ),
    },
    openapi_extra={"parameters": [HEADER_PARAMETER]},
)
async def refund_transfer(
    request: Request,
    id: UUID,  # noqa: A002
    body: RefundBody,
    staff: Refunder,
) -> Response:
    """Move the whole of a transfer back to who paid it, once, however often it is asked for.

    Frozen wallets do not stop it. If the receiver lacks the money it is refused, unless an
    administrator forces it: then their wallet is in debt, by no more than a setting allows.
    """
    key = idempotency_key(request)
    transfer, outcome = await staff_side(request).refunds.refund(
        staff, id, reason=body.reason, force=body.force, key=key
    )
    document = staff_answers.refund(transfer, outcome)
    return money_answer(document, status=201, replayed=outcome.replayed)
