"""The second factor: codes of an authenticator app, and recovery codes for who has lost it."""

from dataclasses import replace

from wallet_sdk._async.namespace import AsyncMethod, AsyncNamespace
from wallet_sdk._generated.api.credentials import (
    begin_second_factor,
    confirm_second_factor,
    disable_second_factor,
    get_second_factor,
    replace_recovery_codes,
)
from wallet_sdk.models import EnrolmentAnswer, OtpBody, PasswordBody, ProofBody


class AsyncSecondFactor(AsyncNamespace):
    """What logging in takes besides the password.

    An `otp` is six digits of the app, or a recovery code; each is good once. If
    `OutcomeUnknown` leaves in doubt whether a change was made, `state` tells.
    """

    state = AsyncMethod(get_second_factor.operation)

    async def begin(self, *, password: str) -> EnrolmentAnswer:
        """Get a secret for the app: as text, address and QR code. It counts once confirmed.

        Raises `SecondFactorAlreadyOn`, `PasswordWrong`, `LogInDelayed`.
        """
        operation = begin_second_factor.operation(body=PasswordBody(password=password))
        # Another secret takes the place of one that nobody has seen.
        return await self._call(replace(operation, harmless=True))

    async def confirm(self, otp: str) -> list[str]:
        """Turn it on by a first code of the app; all other sessions of the person end.

        Returns the recovery codes, this once. Raises `OtpWrong`, `SecondFactorOff` if it was not
        begun within 30 minutes.
        """
        operation = confirm_second_factor.operation(body=OtpBody(otp=otp))
        return (await self._call(operation)).recovery_codes

    async def replace_recovery_codes(self, *, password: str, otp: str) -> list[str]:
        """Get new recovery codes; the old ones are worth nothing any more. Raises `OtpWrong` …"""
        body = ProofBody(password=password, otp=otp)
        return (await self._call(replace_recovery_codes.operation(body=body))).recovery_codes

    async def disable(self, *, password: str, otp: str) -> None:
        """Take it off: the password alone logs in again. Raises `OtpWrong`, `PasswordWrong` …"""
        await self._call(
            disable_second_factor.operation(body=ProofBody(password=password, otp=otp))
        )
