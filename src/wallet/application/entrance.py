"""The entrance: who somebody is, shown by password and second factor, and the session it begins.

What the session is known by from then on, tokens or a cookie, is the caller's business, and is kept
in the same transaction.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.password_checks import PasswordChecks
from wallet.application.ports import Clock, Message, NewId, PasswordHasher
from wallet.application.revocations import Revocations
from wallet.application.second_factor_checks import SecondFactorChecks
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.guards import Guards, subject_of_address
from wallet.domain.passwords import password_of
from wallet.domain.second_factors import OtpWrong, SecondFactorRequired, SecondFactorWrong
from wallet.domain.sessions import (
    SESSIONS_MAX,
    CredentialsInvalid,
    GrantRefused,
    Session,
    user_agent_of,
)
from wallet.domain.users import EmailInvalid, User, email_of


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request came from: the peer's address, and what the client calls itself."""

    address: str = ""
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody shows who wants in; `otp` is a code of the second factor, if they gave one.

    `password_alone` is whether nothing else can be shown, as in the OAuth password grant: then
    staff and people with a second factor are refused.
    """

    email: str
    password: str = field(repr=False)
    client: Client
    otp: str | None = field(default=None, repr=False)
    password_alone: bool = False


@dataclass(frozen=True, slots=True)
class Entered:
    """Who has come in, the session that began, and whether a second factor was shown."""

    user: User
    session: Session
    second_factor: bool


Keep = Callable[[UnitOfWork, Session], Awaitable[None]]
"""Writes a new session and what it is known by."""


class Entrance:
    """Lets people in; an unknown address and a wrong password look and cost the same."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        guards: Guards,
        hasher: PasswordHasher,
        password_checks: PasswordChecks,
        second_factor_checks: SecondFactorChecks,
        revocations: Revocations,
        clock: Clock,
        new_id: NewId,
        limits: PeopleLimits = DEFAULT_LIMITS,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._guards = guards
        self._hasher = hasher
        self._password_checks = password_checks
        self._second_factor_checks = second_factor_checks
        self._revocations = revocations
        self._clock = clock
        self._new_id = new_id
        self._limits = limits

    async def enter(self, attempt: Attempt, lifetime: timedelta, keep: Keep) -> Entered:
        """Begin a session that lasts for `lifetime` without being used.

        Raises `CredentialsInvalid` (the same for an unknown address and a wrong password),
        `GuardTripped`, `LogInDelayed`, `GrantRefused` or `Overloaded`, and after the right password
        only `SecondFactorRequired` or `SecondFactorWrong`.
        """
        await self._guards.count(self._limits.log_in, subject_of_address(attempt.client.address))
        address, user = await self._read(attempt.email)
        stored = None if user is None else user.password_hash
        right = await self._password_checks.check(address, attempt.password, stored)
        if user is None or not right:
            raise CredentialsInvalid
        if user.role.is_staff and attempt.password_alone:
            raise GrantRefused
        password_hash = await self._upgraded(user, attempt.password)
        async with self._counted(user.id, attempt.otp):
            entered, message = await self._begin(user, password_hash, attempt, lifetime, keep)
        self._second_factor_checks.post(message)
        return entered

    async def _read(self, email: str) -> tuple[str, User | None]:
        try:
            address = email_of(email)
        except EmailInvalid:
            return email.strip().lower(), None
        async with self._unit_of_work() as work:
            return address, await work.users.by_email(address)

    async def _upgraded(self, user: User, password: str) -> str | None:
        """Return a hash with the present parameters if the stored one has older ones."""
        if user.password_hash is None or not self._hasher.needs_update(user.password_hash):
            return user.password_hash
        return await self._hasher.hash(password_of(password))

    @asynccontextmanager
    async def _counted(self, user_id: UUID, otp: str | None) -> AsyncIterator[None]:
        """Count a code as an attempt; whoever shows none guesses nothing."""
        if otp is None:
            yield
            return
        async with self._second_factor_checks.attempt(user_id):
            yield

    async def _begin(
        self,
        user: User,
        password_hash: str | None,
        attempt: Attempt,
        lifetime: timedelta,
        keep: Keep,
    ) -> tuple[Entered, Message | None]:
        now = self._clock()
        client = attempt.client
        session = Session(
            id=self._new_id(),
            user_id=user.id,
            created_at=now,
            last_used_at=now,
            expires_at=now + lifetime,
            user_agent=user_agent_of(client.user_agent),
            address=client.address or None,
        )
        async with self._unit_of_work() as work:
            locked = await work.users.lock(user.id)
            # A password that was changed since it was verified must not open a session any more.
            if locked is None or locked.password_hash != user.password_hash:
                raise CredentialsInvalid
            shown, message = await self._second_factor(work, locked, attempt, now)
            if password_hash != locked.password_hash:
                locked = replace(locked, password_hash=password_hash)
                await work.users.save(locked)
            surplus = (await work.sessions.of_user(user.id, now))[SESSIONS_MAX - 1 :]
            ended = [old.id for old in surplus]
            await work.sessions.revoke(ended, now)
            await keep(work, session)
            await work.commit()
        self._revocations.add(ended)
        return Entered(locked, session, shown), message

    async def _second_factor(
        self, work: UnitOfWork, user: User, attempt: Attempt, now: datetime
    ) -> tuple[bool, Message | None]:
        """Return whether a locked person has shown a second factor, and the mail to post of it."""
        factor = await work.second_factors.lock(user.id)
        if factor is None or not factor.is_on:
            return False, None
        if attempt.password_alone:
            raise GrantRefused
        if attempt.otp is None:
            raise SecondFactorRequired
        try:
            return True, await self._second_factor_checks.use(work, factor, attempt.otp, now)
        except OtpWrong:
            raise SecondFactorWrong from None
