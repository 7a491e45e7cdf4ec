"""People: sign-up, profile, one's own data, leaving, and whom one can pay."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import client_of, current_person
from wallet.api.fields import Answer, Body, JsonObject
from wallet.api.money import SIGNED_IN
from wallet.api.people_fields import (
    EXAMPLE_PASSWORD,
    GivenEmail,
    GivenPassword,
    Handle,
    Name,
    NewEmail,
    NewPassword,
    profile_document,
)
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.routes.api_keys import api_key_document
from wallet.api.routes.webhooks import endpoint_document
from wallet.api.state import use_cases
from wallet.application.directory import Recipient
from wallet.application.people import Export, People, Profile, SignUp
from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import OutcomeUnknown, Overloaded
from wallet.domain.guards import GuardTripped, LogInDelayed
from wallet.domain.passwords import (
    PasswordCommon,
    PasswordPersonal,
    PasswordTooLong,
    PasswordTooShort,
    PasswordUnprintable,
)
from wallet.domain.sessions import PasswordWrong, Principal, Session
from wallet.domain.transfers import RecipientAmbiguous, RecipientNotFound
from wallet.domain.users import (
    EmailInvalid,
    EmailTaken,
    HandleInvalid,
    HandleLimitReached,
    HandleReserved,
    HandleTaken,
    NameInvalid,
)
from wallet.domain.wallets import WalletNotEmpty

router = APIRouter(tags=["People"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

PROFILE_EXAMPLE: JsonObject = {
    "id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.com",
    "email_verified": False,
    "handle": "ada",
    "default_currency": "USD",
    "created_at": "2026-11-22T12:00:00.123456Z",
    "wallet": {"id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a", "currency": "USD"},
}
SIGN_UP_EXAMPLE: JsonObject = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.com",
    "password": EXAMPLE_PASSWORD,
    "handle": "ada",
}
RECIPIENT_EXAMPLE: JsonObject = {
    "user_id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "handle": "ada",
    "first_name": "Ada",
    "initial": "L",
}
NEW_PASSWORD_REFUSED = (
    PasswordTooShort,
    PasswordTooLong,
    PasswordUnprintable,
    PasswordCommon,
    PasswordPersonal,
)
NAME_REFUSED = (NameInvalid, HandleInvalid, HandleReserved, HandleTaken)


class SignUpBody(Body):
    """Who you are, and how you will log in."""

    model_config = ConfigDict(json_schema_extra={"examples": [SIGN_UP_EXAMPLE]})

    first_name: Name
    last_name: Name
    email: NewEmail
    password: NewPassword
    handle: Handle | None = None


class ProfileBody(Body):
    """What to change; what is missing stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"handle": "ada_l"}]})

    first_name: Name | None = None
    last_name: Name | None = None
    handle: Handle | None = None


class CloseBody(Body):
    """The password once more, because there is no way back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": EXAMPLE_PASSWORD}]})

    password: GivenPassword


class WalletReference(Answer):
    """Which wallet."""

    id: str
    currency: str


class ProfileAnswer(Answer):
    """You, as you see yourself; `wallet` is your default one."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROFILE_EXAMPLE]})

    id: str
    first_name: str
    last_name: str
    email: str | None
    email_verified: bool = Field(description="Only a verified address can be paid to.")
    handle: str | None
    default_currency: str
    created_at: str
    wallet: WalletReference | None


class RecipientQuery(BaseModel):
    """Whom you mean: exactly one of the three."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID | None = Field(None, description="By id,")
    email: GivenEmail | None = Field(None, description="or by verified e-mail address,")
    handle: Annotated[str, Field(max_length=30)] | None = Field(None, description="or by handle.")


class RecipientAnswer(Answer):
    """What you may see of a person before you pay them."""

    model_config = ConfigDict(json_schema_extra={"examples": [RECIPIENT_EXAMPLE]})

    user_id: str
    handle: str | None
    first_name: str
    initial: str = Field(description="The first character of the last name.")


EXPORT_EXAMPLE: JsonObject = {
    "exported_at": "2026-11-22T12:00:00.123456Z",
    "profile": PROFILE_EXAMPLE,
    "handles": ["ada"],
    "sessions": [],
    "second_factor_enabled_at": None,
    "api_keys": [],
    "webhook_endpoints": [],
    "wallets": [],
    "transactions": [],
}


class ExportAnswer(Answer):
    """Everything that is held about you; `transactions` are as in GET /transactions."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPORT_EXAMPLE]})

    exported_at: str
    profile: JsonObject
    handles: list[str]
    sessions: list[JsonObject]
    second_factor_enabled_at: str | None
    api_keys: list[JsonObject]
    webhook_endpoints: list[JsonObject]
    wallets: list[JsonObject]
    transactions: list[JsonObject]


@router.post(
    "/users",
    status_code=201,
    operation_id="signUp",
    summary="Create an account",
    response_model=ProfileAnswer,
    responses=problem_responses(
        ValidationFailed,
        EmailInvalid,
        EmailTaken,
        *NAME_REFUSED,
        *NEW_PASSWORD_REFUSED,
        GuardTripped,
        Overloaded,
        Interrupted,
        OutcomeUnknown,
    ),
)
async def sign_up(request: Request, body: SignUpBody) -> dict[str, Any]:
    """Create an account with a wallet in the default currency, and mail a token to the address.

    You can log in at once; others can pay you by e-mail address once you have verified it.
    """
    wish = SignUp(
        first_name=body.first_name,
        last_name=body.last_name,
        email=body.email,
        password=body.password,
        handle=body.handle,
        address=client_of(request).address,
    )
    return _profile(await use_cases(request).people.sign_up(wish))


@router.get(
    "/users/me",
    operation_id="getProfile",
    summary="See your account",
    response_model=ProfileAnswer,
    responses=problem_responses(*SIGNED_IN),
)
async def get_profile(request: Request, person: Person) -> dict[str, Any]:
    """Return what is known of you."""
    return _profile(await use_cases(request).people.me(person))


@router.patch(
    "/users/me",
    operation_id="updateProfile",
    summary="Change your names or handle",
    response_model=ProfileAnswer,
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, *NAME_REFUSED, HandleLimitReached, OutcomeUnknown
    ),
)
async def update_profile(request: Request, body: ProfileBody, person: Person) -> dict[str, Any]:
    """Change names or handle. A handle that you give up stays yours; you may have five in all."""
    changed = await use_cases(request).people.update(
        person, first_name=body.first_name, last_name=body.last_name, handle=body.handle
    )
    return _profile(changed)


@router.delete(
    "/users/me",
    status_code=204,
    response_class=Response,
    operation_id="closeAccount",
    summary="Close your account",
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, PasswordWrong, LogInDelayed, WalletNotEmpty, OutcomeUnknown
    ),
)
async def close_account(request: Request, body: CloseBody, person: Person) -> Response:
    """Close the account for good. All wallets must be empty, and no top-up may be pending.

    Your names and e-mail address are erased and all sessions end. What was paid stays in the books.
    """
    await use_cases(request).people.close(person, body.password)
    return Response(status_code=204)


@router.get(
    "/users/me/export",
    operation_id="exportData",
    summary="Download everything that is held about you",
    response_model=ExportAnswer,
    responses=problem_responses(*SIGNED_IN, GuardTripped),
)
async def export_data(request: Request, person: Person) -> Response:
    """Return your profile, handles, sessions, API keys, wallets and transactions as one file."""
    people = use_cases(request).people
    export = await people.export(person)
    return StreamingResponse(
        _export(people, person, export),
        media_type="application/json",
        headers={"content-disposition": 'attachment; filename="wallet-export.json"'},
    )


@router.get(
    "/recipients",
    operation_id="findRecipient",
    summary="See who somebody is before you pay them",
    response_model=RecipientAnswer,
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, RecipientAmbiguous, RecipientNotFound, GuardTripped
    ),
)
async def find_recipient(
    request: Request, person: Person, query: Annotated[RecipientQuery, Query()]
) -> dict[str, Any]:
    """Find a person by id, verified e-mail address or handle, and return what helps to recognise
    them. After 30 misses in an hour the answer is 429.
    """
    recipient = Recipient(query.user_id, query.email, query.handle)
    found = await use_cases(request).recipients.look_up(person.user_id, recipient)
    return {
        "user_id": str(found.user_id),
        "handle": found.handle,
        "first_name": found.first_name,
        "initial": found.initial,
    }


def session_document(session: Session) -> dict[str, Any]:
    """Return a session as its owner sees it."""
    return {
        "id": str(session.id),
        "created_at": answers.moment(session.created_at),
        "last_used_at": answers.moment(session.last_used_at),
        "expires_at": answers.moment(session.expires_at),
        "user_agent": session.user_agent,
        "address": session.address,
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return profile_document(profile, answers.moment(profile.user.created_at))


async def _export(people: People, person: Principal, export: Export) -> AsyncIterator[bytes]:
    """Yield one JSON object in pieces, so that a long history is never in memory as a whole."""
    profile = _profile(Profile(export.user, None))
    since = export.second_factor_enabled_at
    del profile["wallet"]
    head = {
        "exported_at": answers.moment(export.exported_at),
        "profile": profile,
        "handles": export.handles,
        "sessions": [session_document(session) for session in export.sessions],
        "second_factor_enabled_at": None if since is None else answers.moment(since),
        "api_keys": [api_key_document(key) for key in export.api_keys],
        "webhook_endpoints": [endpoint_document(one) for one in export.webhook_endpoints],
        "wallets": [answers.wallet_document(wallet) for wallet in export.wallets],
    }
    yield orjson.dumps(head)[:-1] + b',"transactions":['
    separator = b""
    async for line in people.export_lines(person):
        yield separator + orjson.dumps(answers.line(line))
        separator = b","
    yield b"]}"
