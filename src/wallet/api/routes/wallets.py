"""Wallets: all of a person's, and wallets in further currencies."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer, Body, CurrencyCode
from wallet.api.money import BALANCE_EXAMPLE, SIGNED_IN, Balance
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.domain.money import UnknownCurrency
from wallet.domain.sessions import Principal
from wallet.domain.wallets import WalletAlreadyOpen

router = APIRouter(tags=["Wallets"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

WALLET_EXAMPLE = {
    "id": BALANCE_EXAMPLE["wallet_id"],
    **BALANCE_EXAMPLE,
    "overdraft_limit": 0,
    "frozen": "none",
    "status": "open",
    "created_at": "2026-11-22T11:58:00.123456Z",
}


class Wallet(Balance):
    """A wallet and its balance."""

    model_config = ConfigDict(json_schema_extra={"examples": [WALLET_EXAMPLE]})

    id: str
    overdraft_limit: int = Field(
        description="How far below zero the balance may go, in minor units; 0 unless agreed."
    )
    frozen: str = Field(description="none, send, receive or both.")
    status: str = Field(description="open or closed.")
    created_at: str


class WalletList(Answer):
    """All of a person's wallets; there are never more than there are currencies."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [WALLET_EXAMPLE], "next_cursor": None}]}
    )

    items: list[Wallet]
    next_cursor: None = None


class OpenWallet(Body):
    """Which currency to open a wallet in."""

    currency: CurrencyCode


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
