"""Checking a code of somebody's second factor, slowed down per person however it is asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from wallet.application.account_mail import AccountMail
from wallet.application.ports import Clock, Message, NewId, OneTimeCodes
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.errors import WalletError
from wallet.domain.events import Event
from wallet.domain.guards import FREE_FAILURES, LogInDelays
from wallet.domain.second_factors import (
    OneTimeCode,
    OtpWrong,
    RecoveryCode,
    SecondFactor,
    SecondFactorOff,
    SecondFactorRequiredForStaff,
    SecondFactorWrong,
    otp_of,
)
from wallet.domain.sessions import Principal
from wallet.domain.users import User

CODE_USED_SUBJECT = "A recovery code was used"
CODE_USED_TEXT = """\
One of the recovery codes of your wallet was used, to log in or to change the second factor.
Codes left: {left}.

If it was not you, set a new password at once and make new recovery codes.
"""
GUESSED_SUBJECT = "Wrong codes are being tried"
GUESSED_TEXT = """\
Wrong codes of your wallet's second factor were given {failures} times in a row. Only somebody
who knows your password, or is logged in as you, gets that far. Each further attempt has to wait
longer.

If it was not you, set a new password at once; that ends all your sessions.
"""


class SecondFactorChecks:
    """One attempt per code, which counts as failed until it has succeeded."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        codes: OneTimeCodes,
        delays: LogInDelays,
        mail: AccountMail,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._codes = codes
        self._delays = delays
        self._mail = mail
        self._new_id = new_id

    @asynccontextmanager
    async def attempt(self, user_id: UUID) -> AsyncIterator[None]:
        """Count what is tried inside as a failure, unless it succeeds or nobody could tell.

        Raises `LogInDelayed` while one must wait. It encloses the unit of work, so that a failure
        stays counted when that is rolled back.
        """
        account = sha256(b"wallet-second-factor-v1\0" + user_id.bytes).digest()
        failures = await self._delays.begin(account)
        try:
            yield
        except (OtpWrong, SecondFactorWrong):
            if failures == FREE_FAILURES:
                await self._tell_of_guesses(user_id, failures)
            raise
        except WalletError:
            await self._delays.take_back(account)
            raise
        await self._delays.succeed(account)

    async def use(
        self, work: UnitOfWork, factor: SecondFactor, otp: str, now: datetime
    ) -> Message | None:
        """Use up a code of a locked second factor; return the mail to post once that is committed.

        Raises `OtpWrong`.
        """
        match otp_of(otp):
            case OneTimeCode(digits):
                await self._use_digits(work, factor, digits, now)
                return None
            case RecoveryCode() as code:
                return await self._use_recovery(work, factor, code, now)
        raise OtpWrong

    async def require_on(self, work: UnitOfWork, user_id: UUID) -> SecondFactor:
        """Return a person's second factor under its lock; raise `SecondFactorOff`."""
        factor = await work.second_factors.lock(user_id)
        if factor is None or not factor.is_on:
            raise SecondFactorOff
        return factor

    def post(self, message: Message | None) -> None:
        """Post a mail, if there is one."""
        if message is not None:
            self._mail.post(message)

    async def _tell_of_guesses(self, user_id: UUID, failures: int) -> None:
        """Tell somebody that their codes are being guessed: once in a row of failures."""
        async with self._unit_of_work() as work:
            facts = {"failures": str(failures)}
            now = self._clock()
            await work.events.add(
                Event(self._new_id(), user_id, "user.second-factor-guessed", facts, now)
            )
            user = await work.users.get(user_id)
            await work.commit()
        if user is not None and user.email is not None:
            text = GUESSED_TEXT.format(failures=failures)
            self._mail.post(Message(user.email, GUESSED_SUBJECT, text))

    async def _use_digits(
        self, work: UnitOfWork, factor: SecondFactor, digits: str, now: datetime
    ) -> None:
        match = self._codes.match(factor.secret, digits, now, factor.last_step)
        if match is None:
            raise OtpWrong
        await work.second_factors.put(factor.used(match.step, match.secret))

    async def _use_recovery(
        self, work: UnitOfWork, factor: SecondFactor, code: RecoveryCode, now: datetime
    ) -> Message | None:
        digest = digest_of_code(factor.user_id, code)
        if not await work.second_factors.take_code(factor.user_id, digest, now):
            raise OtpWrong
        left = await work.second_factors.codes_left(factor.user_id)
        facts = {"recovery_codes_left": str(left)}
        await work.events.add(
            Event(self._new_id(), factor.user_id, "user.recovery-code-used", facts, now)
        )
        user = await work.users.get(factor.user_id)
        if user is None or user.email is None:
            return None
        return Message(user.email, CODE_USED_SUBJECT, CODE_USED_TEXT.format(left=left))


async def second_factor_of_staff(work: UnitOfWork, user: User, principal: Principal) -> None:
    """Raise `SecondFactorRequiredForStaff` unless a member of staff has a second factor.

    What must hold of staff besides their role, on every request. All sessions of somebody who has
    a second factor were begun with it.
    """
    factor = await work.second_factors.get(user.id)
    if factor is None or not factor.is_on:
        raise SecondFactorRequiredForStaff


def digest_of_code(user_id: UUID, code: RecoveryCode) -> bytes:
    """Return what is kept of a recovery code; 120 random bits need no slow hash."""
    return sha256(b"wallet-recovery-code-v1\0" + user_id.bytes + code.text.encode()).digest()
