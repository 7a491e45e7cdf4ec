"""Sessions: log-in, refresh, log-out, and the list of where one is logged in."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import client_of, current_person
from wallet.api.fields import Answer, Body, JsonObject
from wallet.api.money import SIGNED_IN
from wallet.api.people_fields import (
    EXAMPLE_PASSWORD,
    GivenEmail,
    GivenOtp,
    GivenPassword,
    GivenToken,
)
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.routes.users import session_document
from wallet.api.state import use_cases
from wallet.application.entrance import Attempt
from wallet.application.log_in import Tokens
from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import OutcomeUnknown, Overloaded
from wallet.domain.guards import GuardTripped, LogInDelayed
from wallet.domain.second_factors import SecondFactorRequired, SecondFactorWrong
from wallet.domain.sessions import (
    CredentialsInvalid,
    Principal,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionNotFound,
)

router = APIRouter(tags=["Sessions"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

TOKENS_EXAMPLE: JsonObject = {
    "access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIuLi4ifQ.x",
    "refresh_token": "PDaKQVoD2mTDV5Vu8lDXxgHOHSJ6cbEXiYFLCbL2GdE",
    "token_type": "Bearer",
    "expires_in": 900,
}


class LogInBody(Body):
    """How you log in."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "ada@example.com", "password": EXAMPLE_PASSWORD}]}
    )

    email: GivenEmail
    password: GivenPassword
    otp: GivenOtp | None = None


class RefreshBody(Body):
    """The refresh token that came with the last log-in or refresh."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"refresh_token": TOKENS_EXAMPLE["refresh_token"]}]}
    )

    refresh_token: GivenToken


class TokensAnswer(Answer):
    """Send the access token as `Authorization: Bearer …`; keep the refresh token to yourself."""

    model_config = ConfigDict(json_schema_extra={"examples": [TOKENS_EXAMPLE]})

    access_token: str
    refresh_token: str = Field(description="Good for one refresh.")
    token_type: str
    expires_in: int = Field(description="How long the access token is good for, in seconds.")


SESSION_EXAMPLE: JsonObject = {
    "id": "0197a6f2-4e2b-7d11-a0c3-9b8a7c6d5e4f",
    "created_at": "2026-11-22T11:57:00.123456Z",
    "last_used_at": "2026-11-22T11:57:00.123456Z",
    "expires_at": "2026-12-22T11:57:00.123456Z",
    "user_agent": "curl/8.5.0",
    "address": "203.0.113.7",
    "current": True,
}


class SessionAnswer(Answer):
    """Somewhere you are logged in."""

    model_config = ConfigDict(json_schema_extra={"examples": [SESSION_EXAMPLE]})

    id: str
    created_at: str
    last_used_at: str = Field(description="When it was begun or refreshed last.")
    expires_at: str
    user_agent: str | None
    address: str | None
    current: bool = Field(description="Whether it is the one that asks.")


class SessionList(Answer):
    """Where you are logged in; there are never more than 50."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [SESSION_EXAMPLE], "next_cursor": None}]}
    )

    items: list[SessionAnswer]
    next_cursor: None = None


@router.post(
    "/users/login",
    operation_id="logIn",
    summary="Log in",
    response_model=TokensAnswer,
    responses=problem_responses(
        ValidationFailed,
        CredentialsInvalid,
        SecondFactorRequired,
        SecondFactorWrong,
        GuardTripped,
        LogInDelayed,
        Overloaded,
        Interrupted,
        OutcomeUnknown,
    ),
)
async def log_in(request: Request, body: LogInBody) -> dict[str, Any]:
    """Begin a session and get its tokens.

    An unknown address and a wrong password get the same answer. After five failures in a row each
    further attempt on the account has to wait, at most 15 minutes. Whoever has a second factor
    sends a code of it as `otp`: six digits of the app, or a recovery code. That one is missing or
    wrong is only told after the right password.
    """
    attempt = Attempt(body.email, body.password, client_of(request), body.otp)
    tokens = await use_cases(request).log_in.log_in(attempt)
    return tokens_document(tokens)


@router.post(
    "/users/refresh",
    operation_id="refreshTokens",
    summary="Get new tokens",
    response_model=TokensAnswer,
    responses=problem_responses(
        ValidationFailed,
        RefreshTokenInvalid,
        RefreshTokenReused,
        GuardTripped,
        Interrupted,
        OutcomeUnknown,
    ),
)
async def refresh_tokens(request: Request, body: RefreshBody) -> dict[str, Any]:
    """Use up a refresh token and get the next ones.

    Each is good once. One that comes a second time was stolen, so its session ends.
    """
    tokens = await use_cases(request).log_in.refresh(body.refresh_token, client_of(request))
    return tokens_document(tokens)


@router.post(
    "/users/logout",
    status_code=204,
    response_class=Response,
    operation_id="logOut",
    summary="Log out",
    responses=problem_responses(*SIGNED_IN, OutcomeUnknown),
)
async def log_out(request: Request, person: Person) -> Response:
    """End the session that the access token belongs to."""
    await use_cases(request).log_in.log_out(person)
    return Response(status_code=204)


@router.get(
    "/users/me/sessions",
    operation_id="listSessions",
    summary="See where you are logged in",
    response_model=SessionList,
    responses=problem_responses(*SIGNED_IN),
)
async def list_sessions(request: Request, person: Person) -> dict[str, Any]:
    """Return your sessions, the one used last first."""
    sessions = await use_cases(request).log_in.sessions(person)
    items = [
        session_document(session) | {"current": session.id == person.session_id}
        for session in sessions
    ]
    return {"items": items, "next_cursor": None}


@router.delete(
    "/users/me/sessions/{session_id}",
    status_code=204,
    response_class=Response,
    operation_id="revokeSession",
    summary="End one of your sessions",
    responses=problem_responses(*SIGNED_IN, ValidationFailed, SessionNotFound, OutcomeUnknown),
)
async def revoke_session(request: Request, session_id: UUID, person: Person) -> Response:
    """End a session: its tokens are refused here at once, and everywhere within two seconds."""
    await use_cases(request).log_in.revoke(person, session_id)
    return Response(status_code=204)


def tokens_document(tokens: Tokens) -> dict[str, Any]:
    """Return tokens as RFC 6749 names them."""
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
    }
