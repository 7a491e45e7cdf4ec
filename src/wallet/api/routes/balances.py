"""Balances: what one wallet holds, asked for more often than anything else."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from wallet.api import answers
from wallet.api.dependencies import current_person
from wallet.api.fields import Body, DefaultedCurrency
from wallet.api.hot_routes import HotRoute
from wallet.api.money import SIGNED_IN, Balance
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.domain.money import UnknownCurrency
from wallet.domain.sessions import Principal
from wallet.domain.wallets import WalletNotFound

router = APIRouter(tags=["Wallets"], route_class=HotRoute)
Person = Annotated[Principal, Depends(current_person)]


class BalanceQuery(Body):
    """Which wallet."""

    currency: DefaultedCurrency = None


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
