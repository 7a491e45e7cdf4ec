"""Wallets as staff see them: frozen, unfrozen, closed, and allowed below zero."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from wallet.api.fields import Answer, Body, CurrencyCode
from wallet.api.routes.staff.shapes import WALLET_EXAMPLE, Reason, StaffWallet
from wallet.domain.money import BALANCE_MAX


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

    limit: int = Field(50, ge=1, le=200)
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


# GET /admin/wallets (StaffWalletsQuery) -> StaffWalletPage
# GET /admin/wallets/{id} -> StaffWallet
# POST /admin/wallets/{id}/freeze (FreezeBody) -> StaffWallet
# POST /admin/wallets/{id}/unfreeze, /close (ReasonBody) -> StaffWallet
# POST /admin/wallets/{id}/overdraft (OverdraftBody) -> StaffWallet
