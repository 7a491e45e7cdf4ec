"""Credentials: passwords changed and reset, and e-mail addresses verified."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict

from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import client_of, current_person
from wallet.api.fields import Body
from wallet.api.money import SIGNED_IN
from wallet.api.people_fields import (
    EXAMPLE_PASSWORD,
    GivenEmail,
    GivenPassword,
    GivenToken,
    NewPassword,
)
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.routes.users import NEW_PASSWORD_REFUSED
from wallet.api.state import use_cases
from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import OutcomeUnknown, Overloaded
from wallet.domain.guards import GuardTripped, LogInDelayed
from wallet.domain.sessions import MailTokenInvalid, PasswordWrong, Principal
from wallet.domain.users import EmailAlreadyVerified

router = APIRouter(tags=["Credentials"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

EXAMPLE_TOKEN = "PDaKQVoD2mTDV5Vu8lDXxgHOHSJ6cbEXiYFLCbL2GdE"  # noqa: S105 - an example
OUTAGES = (Interrupted, Overloaded, OutcomeUnknown)


class ChangePasswordBody(Body):
    """The password as it is and as it shall be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "current_password": EXAMPLE_PASSWORD,
                    "new_password": "seven quiet rivers of amber",
                }
            ]
        }
    )

    current_password: GivenPassword
    new_password: NewPassword


class MailTokenBody(Body):
    """The token from the mail."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": EXAMPLE_TOKEN}]})

    token: GivenToken


class ResetRequestBody(Body):
    """Whose password to reset."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "ada@example.com"}]})

    email: GivenEmail


class ResetBody(Body):
    """The token from the mail, and the password to set."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"token": EXAMPLE_TOKEN, "new_password": "seven quiet rivers of amber"}]
        }
    )

    token: GivenToken
    new_password: NewPassword


@router.post(
    "/users/me/password",
    status_code=204,
    response_class=Response,
    operation_id="changePassword",
    summary="Change your password",
    responses=problem_responses(
        *SIGNED_IN,
        ValidationFailed,
        PasswordWrong,
        LogInDelayed,
        *NEW_PASSWORD_REFUSED,
        OutcomeUnknown,
    ),
)
async def change_password(request: Request, body: ChangePasswordBody, person: Person) -> Response:
    """Set a new password. All of your other sessions end; this one goes on."""
    await use_cases(request).credentials.change_password(
        person, body.current_password, body.new_password
    )
    return Response(status_code=204)


@router.post(
    "/users/me/email-verification",
    status_code=202,
    response_class=Response,
    operation_id="requestEmailVerification",
    summary="Send the verification mail again",
    responses=problem_responses(*SIGNED_IN, EmailAlreadyVerified, GuardTripped, OutcomeUnknown),
)
async def request_email_verification(request: Request, person: Person) -> Response:
    """Mail another token to your address; it is good for 30 minutes."""
    await use_cases(request).credentials.request_verification(person)
    return Response(status_code=202)


@router.post(
    "/email-verifications",
    status_code=204,
    response_class=Response,
    operation_id="verifyEmail",
    summary="Verify an e-mail address",
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, MailTokenInvalid, GuardTripped, *OUTAGES
    ),
)
async def verify_email(request: Request, body: MailTokenBody, person: Person) -> Response:
    """Show the token from the mail: from then on you can be paid by e-mail address.

    You must be logged in to the account it was mailed for.
    """
    await use_cases(request).credentials.verify_email(person, body.token)
    return Response(status_code=204)


@router.post(
    "/password-resets",
    status_code=202,
    response_class=Response,
    operation_id="requestPasswordReset",
    summary="Ask for a mail that lets you set a new password",
    responses=problem_responses(ValidationFailed, GuardTripped, Interrupted, Overloaded),
)
async def request_password_reset(request: Request, body: ResetRequestBody) -> Response:
    """Mail a token to this address, if somebody signed up with it; the answer is always the same.

    A person gets five mails an hour at most.
    """
    address = client_of(request).address
    await use_cases(request).credentials.request_password_reset(body.email, address)
    return Response(status_code=202)


@router.post(
    "/password-resets/confirm",
    status_code=204,
    response_class=Response,
    operation_id="resetPassword",
    summary="Set a new password by mail",
    responses=problem_responses(
        ValidationFailed, MailTokenInvalid, *NEW_PASSWORD_REFUSED, GuardTripped, *OUTAGES
    ),
)
async def reset_password(request: Request, body: ResetBody) -> Response:
    """Show the token from the mail and set a new password; all of your sessions end."""
    address = client_of(request).address
    await use_cases(request).credentials.reset_password(body.token, body.new_password, address)
    return Response(status_code=204)
