"""API keys: making, watching, rotating and revoking the keys of machines."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, Strict

from wallet.api import answers
from wallet.api.cursors import CURSOR_LENGTH_MAX, decode_cursor, encode_cursor
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Amount, Answer, Body, CurrencyCode, Instant, JsonObject, Text
from wallet.api.money import SIGNED_IN
from wallet.api.people_fields import Name
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.application.api_keys import ApiKeyWish, NewApiKey, SpendingWish
from wallet.application.directory import Recipient
from wallet.domain.api_keys import (
    OVERLAP_MAX,
    ApiKey,
    ApiKeyLimitReached,
    ApiKeyNotFound,
    ApiKeyNotLive,
    ExpiryInvalid,
    Scope,
    ScopesInvalid,
)
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.guards import GuardTripped
from wallet.domain.history import CursorInvalid
from wallet.domain.money import UnknownCurrency, display
from wallet.domain.sessions import Principal
from wallet.domain.spending import PAYEES_MAX, Interval, Spending
from wallet.domain.transfers import RecipientNotFound
from wallet.domain.users import HANDLE_LENGTH_MIN, NameInvalid
from wallet.domain.wallets import WalletNotFound

router = APIRouter(tags=["API keys"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

PAGE_LIMIT_MAX = 200
UUID_LENGTH = 36
CURSOR_OF = b"api-keys"

RULE_EXAMPLE: JsonObject = {
    "currency": "USD",
    "budget": 50_000,
    "per_payment_max": 5_000,
    "payees": ["bob"],
    "interval": "month",
}
SPENDING_EXAMPLE: JsonObject = {
    "wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a",
    "currency": "USD",
    "budget": 50_000,
    "per_payment_max": 5_000,
    "payees": ["0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"],
    "interval": "month",
    "spent": 2_500,
    "left": 47_500,
    "display": "475.00 USD",
    "resets_at": "2026-12-01T00:00:00.000000Z",
}
KEY_EXAMPLE: JsonObject = {
    "id": "0197a6f2-5f31-7b7a-9d1c-7e6f5a4b3c2d",
    "name": "Coffee machine",
    "scopes": ["wallets:read", "transfers:write"],
    "hint": "4f9Q",
    "status": "active",
    "created_at": "2026-11-22T12:00:00.123456Z",
    "expires_at": None,
    "last_used_at": "2026-11-22T12:03:00.123456Z",
    "spending": SPENDING_EXAMPLE,
}
SECRET_EXAMPLE = "wk_" + "0" * 49
"""It looks like a secret and is none: its check sum is wrong."""


class SpendingBody(Body):
    """What a key may spend: it makes every payment of the key obey, together with the books."""

    model_config = ConfigDict(json_schema_extra={"examples": [RULE_EXAMPLE]})

    currency: CurrencyCode
    budget: Amount
    per_payment_max: Amount | None = Field(None, description="The largest single payment.")
    payees: (
        Annotated[
            list[Annotated[Text, Field(min_length=HANDLE_LENGTH_MIN, max_length=UUID_LENGTH)]],
            Field(min_length=1, max_length=PAYEES_MAX),
        ]
        | None
    ) = Field(
        None,
        description="Who may be paid, by user id or handle, as they are now; without it, anybody.",
    )
    interval: Annotated[Interval, Strict(strict=False)] | None = Field(
        None,
        description="When the budget begins anew: at midnight, on Monday or on the first, always "
        "in UTC; without it, never.",
    )

    def to_wish(self) -> SpendingWish:
        """Return the rule that is asked for."""
        return SpendingWish(
            self.currency,
            self.budget,
            self.per_payment_max,
            None if self.payees is None else [_payee(text) for text in self.payees],
            self.interval,
        )


class ApiKeyBody(Body):
    """What the key is for, and what it may do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Coffee machine",
                    "scopes": ["wallets:read", "transfers:write"],
                    "spending": RULE_EXAMPLE,
                }
            ]
        }
    )

    name: Name
    scopes: Annotated[
        list[Annotated[Scope, Strict(strict=False)]],
        Field(min_length=1, max_length=50, description="What it may do; none implies another."),
    ]
    expires_at: Instant | None = Field(None, description="Without it, it is good until revoked.")
    spending: SpendingBody | None = Field(
        None,
        description="Makes it a spending key: it pays from one wallet under this rule, and beside "
        "that it only reads.",
    )

    def to_wish(self) -> ApiKeyWish:
        """Return the key that is asked for."""
        spending = None if self.spending is None else self.spending.to_wish()
        return ApiKeyWish(self.name, self.scopes, self.expires_at, spending)


class RotateBody(Body):
    """How long the secrets of before go on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_seconds": 3600}]})

    overlap_seconds: Annotated[int, Field(ge=0, le=int(OVERLAP_MAX.total_seconds()))] = Field(
        0, description="How long the secrets of before are good; 0 ends them at once."
    )


AT_ONCE = RotateBody(overlap_seconds=0)


class SpendingAnswer(Answer):
    """A spending rule and what has been spent under it."""

    model_config = ConfigDict(json_schema_extra={"examples": [SPENDING_EXAMPLE]})

    wallet_id: str
    currency: str
    budget: int
    per_payment_max: int | None
    payees: list[str] | None = Field(description="Who may be paid, by user id.")
    interval: str | None
    spent: int = Field(description="Since the budget began, in minor units.")
    left: int
    display: str = Field(description="What is left, for people.")
    resets_at: str | None = Field(description="When the budget begins anew.")


class ApiKeyAnswer(Answer):
    """An API key, without its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [KEY_EXAMPLE]})

    id: str
    name: str
    scopes: list[str]
    hint: str = Field(description="How its newest secret ends.")
    status: str = Field(description="active or expired.")
    created_at: str
    expires_at: str | None
    last_used_at: str | None = Field(description="Noted at most once a minute.")
    spending: SpendingAnswer | None


class NewApiKeyAnswer(ApiKeyAnswer):
    """An API key with its secret, which nobody can show you again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [KEY_EXAMPLE | {"secret": SECRET_EXAMPLE}]}
    )

    secret: str = Field(description="Send it as `Authorization: Bearer wk_…`. Shown this once.")


class ApiKeyList(Answer):
    """Your API keys, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [KEY_EXAMPLE], "next_cursor": None}]}
    )

    items: list[ApiKeyAnswer]
    next_cursor: str | None


class ApiKeysQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=PAGE_LIMIT_MAX)
    cursor: Annotated[str, Field(max_length=CURSOR_LENGTH_MAX)] | None = Field(
        None, description="The `next_cursor` of the page before."
    )


@router.post(
    "/api-keys",
    status_code=201,
    operation_id="createApiKey",
    summary="Make an API key",
    response_model=NewApiKeyAnswer,
    responses=problem_responses(
        *SIGNED_IN,
        ValidationFailed,
        NameInvalid,
        ScopesInvalid,
        ExpiryInvalid,
        UnknownCurrency,
        WalletNotFound,
        RecipientNotFound,
        ApiKeyLimitReached,
        GuardTripped,
        OutcomeUnknown,
    ),
)
async def create_api_key(request: Request, body: ApiKeyBody, person: Person) -> dict[str, Any]:
    """Make a key for a machine and get its secret, once.

    With `spending` every payment of the key is decided together with the money: it cannot spend
    more than its budget, however many payments are sent at once. You may have 50 keys.
    """
    return _new_document(await use_cases(request).api_keys.create(person, body.to_wish()))


@router.get(
    "/api-keys",
    operation_id="listApiKeys",
    summary="See your API keys",
    response_model=ApiKeyList,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, CursorInvalid),
)
async def list_api_keys(
    request: Request, person: Person, query: Annotated[ApiKeysQuery, Query()]
) -> dict[str, Any]:
    """Return your keys, newest first; those that have expired too, until you revoke them."""
    before = None if query.cursor is None else next(iter(decode_cursor(query.cursor, CURSOR_OF)))
    keys, last = await use_cases(request).api_keys.page(person, before=before, limit=query.limit)
    cursor = None if last is None else encode_cursor({last: 0}, CURSOR_OF)
    return {"items": [api_key_document(key) for key in keys], "next_cursor": cursor}


@router.get(
    "/api-keys/{id}",
    operation_id="getApiKey",
    summary="See one of your API keys",
    response_model=ApiKeyAnswer,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, ApiKeyNotFound),
)
async def get_api_key(request: Request, id: UUID, person: Person) -> dict[str, Any]:  # noqa: A002
    """Return a key: what it may do, when it was used last, and what is left of its budget."""
    return api_key_document(await use_cases(request).api_keys.get(person, id))


@router.post(
    "/api-keys/{id}/rotate",
    operation_id="rotateApiKey",
    summary="Give an API key a new secret",
    response_model=NewApiKeyAnswer,
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, ApiKeyNotFound, ApiKeyNotLive, GuardTripped, OutcomeUnknown
    ),
)
async def rotate_api_key(
    request: Request,
    id: UUID,  # noqa: A002
    person: Person,
    body: RotateBody = AT_ONCE,
) -> dict[str, Any]:
    """Get a new secret for a key; everything else about it stays.

    The secrets of before are good for `overlap_seconds` more, unless they end sooner. If the answer
    is lost, do it again: at most five secrets of a key are good at once, and the oldest go first.
    """
    overlap = timedelta(seconds=body.overlap_seconds)
    return _new_document(await use_cases(request).api_keys.rotate(person, id, overlap))


@router.delete(
    "/api-keys/{id}",
    status_code=204,
    response_class=Response,
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    responses=problem_responses(*SIGNED_IN, ValidationFailed, ApiKeyNotFound, OutcomeUnknown),
)
async def revoke_api_key(request: Request, id: UUID, person: Person) -> Response:  # noqa: A002
    """Revoke a key: it is refused here at once, and everywhere within two seconds.

    Once this is answered, no payment of a spending key is booked any more.
    """
    await use_cases(request).api_keys.revoke(person, id)
    return Response(status_code=204)


def api_key_document(key: ApiKey) -> dict[str, Any]:
    """Return an API key as its owner sees it."""
    return {
        "id": str(key.id),
        "name": key.name,
        "scopes": list(key.scopes),
        "hint": key.hint,
        "status": "expired" if key.expired else "active",
        "created_at": answers.moment(key.created_at),
        "expires_at": None if key.expires_at is None else answers.moment(key.expires_at),
        "last_used_at": None if key.last_used_at is None else answers.moment(key.last_used_at),
        "spending": None if key.spending is None else _spending_document(key.spending),
    }


def _spending_document(spending: Spending) -> dict[str, Any]:
    rule, resets_at = spending.rule, spending.resets_at
    return {
        "wallet_id": str(rule.account_id),
        "currency": rule.currency,
        "budget": rule.budget,
        "per_payment_max": rule.per_payment_max,
        "payees": None if rule.payee_ids is None else [str(id_) for id_ in rule.payee_ids],
        "interval": None if rule.interval is None else rule.interval.value,
        "spent": spending.spent,
        "left": spending.left,
        "display": display(spending.left, rule.currency),
        "resets_at": None if resets_at is None else answers.moment(resets_at),
    }


def _new_document(new: NewApiKey) -> dict[str, Any]:
    return {**api_key_document(new.key), "secret": new.secret}


def _payee(text: str) -> Recipient:
    """Read a payee: a handle has no hyphens, and a user id has four."""
    if len(text) == UUID_LENGTH:
        try:
            return Recipient(user_id=UUID(text))
        except ValueError:
            pass
    return Recipient(handle=text)
