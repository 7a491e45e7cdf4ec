"""Credentials: changing a password, proving an address, and getting back in without a password."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from wallet.application.account_mail import AccountMail, digest_of
from wallet.application.background import Background
from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.password_checks import PasswordChecks, still_confirmed
from wallet.application.ports import Clock, NewId, PasswordHasher
from wallet.application.revocations import Revocations
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.events import Event
from wallet.domain.guards import Guards, GuardTripped, subject_of_address
from wallet.domain.passwords import PASSWORD_LENGTH_MIN, new_password_of
from wallet.domain.sessions import MailPurpose, MailToken, MailTokenInvalid, Principal
from wallet.domain.users import (
    AccountClosed,
    EmailAlreadyVerified,
    EmailInvalid,
    User,
    email_of,
)


class Credentials:
    """How somebody proves, and proves again, who they are."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        guards: Guards,
        hasher: PasswordHasher,
        password_checks: PasswordChecks,
        mail: AccountMail,
        background: Background,
        revocations: Revocations,
        clock: Clock,
        new_id: NewId,
        limits: PeopleLimits = DEFAULT_LIMITS,
        password_length_min: int = PASSWORD_LENGTH_MIN,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._guards = guards
        self._hasher = hasher
        self._password_checks = password_checks
        self._mail = mail
        self._background = background
        self._revocations = revocations
        self._clock = clock
        self._new_id = new_id
        self._limits = limits
        self._password_length_min = password_length_min

    async def change_password(self, principal: Principal, current: str, new: str) -> None:
        """Set a new password and end all other sessions.

        Raises `PasswordWrong`, `LogInDelayed`, or what `new_password_of` says of the new one.
        """
        async with self._unit_of_work() as work:
            user = await work.users.get(principal.user_id)
        confirmed = await self._password_checks.confirm(user, current)
        new_hash = await self._hash(confirmed, new)
        async with self._unit_of_work() as work:
            locked = still_confirmed(await work.users.lock(principal.user_id), confirmed)
            now = self._clock()
            await work.users.save(replace(locked, password_hash=new_hash))
            ended = await work.sessions.revoke_all(locked.id, now, spare=principal.session_id)
            await work.mail_tokens.spend_all(locked.id, MailPurpose.RESET_PASSWORD, now)
            await self._record(work, locked.id, "user.password-changed", now)
            await work.commit()
        self._revocations.add(ended)

    async def request_verification(self, principal: Principal) -> None:
        """Mail another token that verifies one's address.

        Raises `EmailAlreadyVerified`, or `GuardTripped` after a few mails.
        """
        async with self._unit_of_work() as work:
            user = await work.users.get(principal.user_id)
        if user is None or user.email is None:
            raise AccountClosed
        if user.email_verified_at is not None:
            raise EmailAlreadyVerified
        await self._mail.count(user.email)
        async with self._unit_of_work() as work:
            message = await self._mail.verification(work, user.id, user.email, self._clock())
            await work.commit()
        self._mail.post(message)

    async def verify_email(self, principal: Principal, token: str) -> None:
        """Verify the address that a token was mailed to.

        Only for the person whose account it is: otherwise somebody who gets a mail because a
        stranger signed up with their address could confirm it to the stranger by mistake.

        Raises `MailTokenInvalid` or `GuardTripped`.
        """
        await self._guards.count(self._limits.mail_token, str(principal.user_id))
        taken = await self._peek(token, MailPurpose.VERIFY_EMAIL)
        if taken.user_id != principal.user_id:
            raise MailTokenInvalid(field="token")
        async with self._unit_of_work() as work:
            now = self._clock()
            # The person first and tokens second, like everybody else who locks both.
            await work.users.lock(taken.user_id)
            await self._take(work, token, MailPurpose.VERIFY_EMAIL, now)
            if not await work.users.verify_email(taken.user_id, taken.address, now):
                raise MailTokenInvalid(field="token")
            await work.mail_tokens.spend_all(taken.user_id, MailPurpose.VERIFY_EMAIL, now)
            await self._record(work, taken.user_id, "user.email-verified", now)
            await work.commit()

    async def request_password_reset(self, email: str, address: str) -> None:
        """Mail a token for a new password, if somebody has this e-mail address.

        Whether anybody has is found out in the background: neither the answer nor the time until
        it tells. Raises `GuardTripped` per client address, and nothing else.
        """
        await self._guards.count(self._limits.reset_request, subject_of_address(address))
        self._background.start(self._mail_reset(email))

    async def reset_password(self, token: str, new: str, address: str) -> None:
        """Set a new password by a mailed token, verify the address, and end all sessions.

        Raises `MailTokenInvalid`, `GuardTripped`, or what `new_password_of` says; a password that
        is refused leaves the token usable.
        """
        await self._guards.count(self._limits.mail_token, subject_of_address(address))
        # The slow hash must not be made inside a transaction.
        taken = await self._peek(token, MailPurpose.RESET_PASSWORD)
        async with self._unit_of_work() as work:
            user = await work.users.get(taken.user_id)
        if user is None or user.email != taken.address:
            raise MailTokenInvalid(field="token")
        new_hash = await self._hash(user, new)
        async with self._unit_of_work() as work:
            now = self._clock()
            locked = await work.users.lock(taken.user_id)
            await self._take(work, token, MailPurpose.RESET_PASSWORD, now)
            if locked is None or locked.email != taken.address:
                raise MailTokenInvalid(field="token")
            ended = await self._reset(work, replace(locked, password_hash=new_hash), now)
            await work.commit()
        self._revocations.add(ended)
        await self._password_checks.forgive(taken.address)

    async def _reset(self, work: UnitOfWork, user: User, now: datetime) -> list[UUID]:
        await work.users.save(user)
        # Whoever can read the mail owns the address, which is all that a verification proves.
        await work.users.verify_email(user.id, user.email or "", now)
        for purpose in MailPurpose:
            await work.mail_tokens.spend_all(user.id, purpose, now)
        await self._record(work, user.id, "user.password-reset", now)
        return list(await work.sessions.revoke_all(user.id, now))

    async def _mail_reset(self, email: str) -> None:
        try:
            address = email_of(email)
            await self._mail.count(address)
        except (EmailInvalid, GuardTripped):
            return
        async with self._unit_of_work() as work:
            user = await work.users.by_email(address)
            if user is None:
                return
            message = await self._mail.reset(work, user.id, address, self._clock())
            await work.commit()
        self._mail.post(message)

    async def _peek(self, token: str, purpose: MailPurpose) -> MailToken:
        """Return a token without using it up: what is taken here is rolled back."""
        async with self._unit_of_work() as work:
            return await self._take(work, token, purpose, self._clock())

    async def _take(
        self, work: UnitOfWork, token: str, purpose: MailPurpose, now: datetime
    ) -> MailToken:
        taken = await work.mail_tokens.take(digest_of(token), purpose, now)
        if taken is None:
            raise MailTokenInvalid(field="token")
        return taken

    async def _hash(self, user: User, new: str) -> str:
        known = (user.first_name, user.last_name, user.email or "", user.handle or "")
        password = new_password_of(
            new, known, length_min=self._password_length_min, field="new_password"
        )
        return await self._hasher.hash(password)

    async def _record(self, work: UnitOfWork, user_id: UUID, kind: str, now: datetime) -> None:
        await work.events.add(Event(self._new_id(), user_id, kind, {}, now))
