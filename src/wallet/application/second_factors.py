"""Second factors: setting one up, its recovery codes, and doing without it again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from wallet.application.account_mail import AccountMail
from wallet.application.password_checks import PasswordChecks, still_confirmed
from wallet.application.ports import (
    Clock,
    Enrolment,
    Message,
    NewId,
    NewNumber,
    OneTimeCodes,
)
from wallet.application.revocations import Revocations
from wallet.application.second_factor_checks import SecondFactorChecks, digest_of_code
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.audit_trail import Act, ActKind, SubjectKind
from wallet.domain.back_office import PersonNotFound
from wallet.domain.events import Event
from wallet.domain.second_factors import (
    RECOVERY_CODE_LENGTH,
    RECOVERY_CODES,
    OneTimeCode,
    OtpWrong,
    RecoveryCode,
    SecondFactor,
    SecondFactorAlreadyOn,
    SecondFactorOff,
    otp_of,
)
from wallet.domain.sessions import Principal
from wallet.domain.staff import StaffMember, reason_of
from wallet.domain.users import AccountClosed, User, email_of

BITS_PER_CHARACTER = 5
PAGE = 500

NOT_YOU = "\nIf it was not you, set a new password at once.\n"
ON_SUBJECT = "The second factor is on"
ON_TEXT = """\
From now on, logging in to your wallet takes a code from your authenticator app. All other sessions
have ended. Keep the recovery codes in a safe place: without them and without the device you cannot
get in.
"""
OFF_SUBJECT = "The second factor is off"
OFF_TEXT = "From now on, logging in to your wallet takes nothing but your password.\n"
CODES_SUBJECT = "New recovery codes"
CODES_TEXT = (
    "There are new recovery codes for your wallet. The old ones are worth nothing any more.\n"
)
RESET_SUBJECT = "The second factor was taken off"
RESET_TEXT = """\
Our staff have taken the second factor off your wallet, because somebody, hopefully you, said that
they could not get in any more. All sessions have ended. Log in and set up a new one.
"""


@dataclass(frozen=True, slots=True)
class SecondFactorStatus:
    """Whether somebody has a second factor, since when, and how many recovery codes are left."""

    enabled_at: datetime | None
    recovery_codes_left: int


class SecondFactors:
    """What people do with their own second factor, and what staff do for who has lost it."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        password_checks: PasswordChecks,
        checks: SecondFactorChecks,
        codes: OneTimeCodes,
        mail: AccountMail,
        revocations: Revocations,
        clock: Clock,
        new_id: NewId,
        new_number: NewNumber,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._password_checks = password_checks
        self._checks = checks
        self._codes = codes
        self._mail = mail
        self._revocations = revocations
        self._clock = clock
        self._new_id = new_id
        self._new_number = new_number

    async def status(self, principal: Principal) -> SecondFactorStatus:
        """Return whether one has a second factor."""
        async with self._unit_of_work() as work:
            factor = await work.second_factors.get(principal.user_id)
            if factor is None or not factor.is_on:
                return SecondFactorStatus(None, 0)
            left = await work.second_factors.codes_left(principal.user_id)
        return SecondFactorStatus(factor.enabled_at, left)

    async def begin(self, principal: Principal, password: str) -> Enrolment:
        """Make a secret, which counts once a first code of it has been shown.

        Raises `PasswordWrong`, `LogInDelayed`, or `SecondFactorAlreadyOn`.
        """
        confirmed = await self._confirm(principal, password)
        secret = self._codes.new_secret()
        async with self._unit_of_work() as work:
            user = still_confirmed(await work.users.lock(principal.user_id), confirmed)
            factor = await work.second_factors.lock(user.id)
            if factor is not None and factor.is_on:
                raise SecondFactorAlreadyOn
            await work.second_factors.put(SecondFactor(user.id, secret, self._clock()))
            await work.commit()
        return await self._codes.enrolment(secret, user.email or "")

    async def confirm(self, principal: Principal, otp: str) -> Sequence[str]:
        """Turn the second factor on by its first code; return the recovery codes, shown once.

        All other sessions end: they were begun without it. Raises `OtpWrong`, `LogInDelayed`,
        `SecondFactorAlreadyOn`, or `SecondFactorOff` if none was begun in time.
        """
        async with self._checks.attempt(principal.user_id), self._unit_of_work() as work:
            now = self._clock()
            user = _open(await work.users.lock(principal.user_id))
            factor = await work.second_factors.lock(user.id)
            if factor is not None and factor.is_on:
                raise SecondFactorAlreadyOn
            if factor is None or not factor.is_pending(now):
                raise SecondFactorOff
            await work.second_factors.put(self._turned_on(factor, otp, now))
            shown = await self._new_codes(work, user.id, now)
            ended = await work.sessions.revoke_all(user.id, now, spare=principal.session_id)
            await self._record(work, user.id, "user.second-factor-enabled", now)
            await work.commit()
        self._revocations.add(ended)
        self._post(user, ON_SUBJECT, ON_TEXT + NOT_YOU)
        return shown

    async def replace_codes(self, principal: Principal, password: str, otp: str) -> Sequence[str]:
        """Return new recovery codes; the old ones are worth nothing any more.

        Raises `PasswordWrong`, `OtpWrong`, `LogInDelayed`, or `SecondFactorOff`.
        """
        confirmed = await self._confirm(principal, password)
        async with self._checks.attempt(principal.user_id), self._unit_of_work() as work:
            now = self._clock()
            user = still_confirmed(await work.users.lock(principal.user_id), confirmed)
            factor = await self._checks.require_on(work, user.id)
            message = await self._checks.use(work, factor, otp, now)
            shown = await self._new_codes(work, user.id, now)
            await self._record(work, user.id, "user.recovery-codes-replaced", now)
            await work.commit()
        self._checks.post(message)
        self._post(user, CODES_SUBJECT, CODES_TEXT + NOT_YOU)
        return shown

    async def disable(self, principal: Principal, password: str, otp: str) -> None:
        """Do without a second factor from now on; raises what `replace_codes` raises."""
        confirmed = await self._confirm(principal, password)
        async with self._checks.attempt(principal.user_id), self._unit_of_work() as work:
            now = self._clock()
            user = still_confirmed(await work.users.lock(principal.user_id), confirmed)
            factor = await self._checks.require_on(work, user.id)
            message = await self._checks.use(work, factor, otp, now)
            await work.second_factors.remove(user.id)
            await self._record(work, user.id, "user.second-factor-disabled", now)
            await work.commit()
        self._checks.post(message)
        self._post(user, OFF_SUBJECT, OFF_TEXT + NOT_YOU)

    async def reset(self, email: str, actor: StaffMember, reason: str) -> UUID:
        """Take the second factor off somebody who has lost it, and end all their sessions.

        Who does so and why stand in the audit trail; the person hears only that it was done.
        Raises `ReasonInvalid`, `EmailInvalid`, `PersonNotFound` if nobody has this address, or
        `SecondFactorOff`.
        """
        reason = reason_of(reason)
        async with self._unit_of_work() as work:
            now = self._clock()
            found = await work.users.by_email(email_of(email))
            if found is None:
                raise PersonNotFound
            user = _open(await work.users.lock(found.id))
            await self._checks.require_on(work, user.id)
            await work.second_factors.remove(user.id)
            ended = await work.sessions.revoke_all(user.id, now)
            await self._record(work, user.id, "user.second-factor-reset", now)
            act = Act(
                id=self._new_id(),
                kind=ActKind.SECOND_FACTOR_RESET,
                happened_at=now,
                actor=actor,
                subject_kind=SubjectKind.PERSON,
                subject_id=user.id,
                person_id=user.id,
                reason=reason,
                before={"second_factor": True, "sessions": len(ended)},
                after={"second_factor": False, "sessions": 0},
            )
            await work.audit_trail.add(act)
            await work.commit()
        self._revocations.add(ended)
        self._post(user, RESET_SUBJECT, RESET_TEXT + NOT_YOU)
        return user.id

    async def encrypt_again(self) -> int:
        """Encrypt every secret with the present key; return how many had been with another."""
        changed, last = 0, None
        while True:
            async with self._unit_of_work() as work:
                page = await work.second_factors.after(last, PAGE)
            if not page:
                return changed
            last = page[-1].user_id
            for factor in page:
                changed += await self._encrypt(factor.user_id)

    async def _encrypt(self, user_id: UUID) -> bool:
        async with self._unit_of_work() as work:
            factor = await work.second_factors.lock(user_id)
            if factor is None:
                return False
            secret = self._codes.again(factor.secret)
            if secret == factor.secret:
                return False
            await work.second_factors.put(replace(factor, secret=secret))
            await work.commit()
        return True

    async def _confirm(self, principal: Principal, password: str) -> User:
        async with self._unit_of_work() as work:
            user = await work.users.get(principal.user_id)
        return await self._password_checks.confirm(user, password)

    def _turned_on(self, factor: SecondFactor, otp: str, now: datetime) -> SecondFactor:
        given = otp_of(otp)
        if not isinstance(given, OneTimeCode):
            raise OtpWrong
        match = self._codes.match(factor.secret, given.digits, now, factor.last_step)
        if match is None:
            raise OtpWrong
        return replace(factor.used(match.step, match.secret), enabled_at=now)

    async def _new_codes(self, work: UnitOfWork, user_id: UUID, now: datetime) -> Sequence[str]:
        bits = RECOVERY_CODE_LENGTH * BITS_PER_CHARACTER
        made = [RecoveryCode.of_number(self._new_number(bits)) for _ in range(RECOVERY_CODES)]
        digests = [digest_of_code(user_id, code) for code in made]
        await work.second_factors.replace_codes(user_id, digests, now)
        return [code.shown for code in made]

    async def _record(self, work: UnitOfWork, user_id: UUID, kind: str, now: datetime) -> None:
        await work.events.add(Event(self._new_id(), user_id, kind, {}, now))

    def _post(self, user: User, subject: str, text: str) -> None:
        if user.email is not None:
            self._mail.post(Message(user.email, subject, text))


def _open(user: User | None) -> User:
    """Return a person who has not left; raise `AccountClosed`."""
    if user is None or user.closed_at is not None:
        raise AccountClosed
    return user
