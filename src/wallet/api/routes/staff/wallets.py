"""Wallets as staff see them: frozen, unfrozen, closed, and allowed below zero."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from wallet.api import staff_answers
from wallet.api.cursors import (
    decode_place,
    encode_place,
)
from wallet.api.deadlines import BoundedRoute
from wallet.api.fields import Answer, Body, CurrencyCode, JsonObject
from wallet.api.problems import problem_responses
from wallet.api.routes.staff.access import (
    STAFF,
    STAFF_ACT,
    TAG,
    Freezer,
    OverdraftGranter,
    Reader,
    WalletCloser,
    staff_side,
)
from wallet.api.routes.staff.shapes import (
    WALLET_EXAMPLE,
    PageLimit,
    Reason,
    ReasonBody,
    StaffWallet,
)
from wallet.domain.accounts import Freeze, WalletClosed
from wallet.domain.back_office import StaffWalletNotFound, WalletSearch
from wallet.domain.controls import OverdraftInUse, OverdraftLimitTooHigh
from wallet.domain.history import CursorInvalid
from wallet.domain.money import BALANCE_MAX
from wallet.domain.wallets import WalletNotEmpty

router = APIRouter(prefix="/admin", tags=[TAG], route_class=BoundedRoute)


class StaffWalletPage(Answer):
    """Some wallets; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [WALLET_EXAMPLE], "next_cursor": None}]}
    )

    items: list[StaffWallet]
    next_cursor: str | None


class StaffWalletsQuery(BaseModel):
    """Which wallets, the newest first."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = 50
    cursor: str | None = Field(None, max_length=500)
    currency: CurrencyCode | None = None
    frozen: bool | None = Field(None, description="True for those frozen in any direction.")


class FreezeBody(Body):
    """What a wallet may no longer do, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"direction": "send", "reason": "Reported stolen, ticket 4711."}]
        }
    )

    direction: Literal["send", "receive", "both"]
    reason: Reason


class OverdraftBody(Body):
    """How far below zero a wallet may go, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"limit": 5000, "reason": "Agreed by contract 12."}]}
    )

    limit: Annotated[int, Field(strict=True, ge=0, le=BALANCE_MAX)] = Field(
        description="In minor units; 0 takes the overdraft away."
    )
    reason: Reason


@router.get(
    "/wallets",
    operation_id="listStaffWallets",
    summary="List wallets",
    response_model=StaffWalletPage,
    responses=problem_responses(*STAFF, CursorInvalid),
)
async def list_staff_wallets(
    request: Request, staff: Reader, query: Annotated[StaffWalletsQuery, Query()]
) -> JsonObject:
    """Return everybody's wallets, the newest first."""
    listing = f"wallets {query.currency} {query.frozen}"
    before = None if query.cursor is None else decode_place(listing, query.cursor, "i")[0]
    search = WalletSearch(query.currency, query.frozen)
    cards = await staff_side(request).desk.wallets(search, before=before, limit=query.limit + 1)
    shown = cards[: query.limit]
    more = len(cards) > query.limit
    return {
        "items": [staff_answers.wallet(card) for card in shown],
        "next_cursor": encode_place(listing, shown[-1].wallet.id) if more else None,
    }


@router.get(
    "/wallets/{id}",
    operation_id="getStaffWallet",
    summary="See a wallet",
    response_model=StaffWallet,
    responses=problem_responses(*STAFF, StaffWalletNotFound),
)
async def get_staff_wallet(request: Request, id: UUID, staff: Reader) -> JsonObject:  # noqa: A002
    """Return a wallet, whoever's it is."""
    return staff_answers.wallet(await staff_side(request).desk.wallet(id))


@router.post(
    "/wallets/{id}/freeze",
    operation_id="freezeWallet",
    summary="Freeze a wallet",
    response_model=StaffWallet,
    responses=problem_responses(*STAFF_ACT, StaffWalletNotFound, WalletClosed),
)
async def freeze_wallet(
    request: Request,
    id: UUID,  # noqa: A002
    body: FreezeBody,
    staff: Freezer,
) -> JsonObject:
    """Stop a wallet from sending, receiving, or both; what was frozen before stays frozen."""
    direction = Freeze[body.direction.upper()]
    controls = staff_side(request).controls
    return staff_answers.wallet(await controls.freeze(staff, id, direction, body.reason))


@router.post(
    "/wallets/{id}/unfreeze",
    operation_id="unfreezeWallet",
    summary="Unfreeze a wallet",
    response_model=StaffWallet,
    responses=problem_responses(*STAFF_ACT, StaffWalletNotFound, WalletClosed),
)
async def unfreeze_wallet(
    request: Request,
    id: UUID,  # noqa: A002
    body: ReasonBody,
    staff: Freezer,
) -> JsonObject:
    """Let a wallet send and receive again."""
    controls = staff_side(request).controls
    return staff_answers.wallet(await controls.unfreeze(staff, id, body.reason))


@router.post(
    "/wallets/{id}/close",
    operation_id="closeWallet",
    summary="Close a wallet for good",
    response_model=StaffWallet,
    responses=problem_responses(*STAFF_ACT, StaffWalletNotFound, WalletNotEmpty),
)
async def close_wallet(
    request: Request,
    id: UUID,  # noqa: A002
    body: ReasonBody,
    staff: WalletCloser,
) -> JsonObject:
    """Close a wallet that holds nothing and that no money is on its way to. It stays closed."""
    controls = staff_side(request).controls
    return staff_answers.wallet(await controls.close(staff, id, body.reason))


@router.post(
    "/wallets/{id}/overdraft",
    operation_id="setOverdraft",
    summary="Let a wallet go below zero",
    response_model=StaffWallet,
    responses=problem_responses(
        *STAFF_ACT, StaffWalletNotFound, WalletClosed, OverdraftInUse, OverdraftLimitTooHigh
    ),
)
async def set_overdraft(
    request: Request,
    id: UUID,  # noqa: A002
    body: OverdraftBody,
    staff: OverdraftGranter,
) -> JsonObject:
    """Set how far below zero a wallet may go.

    Refused above what one administrator alone may grant (a setting of the service), and below what
    is in use already.
    """
    controls = staff_side(request).controls
    card = await controls.allow_overdraft(staff, id, body.limit, body.reason)
    return staff_answers.wallet(card)
