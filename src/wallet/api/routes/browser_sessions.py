"""Sessions of the pages that the service itself serves: a cookie, and no token in any page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from wallet.api import answers
from wallet.api.cookies import (
    COOKIE_NAME,
    CrossSiteRequest,
    TwoCredentials,
    forget_cookie,
    require_own_page,
    session_cookie,
    set_cookie,
)
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import client_of, current_browser
from wallet.api.fields import Answer, JsonObject
from wallet.api.money import SIGNED_IN
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.routes.sessions import LogInBody
from wallet.api.state import use_cases
from wallet.application.browser_sessions import Browser, Shown
from wallet.application.entrance import Attempt
from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import OutcomeUnknown, Overloaded
from wallet.domain.guards import GuardTripped, LogInDelayed
from wallet.domain.second_factors import SecondFactorRequired, SecondFactorWrong
from wallet.domain.sessions import CredentialsInvalid

router = APIRouter(tags=["Sessions"], route_class=BoundedRoute)
Page = Annotated[Browser, Depends(current_browser)]

PATH = "/session"
USER_EXAMPLE: JsonObject = {
    "id": "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a",
    "handle": "ada",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.com",
    "role": "user",
}
EXAMPLE: JsonObject = {
    "user": USER_EXAMPLE,
    "csrf_token": "f3Yp9mVhJgK0l2nQx6c8dR1tBzWqA5sE7uHiOoPjLkM",
    "expires_at": "2026-11-22T12:30:00.123456Z",
    "second_factor": True,
}
SETS_COOKIE: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {"Set-Cookie": {"schema": {"type": "string"}, "description": f"`{COOKIE_NAME}`"}}
    }
}


async def own_page(request: Request) -> None:
    """Refuse a log-in that another site's page asks for: it would be somebody else's."""
    if "authorization" in request.headers:
        raise TwoCredentials
    require_own_page(request.scope)


class SessionUser(Answer):
    """Who is logged in; `role` decides which pages there are, never what anybody may do."""

    model_config = ConfigDict(json_schema_extra={"examples": [USER_EXAMPLE]})

    id: str
    handle: str | None
    first_name: str
    last_name: str
    email: str | None
    role: str


class BrowserSessionAnswer(Answer):
    """The session of a page."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    user: SessionUser
    csrf_token: str = Field(
        description="Send it as `X-CSRF-Token` with everything but GET and HEAD."
    )
    expires_at: str = Field(description="When it ends unless it is used before.")
    second_factor: bool = Field(description="Whether logging in takes a code.")


@router.post(
    PATH,
    dependencies=[Depends(own_page)],
    operation_id="beginBrowserSession",
    summary="Log in with a page",
    response_model=BrowserSessionAnswer,
    responses={
        **SETS_COOKIE,
        **problem_responses(
            ValidationFailed,
            CredentialsInvalid,
            SecondFactorRequired,
            SecondFactorWrong,
            CrossSiteRequest,
            TwoCredentials,
            GuardTripped,
            LogInDelayed,
            Overloaded,
            Interrupted,
            OutcomeUnknown,
        ),
    },
)
async def begin_browser_session(
    request: Request, response: Response, body: LogInBody
) -> dict[str, Any]:
    """Begin a session that a cookie keeps: for pages that the service serves, and no others.

    The cookie cannot be read by scripts and goes to this origin only. Programs use
    `POST /users/login`. A session that the browser still had ends.
    """
    former = session_cookie(request.scope["headers"])
    sessions = use_cases(request).browser_sessions
    attempt = Attempt(body.email, body.password, client_of(request), body.otp)
    shown, secret = await sessions.begin(attempt, former)
    lifetime_s = int(sessions.lifetime_max.total_seconds())
    response.headers["set-cookie"] = set_cookie(secret, lifetime_s)
    return session_document(shown)


@router.get(
    PATH,
    operation_id="getBrowserSession",
    summary="Find the session again after a reload",
    response_model=BrowserSessionAnswer,
    responses=problem_responses(*SIGNED_IN),
)
async def get_browser_session(request: Request, browser: Page) -> dict[str, Any]:
    """Return who is logged in with this browser, and the token that changes must bring along."""
    return session_document(await use_cases(request).browser_sessions.show(browser))


@router.delete(
    PATH,
    status_code=204,
    response_class=Response,
    operation_id="endBrowserSession",
    summary="Log out with a page",
    responses=problem_responses(*SIGNED_IN, OutcomeUnknown),
)
async def end_browser_session(request: Request, browser: Page) -> Response:
    """End the session and make the browser forget the cookie."""
    await use_cases(request).log_in.log_out(browser.principal)
    return Response(status_code=204, headers={"set-cookie": forget_cookie()})


def session_document(shown: Shown) -> dict[str, Any]:
    """Return a browser's session as its page sees it."""
    user = shown.user
    return {
        "user": {
            "id": str(user.id),
            "handle": user.handle,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "email": user.email,
            "role": user.role.value,
        },
        "csrf_token": shown.browser.csrf_token,
        "expires_at": answers.moment(shown.browser.expires_at),
        "second_factor": shown.second_factor,
    }
