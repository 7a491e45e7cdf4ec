"""Second factors: setting one up with an authenticator app, recovery codes, and taking it off."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer, Body, JsonObject
from wallet.api.money import SIGNED_IN
from wallet.api.people_fields import EXAMPLE_PASSWORD, GivenOtp, GivenPassword
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.guards import LogInDelayed
from wallet.domain.second_factors import OtpWrong, SecondFactorAlreadyOn, SecondFactorOff
from wallet.domain.sessions import PasswordWrong, Principal

router = APIRouter(tags=["Credentials"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

PATH = "/users/me/second-factor"
CHANGING = (*SIGNED_IN, ValidationFailed, LogInDelayed, OutcomeUnknown)
PROVEN = (*CHANGING, PasswordWrong, OtpWrong, SecondFactorOff)
BOTH_EXAMPLE: JsonObject = {"password": EXAMPLE_PASSWORD, "otp": "492039"}


class PasswordBody(Body):
    """Your password once more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": EXAMPLE_PASSWORD}]})

    password: GivenPassword


class OtpBody(Body):
    """A first code of the app."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"otp": "492039"}]})

    otp: GivenOtp


class ProofBody(Body):
    """Your password once more, and a code: six digits of the app, or a recovery code."""

    model_config = ConfigDict(json_schema_extra={"examples": [BOTH_EXAMPLE]})

    password: GivenPassword
    otp: GivenOtp


class SecondFactorAnswer(Answer):
    """Whether logging in takes a code."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "enabled": True,
                    "enabled_at": "2026-11-22T12:00:00.123456Z",
                    "recovery_codes_left": 10,
                }
            ]
        }
    )

    enabled: bool
    enabled_at: str | None
    recovery_codes_left: int


class EnrolmentAnswer(Answer):
    """What an authenticator app takes in; it is shown this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "secret": "7A7YOMBGQTIDVR2YFPCZR456S5JOUXOL",
                    "otpauth_uri": "otpauth://totp/Wallet:ada@example.com"
                    "?secret=7A7YOMBGQTIDVR2YFPCZR456S5JOUXOL&issuer=Wallet",
                    "qr_svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 49 49">…</svg>',
                }
            ]
        }
    )

    secret: str = Field(description="In base 32, for whoever types it in.")
    otpauth_uri: str
    qr_svg: str = Field(description="The address as a QR code: an SVG image without a size.")


class RecoveryCodesAnswer(Answer):
    """Codes for whoever has lost the device, each good once; they are shown this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"recovery_codes": ["7m2k-0q9x-c3va-88tp-zn4e-51wd"]}],
        }
    )

    recovery_codes: list[str]


@router.get(
    PATH,
    operation_id="getSecondFactor",
    summary="See whether you have a second factor",
    response_model=SecondFactorAnswer,
    responses=problem_responses(*SIGNED_IN),
)
async def get_second_factor(request: Request, person: Person) -> dict[str, Any]:
    """Return whether logging in takes a code, and how many recovery codes are left."""
    status = await use_cases(request).second_factors.status(person)
    since = status.enabled_at
    return {
        "enabled": since is not None,
        "enabled_at": None if since is None else answers.moment(since),
        "recovery_codes_left": status.recovery_codes_left,
    }


@router.post(
    PATH,
    operation_id="beginSecondFactor",
    summary="Begin to set up a second factor",
    response_model=EnrolmentAnswer,
    responses=problem_responses(*CHANGING, PasswordWrong, SecondFactorAlreadyOn),
)
async def begin_second_factor(
    request: Request, body: PasswordBody, person: Person
) -> dict[str, Any]:
    """Get a secret for your authenticator app. It counts once you have confirmed a first code.

    That has 30 minutes; beginning again makes another secret.
    """
    made = await use_cases(request).second_factors.begin(person, body.password)
    return {"secret": made.secret, "otpauth_uri": made.otpauth_uri, "qr_svg": made.qr_svg}


@router.post(
    f"{PATH}/confirm",
    operation_id="confirmSecondFactor",
    summary="Turn the second factor on",
    response_model=RecoveryCodesAnswer,
    responses=problem_responses(*CHANGING, OtpWrong, SecondFactorOff, SecondFactorAlreadyOn),
)
async def confirm_second_factor(request: Request, body: OtpBody, person: Person) -> dict[str, Any]:
    """Show a first code of the app. From then on logging in takes one.

    Returns ten recovery codes; keep them where the device is not. All of your other sessions end,
    because they were begun without it.
    """
    codes = await use_cases(request).second_factors.confirm(person, body.otp)
    return {"recovery_codes": list(codes)}


@router.post(
    f"{PATH}/recovery-codes",
    operation_id="replaceRecoveryCodes",
    summary="Get new recovery codes",
    response_model=RecoveryCodesAnswer,
    responses=problem_responses(*PROVEN),
)
async def replace_recovery_codes(
    request: Request, body: ProofBody, person: Person
) -> dict[str, Any]:
    """Get ten new recovery codes; the old ones are worth nothing any more."""
    codes = await use_cases(request).second_factors.replace_codes(person, body.password, body.otp)
    return {"recovery_codes": list(codes)}


@router.delete(
    PATH,
    status_code=204,
    response_class=Response,
    operation_id="disableSecondFactor",
    summary="Take the second factor off",
    responses=problem_responses(*PROVEN),
)
async def disable_second_factor(request: Request, body: ProofBody, person: Person) -> Response:
    """Do without a second factor: logging in then takes your password alone."""
    await use_cases(request).second_factors.disable(person, body.password, body.otp)
    return Response(status_code=204)
